// Line 3: the lane proved against node:http over a million inputs, over real sockets, and on the heads that agents really send.

import { createHash } from 'node:crypto';
import { fuzzLane } from '../../fuzz/differential.ts';
import { headText, RECORDED, type RecordedHead } from '../../fuzz/inputs.ts';
import { sendInputs } from '../../fuzz/over-sockets.ts';
import { HttpReader, readingOf } from '../../fuzz/readers.ts';
import { startOrigin, type TestOrigin } from '../../support/bad-origin.ts';
import { type Edge, startEdge, until } from '../../support/edge.ts';
import { openRaw } from '../../support/raw.ts';
import { startWire } from '../../support/wire.ts';
import { exactly, type Line, type Row, type Scale } from '../line.ts';

interface Size {
  readonly inputs: number;
  /** Of them over sockets to a listener, and to a whole edge. */
  readonly overSockets: number;
  readonly toEdge: number;
  readonly seed: number;
}

const SIZES: Readonly<Record<Scale, Size>> = {
  full: { inputs: 1_000_000, overSockets: 20_000, toEdge: 5_000, seed: 3_001 },
  bounded: { inputs: 20_000, overSockets: 2_000, toEdge: 500, seed: 3_002 },
};
/** Of the inputs, the part that must be accepted for the fuzz to show something. */
const LEAST_ACCEPTED = 0.05;
const RECORDED_LEAST = 60;
const RECORDED_SHARE = 0.99;

export const line: Line = {
  number: 3,
  title: 'what the lane accepts, node:http reads the same way; and it answers what agents really send',
  measure: async (scale) => {
    const size = SIZES[scale];
    return [...(await inMemory(size)), ...(await overSockets(size)), ...(await atAnEdge(size))];
  },
};

async function inMemory({ inputs, seed }: Size): Promise<readonly Row[]> {
  const found = await fuzzLane(inputs, seed);
  const least = Math.floor(inputs * LEAST_ACCEPTED);
  return [
    {
      asked: `${inputs} inputs, read differently by the lane, by node:http or when split: 0`,
      reached: [found.differences.length, ...found.differences].join('\n'),
      ok: found.inputs === inputs && found.differences.length === 0,
    },
    {
      asked: `different heads that were accepted and compared: at least ${least}`,
      reached: `${found.accepted}, in ${found.splits} splits`,
      ok: found.accepted >= least,
    },
    exactly('handlers that threw', found.defects.length, 0),
    exactly('connections that the lane kept', found.left, 0),
  ];
}

async function overSockets({ overSockets: count, seed }: Size): Promise<readonly Row[]> {
  await using wire = await startWire(
    (x) => {
      const heard = Buffer.from(JSON.stringify(readingOf(x.head))).toString('base64');
      x.reply.whole(200, `X-Heard: ${heard}\r\nContent-Length: 0\r\n`, undefined);
    },
    { headBytes: 8192, headFields: 100 },
    (x, fault) => x.reply.whole(fault.status, 'Content-Length: 0\r\n', undefined),
  );
  const http = new HttpReader();
  const differences: string[] = [];
  let hung = 0;
  let answered = 0;
  let waiting = 0;
  await sendInputs(wire.port, count, seed + 1, (sent) => {
    if (sent.hung) hung += 1;
    const ours = heardOf(sent.answer);
    if (ours.length === 0) return;
    answered += 1;
    waiting += 1;
    const byHttp = http.read(Buffer.from(sent.text, 'latin1'));
    setImmediate(() => {
      waiting -= 1;
      const theirs = byHttp.heard.slice(0, ours.length).map((reading) => JSON.stringify(reading));
      if (JSON.stringify(theirs) !== JSON.stringify(ours))
        differences.push(`${JSON.stringify(sent.text)}\n   lane ${ours}\n   node ${theirs}`);
      byHttp.destroy();
    });
  });
  await until('node:http has read all', () => waiting === 0);
  http.close();
  await until('the sockets are closed', () => wire.listener.connections === 0).catch(() => {});
  const what = `${count} inputs in pieces over sockets to a listener`;
  return [
    {
      asked: `${what}: read differently: 0`,
      reached: [differences.length, ...differences.slice(0, 5)].join('\n'),
      ok: differences.length === 0,
    },
    { asked: `${what}: answered with 200`, reached: `${answered}`, ok: answered > count * LEAST_ACCEPTED },
    exactly(`${what}: hung`, hung, 0),
    exactly(`${what}: handlers that threw`, wire.defects.length, 0),
    exactly(`${what}: sockets left open`, wire.listener.connections, 0),
  ];
}

/** The readings that answers bring back: none of them has a body. */
function heardOf(answer: Buffer): readonly string[] {
  return [...answer.toString('latin1').matchAll(/^X-Heard: (\S+)\r$/gm)].map((match) =>
    Buffer.from(match[1]!, 'base64').toString(),
  );
}

const ETAG = '"65f1c2a4-4000"';
const IMAGE_BYTES = 16 * 1024;

async function atAnEdge(size: Size): Promise<readonly Row[]> {
  const origin = await startOrigin({
    size: () => IMAGE_BYTES,
    headers: { etag: ETAG, 'last-modified': 'Wed, 13 Mar 2024 15:13:40 GMT', 'cache-control': 'max-age=3600' },
  });
  const edge = await startEdge({ nodes: 1, config: { origins: { store: { urls: [origin.url] } }, sites: [SITE] } });
  try {
    return [...(await recorded(edge, origin)), ...(await fuzzed(edge, size))];
  } finally {
    await edge.close();
    await origin.close();
  }
}

const SITE = { hosts: ['*'], origin: 'store' };

async function recorded(edge: Edge, origin: TestOrigin): Promise<readonly Row[]> {
  const rows: Row[] = [exactly(`recorded heads, at least ${RECORDED_LEAST}`, RECORDED.length >= RECORDED_LEAST, true)];
  for (const [door, port] of [['the front', edge.frontPort] as const, ['a node', edge.nodePorts['n1']!] as const]) {
    const missed: string[] = [];
    for (const head of RECORDED) {
      const wrong = await wrongWith(port, head, origin);
      if (wrong !== '') missed.push(`${head.name}: ${wrong}`);
    }
    const good = RECORDED.length - missed.length;
    rows.push({
      asked: `${door}: answers to ${RECORDED.length} recorded heads as they are due: at least ${RECORDED_SHARE * 100} %`,
      reached: [good, ...missed].join('; '),
      ok: good >= RECORDED.length * RECORDED_SHARE,
    });
  }
  return rows;
}

/** What is wrong with the answer to a recorded head, or ''. The connection must be kept exactly when the agent keeps it. */
async function wrongWith(port: number, head: RecordedHead, origin: TestOrigin): Promise<string> {
  const [method = '', target = ''] = head.lines[0]!.split(' ');
  const client = await openRaw(port);
  try {
    client.send(headText(head));
    const isHead = method === 'HEAD';
    const answer = () => client.answers(isHead ? [0] : [])[0];
    await until('an answer', () => answer()?.whole === true || client.how() !== 'open', 5_000).catch(() => {});
    const got = answer();
    if (got === undefined || !got.whole) return 'no whole answer';
    if (got.status !== head.status) return `${got.status} instead of ${head.status}`;
    if (got.fields['etag'] !== ETAG) return `ETag ${got.fields['etag']}`;
    if (isHead || head.status === 304) return got.body.length === 0 ? '' : 'a body';
    const image = origin.body(new URL(target, 'http://a').pathname);
    return sha256(got.body) === sha256(wantedPart(image, got.fields['content-range'])) ? '' : 'another body';
  } finally {
    client.close();
  }
}

function wantedPart(image: Buffer, contentRange: string | undefined): Buffer {
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(contentRange ?? '');
  return match === null || Number(match[3]) !== image.length ? image : image.subarray(Number(match[1]), Number(match[2]) + 1);
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function fuzzed(edge: Edge, { toEdge: count, seed }: Size): Promise<readonly Row[]> {
  const hung: string[] = [];
  for (const [at, port] of [edge.frontPort, edge.nodePorts['n1']!].entries()) {
    await sendInputs(port, count, seed + 2 + at, (sent) => {
      if (sent.hung) hung.push(JSON.stringify(sent.text));
    });
  }
  const open = () => edge.metric('deckle_connections', { role: 'front' });
  await until('the sockets are closed', async () => (await open()) === 0).catch(() => {});
  const { processes } = await edge.stats();
  const what = `${count} inputs to the front and ${count} to a node of an edge`;
  return [
    { asked: `${what}: hung: 0`, reached: [hung.length, ...hung.slice(0, 3)].join('; '), ok: hung.length === 0 },
    exactly(`${what}: processes that were replaced`, processes.filter(({ restarts }) => restarts > 0).length, 0),
    exactly(`${what}: sockets open at the front`, await open(), 0),
  ];
}
