// Line 4: clients that hold connections and say nothing, that never finish their head, that read far too slowly: cut at the limits
// or waited for, in bounded memory, and the others do not notice.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startOrigin, type TestOrigin } from '../../support/bad-origin.ts';
import { makeCertificate } from '../../support/certificate.ts';
import { startChild } from '../../support/child.ts';
import { atRate, inParallel, type Taken, take } from '../../support/client.ts';
import { type Edge, freePorts, startEdge } from '../../support/edge.ts';
import { watchMemory } from '../../support/memory.ts';
import type { Ended, SilentOrder, SilentSays } from '../../support/silent-clients.ts';
import type { SlowOrder, SlowSays } from '../../support/slow-readers.ts';
import { atMost, exactly, type Line, type Row, type Scale } from '../line.ts';

const KB = 1024;
const MB = 1024 * KB;

interface Size {
  readonly idle: number;
  readonly slow: number;
  readonly idleMs: number;
  readonly headMs: number;
  readonly rounds: number;
  readonly perSecond: number;
  readonly quietSeconds: number;
  /** The loaded p99 may be so far above the quiet one. */
  readonly slackMs: number;
  readonly worstMs: number;
  readonly readers: number;
  readonly growthMB: number;
}

const SIZES: Readonly<Record<Scale, Size>> = {
  full: {
    idle: 10_000,
    slow: 1_000,
    idleMs: 9_000,
    headMs: 7_000,
    rounds: 5,
    perSecond: 200,
    quietSeconds: 5,
    slackMs: 10,
    worstMs: 250,
    readers: 500,
    growthMB: 64,
  },
  // On a machine that runs other tests as well, the clock says less: the bounds are wider.
  bounded: {
    idle: 1_500,
    slow: 150,
    idleMs: 3_000,
    headMs: 2_000,
    rounds: 1,
    perSecond: 100,
    quietSeconds: 2,
    slackMs: 500,
    worstMs: 2_000,
    readers: 60,
    growthMB: 24,
  },
};

const IMAGES = 100;
const BIG = 8 * MB;
const BIG_PATH = '/big.jpg';
/** Deadlines are looked at four times a second; the rest is for two busy processes. */
const LATE_MS = 2_000;
const MOST_MS = 120_000;
const STALLED_BYTES = 256 * KB;
const RATIO = 2;

export const line: Line = {
  number: 4,
  title: 'silent clients and slow readers: cut at the limits, bounded memory, others undisturbed',
  measure: async (scale) => {
    const size = SIZES[scale];
    return [...(await silentClients(size)), ...(await slowReaders(size, false)), ...(await slowReaders(size, true))];
  },
};

async function silentClients(size: Size): Promise<readonly Row[]> {
  const origin = await startOrigin({ headers: { 'cache-control': 'max-age=3600' } });
  const limits = { idle_timeout: `${size.idleMs}ms`, header_timeout: `${size.headMs}ms` };
  const edge = await startEdge({
    config: { front: { limits }, origins: { store: { urls: [origin.url] } }, sites: [{ hosts: ['*'], origin: 'store' }] },
  });
  const agent = new Agent({ keepAlive: true, maxSockets: 32 });
  try {
    await inParallel(IMAGES, 10, (at) => take(`${edge.front}${imagePath(at)}`));
    const rows: Row[] = [];
    const quiet: Taken[][] = [];
    const loaded: Taken[][] = [];
    for (let round = 1; round <= size.rounds; round += 1) {
      quiet.push(await others(edge, agent, size, (size.quietSeconds * 1_000) | 0));
      const order: SilentOrder = { port: edge.frontPort, idle: size.idle, slow: size.slow, mostMs: MOST_MS };
      const memory = watchMemory({ 'front-1': await edge.pid('front-1') });
      const child = startChild<SilentSays>('silent-clients', order);
      try {
        const closed = child.says((said) => said.kind === 'closed', MOST_MS);
        let over = false;
        void closed.then(
          () => (over = true),
          () => (over = true),
        );
        const during = others(edge, agent, size, MOST_MS, () => over);
        const { count } = await child.says((said) => said.kind === 'open', MOST_MS);
        const { idle, slow } = await closed;
        loaded.push(await during);
        const which = size.rounds === 1 ? '' : `round ${round}: `;
        rows.push(
          exactly(`${which}connections that stood`, count, size.idle + size.slow),
          cutRow(`${which}idle connections cut at ${size.idleMs} ms`, idle, size.idle, size.idleMs),
          cutRow(`${which}slow heads cut at ${size.headMs} ms`, slow, size.slow, size.headMs),
          exactly(`${which}slow heads told so with a 408`, slow.told, size.slow),
          { asked: `${which}memory of the front`, reached: `+${toMB(memory.growth()['front-1']!)} MB`, ok: true },
        );
      } finally {
        memory.stop();
        await child.close();
      }
    }
    return [...rows, ...undisturbed(quiet, loaded, size, origin)];
  } finally {
    agent.destroy();
    await edge.close();
    await origin.close();
  }
}

function cutRow(asked: string, ended: Ended, count: number, atMs: number): Row {
  return {
    asked: `${asked}: all ${count}, none before, none ${LATE_MS} ms late`,
    reached: `${ended.count}, after ${ended.firstMs} to ${ended.lastMs} ms`,
    ok: ended.count === count && ended.firstMs >= atMs - 50 && ended.lastMs <= atMs + LATE_MS,
  };
}

/** Requests at a fixed rate, half of them on new connections, for `mostMs` or until `over`. */
async function others(edge: Edge, agent: Agent, size: Size, mostMs: number, over = () => false): Promise<Taken[]> {
  const all: (Taken | undefined)[] = [];
  const begun = performance.now();
  for (let chunk = 0; performance.now() - begun < mostMs && !over(); chunk += 1) {
    const count = size.perSecond / 4;
    const answers = await atRate(size.perSecond, count, (at) =>
      take(`${edge.front}${imagePath(chunk * count + at)}`, { agent: at % 2 === 0 ? agent : undefined }),
    );
    all.push(...answers);
  }
  return all.filter((each) => each !== undefined);
}

function undisturbed(quiet: readonly Taken[][], loaded: readonly Taken[][], size: Size, origin: TestOrigin): readonly Row[] {
  const all = loaded.flat();
  const wrong = all.filter(
    ({ fate, status, sha256, url }) => fate !== 'whole' || status !== 200 || sha256 !== origin.sha256(new URL(url).pathname),
  );
  const quietP99 = median(quiet.map(p99));
  const bound = Math.max(RATIO * quietP99, quietP99 + size.slackMs);
  return [
    { asked: 'requests of others', reached: `${all.length}`, ok: all.length > 0 },
    exactly('requests of others that failed', wrong.length, 0),
    atMost(`p99 of others (quiet: ${quietP99.toFixed(1)} ms)`, round1(median(loaded.map(p99))), round1(bound), ' ms'),
    atMost('the slowest of others', Math.round(Math.max(...all.map(tookMs))), size.worstMs, ' ms'),
  ];
}

function tookMs({ beganMs, endedMs }: Taken): number {
  return endedMs - beganMs;
}

function p99(taken: readonly Taken[]): number {
  const sorted = taken.map(tookMs).toSorted((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN;
}

function median(figures: readonly number[]): number {
  return figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)] ?? Number.NaN;
}

function round1(figure: number): number {
  return Math.round(figure * 10) / 10;
}

function toMB(bytes: number): number {
  return Math.round(bytes / MB);
}

function imagePath(at: number): string {
  return `/small/${at % IMAGES}.jpg`;
}

async function slowReaders(size: Size, tls: boolean): Promise<readonly Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'deckle-slow-'));
  const { cert, key } = makeCertificate();
  writeFileSync(join(folder, 'cert.pem'), cert);
  writeFileSync(join(folder, 'key.pem'), key, { mode: 0o600 });
  const [port = 0] = await freePorts(1);
  const address = `127.0.0.1:${port}`;
  const origin = await startOrigin({ size: () => BIG, headers: { 'cache-control': 'max-age=3600' } });
  const listen = tls ? [{ address, tls: [{ cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }] }] : [address];
  let edge: Edge | undefined;
  try {
    edge = await startEdge({
      nodes: 1,
      config: { front: { listen }, origins: { store: { urls: [origin.url] } }, sites: [{ hosts: ['*'], origin: 'store' }] },
    });
    const order: SlowOrder = { port, tls, count: size.readers, path: BIG_PATH, stalledBytes: STALLED_BYTES, mostMs: MOST_MS };
    // What a process takes once, for any crowd, is not what readers cost: a tenth of them goes first, and reads at once.
    await readAll({ ...order, count: Math.ceil(size.readers / 10) });
    const memory = watchMemory({ 'front-1': await edge.pid('front-1'), n1: await edge.pid('n1') });
    const read = await readAll(order, memory.growth);
    const growth = memory.growth();
    memory.stop();
    const what = `${size.readers} slow readers of 8 MB ${tls ? 'over TLS' : 'in plain text'}`;
    return [
      exactly(`${what}: bodies whole and equal by hash`, read.said.bodies[origin.sha256(BIG_PATH)] ?? 0, size.readers),
      ...Object.entries(read.stalled).map(([name, bytes]) =>
        atMost(`${what}: growth of ${name} while they stall`, toMB(bytes), size.growthMB, ' MB'),
      ),
      { asked: `${what}: growth until all have read on, at full speed`, reached: textOf(growth), ok: true },
      exactly(`${what}: fetches from the origin`, origin.total(), 1),
    ];
  } finally {
    await edge?.close();
    await origin.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function textOf(growth: Growth): string {
  return Object.entries(growth)
    .map(([name, bytes]) => `${name} ${toMB(bytes)} MB`)
    .join(', ');
}

type Growth = Readonly<Record<string, number>>;

/** Lets them stall, looks at the memory, lets them read to the end. */
async function readAll(order: SlowOrder, look: () => Growth = () => ({})) {
  const child = startChild<SlowSays>('slow-readers', order);
  try {
    // Or all were cut before.
    await child.says((said) => said.kind === 'stalled' || said.kind === 'read', MOST_MS);
    const stalled = look();
    child.tell('finish');
    const said = await child.says((each) => each.kind === 'read', MOST_MS);
    return { said, stalled };
  } finally {
    await child.close();
  }
}
