// Origins that break HTTP in every way of test/support/bad-origin.ts, behind a real front and real nodes.
// What must hold for each: the client gets a clean error of the catalogue or sees that the body broke off, nothing of it is stored,
// its connection carries nothing else, no process dies, and a good image of the same origin comes right after.
// The site keeps anything cacheable, so that only the breach itself stands between an answer and the store.

import { get, type IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import { type BadOrigin, BEHAVIOURS, type Behaviour, GOOD_BODY, startBadOrigin } from '../../support/bad-origin.ts';
import { type Edge, freePorts, startEdge } from '../../support/edge.ts';
import { atMost, exactly, type Line, type Row, type Scale } from '../line.ts';

const AT_ONCE = 8;
const ANSWER_MOST_MS = 60_000;
/** The cache cuts an origin slower than 1 KB/s over 15 s of waiting: at the end of the first or of the second such window. */
const SLOW_CUT_MS = 35_000;
const SLOW_LENGTH = 200_000;
const WHERE_BOUNDED = 3;
const SLOW_BYTE_MS = 100;

/** 10 bytes a second, for ever. */
const SLOW: Behaviour = {
  outcome: 'cut',
  act: (socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: ${SLOW_LENGTH}\r\n\r\n`);
    const timer = setInterval(() => socket.write('x'), SLOW_BYTE_MS);
    socket.on('close', () => clearInterval(timer));
  },
};

export const line: Line = {
  number: 5,
  title: 'an origin that breaks HTTP harms nobody: clean errors, nothing stored, no connection used again',
  measure,
};

/** A good origin with one word too many: an answer stands on the connection before anything was asked. */
const EARLY = `HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 5\r\n\r\nearly`;

interface Got {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** The answer ended as its head had promised. */
  readonly whole: boolean;
  readonly ms: number;
}

async function measure(scale: Scale): Promise<readonly Row[]> {
  const bad = Object.entries(BEHAVIOURS).filter(([, { outcome }]) => !GOOD.has(outcome));
  const spy = new Spy();
  const origin = await startBadOrigin({ behaviour: spy });
  spy.origin = origin;
  const early = await startBadOrigin({ onConnect: EARLY });
  const [closedPort] = await freePorts(1);
  const edge = await startEdge({ config: configOf(origin.url, early.url, `http://127.0.0.1:${closedPort}`) });
  try {
    const pids = await pidsOf(edge);
    const slow = scale === 'full' ? [['slow', SLOW] as const] : [];
    const told = await inTurns([...bad, ...slow], ([name]) => tryBad(edge, origin, spy, name));
    const faults = told.filter((each) => each.fault !== undefined).map(({ name, fault }) => `${name}: ${fault}`);
    const rows: Row[] = [
      {
        asked: `${told.length} ways to break HTTP: a clean 502 or 504, or a visible break; then a good image`,
        reached: faults.length === 0 ? `${told.length} of ${told.length} (${counted(told)})` : faults.join(' | '),
        ok: faults.length === 0,
      },
      slow.length === 0
        ? { asked: '10 bytes a second', reached: 'left out here: it takes half a minute', ok: true }
        : atMost('10 bytes a second, cut after', Math.round(told.at(-1)!.ms), SLOW_CUT_MS, ' ms'),
      { asked: 'connections used again after a breach: none', ...verdict(spy.usedAgain()) },
      await refusedRow(edge),
      await earlyRow(edge, early),
      await controlRow(edge, origin),
      await storedRow(edge, scale, bad),
    ];
    const after = await pidsOf(edge);
    return [...rows, exactly('the same processes as before', after, pids)];
  } finally {
    await edge.close();
    await Promise.all([origin.close(), early.close()]);
  }
}

const GOOD: ReadonlySet<string> = new Set(['whole', 'whole-then-closed', 'empty']);

function configOf(url: string, earlyUrl: string, refusedUrl: string) {
  const timeouts = { connect: '1s', first_byte: '1s', between_bytes: '1s' };
  return {
    origins: {
      bad: { urls: [url], timeouts },
      early: { urls: [earlyUrl], timeouts },
      refused: { urls: [refusedUrl], timeouts },
    },
    sites: [
      { name: 'bad', hosts: ['bad.test'], origin: 'bad', store: ['*/*'] },
      { name: 'early', hosts: ['early.test'], origin: 'early', store: ['*/*'] },
      { name: 'refused', hosts: ['refused.test'], origin: 'refused', store: ['*/*'] },
    ],
  };
}

/** Notes which connection carried what, and answers as the path says. */
class Spy implements Behaviour {
  readonly outcome = 'broken';
  origin: BadOrigin | undefined;
  readonly #carried = new Map<Socket, string[]>();
  #asked = new Map<string, number>();

  act(socket: Socket): void {
    const head = this.origin?.heads.at(-1) ?? '';
    const name = head.slice(head.indexOf('/') + 1, head.indexOf(' HTTP/'));
    this.#carried.set(socket, [...(this.#carried.get(socket) ?? []), name]);
    this.#asked.set(name, this.asked(name) + 1);
    (name === 'slow' ? SLOW : (BEHAVIOURS[name] ?? BEHAVIOURS['good']!)).act(socket);
  }

  /** How often a path was asked for. */
  asked(name: string): number {
    return this.#asked.get(name) ?? 0;
  }

  /** Connections that carried a request behind a breach. */
  usedAgain(): readonly string[] {
    const isBad = (name: string): boolean => name === 'slow' || !GOOD.has(BEHAVIOURS[name]?.outcome ?? 'whole');
    return [...this.#carried.values()].filter((names) => names.slice(0, -1).some(isBad)).map((names) => names.join(' then '));
  }
}

interface Told {
  readonly name: string;
  readonly fault: string | undefined;
  readonly how: string;
  readonly ms: number;
}

/** The breach twice, so that what was stored of the first would show, then a good image of the same origin twice. */
async function tryBad(edge: Edge, origin: BadOrigin, spy: Spy, name: string): Promise<Told> {
  const first = await ask(edge, 'bad.test', `/${name}`);
  const told = (fault: string | undefined): Told => ({ name, fault, how: howOf(first), ms: first.ms });
  const fault = faultOf(first);
  if (fault !== undefined) return told(fault);
  if (name !== 'slow') {
    const before = spy.asked(name);
    const second = await ask(edge, 'bad.test', `/${name}`);
    const again = faultOf(second);
    if (again !== undefined) return told(`the second time: ${again}`);
    if (spy.asked(name) === before) return told('the second time the origin was not asked');
  }
  const fine = `/fine-${name}`;
  const heads = origin.heads.length;
  for (const wanted of ['stored', 'hit'] as const) {
    const good = await ask(edge, 'bad.test', fine);
    if (!good.whole || good.status !== 200 || !good.body.equals(GOOD_BODY))
      return told(`then ${fine}: ${howOf(good)} ${good.body}`);
    if (!`${good.headers['cache-status']}`.includes(wanted)) return told(`then ${fine}: ${good.headers['cache-status']}`);
  }
  return told(origin.heads.length === heads ? 'the good image did not come from the origin' : undefined);
}

/** Why this is neither a clean error nor a visible break. */
function faultOf({ status, headers, body, whole }: Got): string | undefined {
  if (!whole) return undefined;
  if (status !== 502 && status !== 504) return `status ${status}, ${body.length} bytes, taken for whole`;
  if (!/^DECKLE_ORIGIN_[A-Z]+\b/m.test(body.toString())) return `status ${status} without a code: ${body}`;
  return headers['cache-control'] === 'no-store' ? undefined : `status ${status} may be cached: ${headers['cache-control']}`;
}

function howOf({ status, whole, body }: Got): string {
  if (!whole) return 'broken off';
  return /DECKLE_[A-Z_]+/.exec(body.toString())?.[0] ?? `status ${status}`;
}

function counted(told: readonly Told[]): string {
  const counts = new Map<string, number>();
  for (const { how } of told) counts.set(how, (counts.get(how) ?? 0) + 1);
  return [...counts].map(([how, count]) => `${count} ${how}`).join(', ');
}

function verdict(faults: readonly string[]): Pick<Row, 'reached' | 'ok'> {
  return { reached: faults.length === 0 ? 'none' : faults.join(' | '), ok: faults.length === 0 };
}

async function refusedRow(edge: Edge): Promise<Row> {
  const got = await ask(edge, 'refused.test', '/a.png');
  return exactly('nobody listens at the origin', `${got.status} ${howOf(got)}`, '502 DECKLE_ORIGIN_REFUSED');
}

/** The early bytes must never become the answer to anything. */
async function earlyRow(edge: Edge, early: BadOrigin): Promise<Row> {
  const got: Got[] = [];
  for (let at = 0; at < 5; at += 1) got.push(await ask(edge, 'early.test', `/${at % 2}.png`));
  const taken = got.filter((each) => faultOf(each) !== undefined || each.body.includes('early'));
  return {
    asked: 'an answer before the request: refused, 5 of 5 times',
    reached: taken.length === 0 ? `refused on ${early.connections()} connections` : taken.map(howOf).join(' | '),
    ok: taken.length === 0 && early.connections() >= got.length,
  };
}

/** What is unusual and allowed comes through, so that refusing everything would not pass. */
async function controlRow(edge: Edge, origin: BadOrigin): Promise<Row> {
  const names = Object.keys(BEHAVIOURS).filter((name) => BEHAVIOURS[name]!.outcome.startsWith('whole'));
  const before = origin.heads.length;
  const faults: string[] = [];
  for (const name of names) {
    const got = await ask(edge, 'bad.test', `/${name}`);
    if (!got.whole || got.status !== 200 || !got.body.equals(GOOD_BODY)) faults.push(`${name}: ${howOf(got)}`);
  }
  return {
    asked: `${names.length} unusual answers that HTTP allows: whole`,
    reached: faults.length === 0 ? `${names.length} of ${names.length}` : faults.join(' | '),
    ok: faults.length === 0 && origin.heads.length - before === names.length,
  };
}

/** What the nodes say that they hold. */
async function storedRow(edge: Edge, scale: Scale, bad: readonly (readonly [string, Behaviour])[]): Promise<Row> {
  const asked = scale === 'full' ? bad : bad.filter((_, at) => at % Math.ceil(bad.length / WHERE_BOUNDED) === 0);
  const held: string[] = [];
  for (const [name] of asked) {
    const said = await edge.deckle('where', `/${name}`, '--host', 'bad.test');
    if (!/^holds\s+nothing$/m.test(said.out)) held.push(`${name}: ${said.out}${said.err}`);
  }
  const good = await edge.deckle('where', `/fine-${bad[0]![0]}`, '--host', 'bad.test');
  if (!/^holds\s+\d+ bytes in memory/m.test(good.out)) held.push(`the good image is not held: ${good.out}${good.err}`);
  return { asked: `deckle where on ${asked.length} of them: holds nothing; on a good image: holds it`, ...verdict(held) };
}

async function pidsOf(edge: Edge): Promise<string> {
  const { processes } = await edge.stats();
  return processes.map(({ name, pid, restarts }) => `${name} ${pid} ${restarts}`).join(', ');
}

/** One request on a connection of its own. */
function ask(edge: Edge, host: string, path: string): Promise<Got> {
  const begun = performance.now();
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    const done = (status: number | undefined, headers: IncomingHttpHeaders, whole: boolean): void =>
      resolve({ status, headers, body: Buffer.concat(parts), whole, ms: performance.now() - begun });
    const request = get(
      { host: '127.0.0.1', port: edge.frontPort, path, agent: false, headers: { host }, timeout: ANSWER_MOST_MS },
      (response) => {
        const { statusCode, headers } = response;
        response.on('data', (chunk: Buffer) => parts.push(chunk));
        response.on('error', () => {});
        response.on('close', () => done(statusCode, headers, response.complete));
      },
    );
    request.on('timeout', () => request.destroy());
    request.on('error', () => done(undefined, {}, false));
  });
}

/** In the order of the list, some at once. */
async function inTurns<T, R>(all: readonly T[], run: (each: T) => Promise<R>): Promise<readonly R[]> {
  const results = new Array<R>(all.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let at = next++; at < all.length; at = next++) results[at] = await run(all[at]!);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}
