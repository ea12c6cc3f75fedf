// Malformed requests at a real edge, at its front and straight at a node: refused, the connection closed, nothing at the origin.
// Each alone, after a good request, after a request with a body, and pipelined before a good one.

import { readFileSync } from 'node:fs';
import { startBadOrigin } from '../../support/bad-origin.ts';
import { type Edge, startEdge } from '../../support/edge.ts';
import { openRaw, type RawClient } from '../../support/raw.ts';
import { exactly, type Line, type Row } from '../line.ts';

interface Case {
  readonly name: string;
  readonly bytes: Buffer;
}

/** The text, then `fill` times an `a`, then the rest. */
interface Written {
  readonly name: string;
  readonly latin1: string;
  readonly fill?: number;
  readonly rest?: string;
}

const FIXTURES = ['malformed-requests.json', 'malformed-requests-more.json'] as const;

export const CASES: readonly Case[] = FIXTURES.flatMap((file) => {
  const written = JSON.parse(readFileSync(new URL(`../../fixtures/${file}`, import.meta.url), 'utf8')) as readonly Written[];
  return written.map(({ name, latin1, fill = 0, rest = '' }) => ({
    name,
    bytes: Buffer.from(latin1 + 'a'.repeat(fill) + rest, 'latin1'),
  }));
});

/** A good request; the origin answers it with 200. */
function good(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: images.test\r\n\r\n`;
}

interface Manner {
  readonly title: string;
  /** What goes before, until its answer is there: the status that it gets. */
  readonly before?: (path: string) => { readonly text: string; readonly status: number };
  /** What goes behind in the same write; it may reach the origin only where nothing refused stands before it: never. */
  readonly behind?: (path: string) => string;
  /** The connection ends with the answer to what goes before: the case itself gets none. */
  readonly alreadyClosed?: boolean;
}

const MANNERS: readonly Manner[] = [
  { title: 'alone' },
  { title: 'after a good one', before: (path) => ({ text: good(path), status: 200 }) },
  {
    title: 'after a POST',
    before: (path) => ({
      text: `POST ${path} HTTP/1.1\r\nHost: images.test\r\nContent-Length: 5\r\n\r\nhello`,
      status: 405,
    }),
    alreadyClosed: true,
  },
  {
    title: 'after a GET with a body',
    before: (path) => ({
      text: `GET ${path} HTTP/1.1\r\nHost: images.test\r\nContent-Length: 5\r\n\r\nhello`,
      status: 200,
    }),
    alreadyClosed: true,
  },
  { title: 'pipelined before a good one', behind: good },
];

/** What is wrong, or '' when the case was refused and its connection closed. */
async function refusal(port: number, { bytes }: Case, manner: Manner, path: string): Promise<string> {
  const client: RawClient = await openRaw(port);
  try {
    const before = manner.before?.(`${path}/before`);
    if (before !== undefined) {
      client.send(before.text);
      if (!(await client.answered(1))) return 'the request before it got no answer';
      const status = client.answers()[0]?.status;
      if (status !== before.status) return `the request before it got ${status}`;
    }
    client.send(Buffer.concat([bytes, Buffer.from(manner.behind?.(`${path}/behind`) ?? '', 'latin1')]));
    if ((await client.closed()) === 'open') return 'left open';
    const answers = client.answers().slice(before === undefined ? 0 : 1);
    if (manner.alreadyClosed === true && answers.length > 0) return `answered with ${answers[0]?.status}`;
    if (answers.length > 1) return `${answers.length} answers`;
    const [answer] = answers;
    if (answer === undefined) return '';
    if (answer.status < 400 || answer.status > 599) return `answered with ${answer.status}`;
    if (!answer.whole) return 'the answer was cut';
    return answer.fields['connection'] === 'close' ? '' : 'the answer does not say that the connection ends';
  } finally {
    client.close();
  }
}

export const line: Line = {
  number: 7,
  title: 'malformed requests are refused and closed, at the front and at a node, and none reaches the origin',
  measure: async () => {
    const origin = await startBadOrigin();
    const rows: Row[] = [];
    const expected = new Set<string>();
    let edge: Edge | undefined;
    try {
      edge = await startEdge({ nodes: 1, config: { origins: { store: { urls: [origin.url] } } } });
      const doors = { front: edge.frontPort, node: edge.nodePorts['n1'] as number };
      for (const [door, port] of Object.entries(doors)) {
        for (const [place, manner] of MANNERS.entries()) {
          const missed: string[] = [];
          for (const [at, each] of CASES.entries()) {
            const path = `/${door}/${place}/${at}`;
            if (manner.before?.(path).status === 200) expected.add(`${path}/before`);
            const wrong = await refusal(port, each, manner, path);
            if (wrong !== '') missed.push(`${each.name}: ${wrong}`);
          }
          rows.push({
            asked: `${door}, ${manner.title}: ${CASES.length} refused and closed`,
            reached: [CASES.length - missed.length, ...missed].join('; '),
            ok: missed.length === 0,
          });
        }
        // Whatever was let through before this one is at the origin by the time it is answered.
        expected.add(`/${door}/last`);
        const last = await openRaw(port);
        last.send(good(`/${door}/last`));
        rows.push(exactly(`${door} still answers`, (await last.answered(1)) && last.answers()[0]?.status === 200, true));
        last.close();
      }
      const asked = origin.heads.map((head) => head.slice(0, head.indexOf('\r\n')));
      const foreign = asked.filter((text) => !expected.has(text.split(' ')[1] ?? ''));
      rows.push({
        asked: 'requests at the origin that were not good ones: 0',
        reached: [foreign.length, ...foreign].join('; '),
        ok: foreign.length === 0,
      });
      const seen = new Set(asked.map((text) => text.split(' ')[1]));
      rows.push(exactly('good ones at the origin', [...expected].filter((path) => seen.has(path)).length, expected.size));
      return rows;
    } finally {
      await edge?.close();
      await origin.close();
    }
  },
};
