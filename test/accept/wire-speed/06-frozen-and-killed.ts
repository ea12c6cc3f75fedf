// Line 6: a node is frozen while requests wait on a slow origin through the others: those it had are answered by the next node, those
// of the others are left alone. A node is killed with downloads running through it: they are finished from the next.

import { Agent } from 'node:http';
import { Ring } from '../../../src/front/ring.ts';
import { startOrigin, type TestOrigin } from '../../support/bad-origin.ts';
import { atRate, decidedBy, inParallel, type Taken, take } from '../../support/client.ts';
import { type Edge, startEdge, until } from '../../support/edge.ts';
import { atMost, exactly, type Line, type Row, type Scale } from '../line.ts';

const MB = 1024 * 1024;

interface Size {
  readonly frozenMs: number;
  /** Requests on the slow origin, and how slow it is. */
  readonly waiting: number;
  readonly originMs: number;
  readonly perSecond: number;
  readonly downloads: number;
  readonly bytesPerSecond: number;
}

const SIZES: Readonly<Record<Scale, Size>> = {
  full: { frozenMs: 10_000, waiting: 50, originMs: 7_000, perSecond: 200, downloads: 20, bytesPerSecond: MB },
  bounded: { frozenMs: 4_000, waiting: 20, originMs: 3_000, perSecond: 100, downloads: 6, bytesPerSecond: 2 * MB },
};

const NODES = 4;
const VICTIM = 'n2';
const IMAGES = 200;
const SMALL = 16 * 1024;
/** Requests that the victim has, without a byte, when it is frozen; their origin takes so long. */
const CAUGHT = 10;
const CAUGHT_ORIGIN_MS = 200;
const MOST_FIRST_BYTE_MS = 1_500;
const BIG = 8 * MB;
const HUGES = 2;
const HUGE = 24 * MB;
const HUGE_PER_SECOND = 4 * MB;
/** A name among so many is of the node that is wanted. */
const NAMES = 1_000;
/** How soon a node that runs again is used again. */
const MOST_BACK_MS = 3_000;

export const line: Line = {
  number: 6,
  title: 'a node frozen, a node killed: nobody notices',
  measure: async (scale) => [...(await frozen(SIZES[scale])), ...(await killed(SIZES[scale]))],
};

const RING = new Ring(
  Array.from({ length: NODES }, (_, at) => ({ name: `n${at + 1}`, weight: 100 })),
  1024,
);

/** The first `count` paths below `folder` that belong to the victim, or to anybody else. */
function pathsOf(folder: string, count: number, ofVictim: boolean): readonly string[] {
  return Array.from({ length: NAMES }, (_, at) => `/${folder}/${at}.jpg`)
    .filter((path) => (`n${RING.owner(`all ${path}`) + 1}` === VICTIM) === ofVictim)
    .slice(0, count);
}

function imagePath(at: number): string {
  return `/small/${at % IMAGES}.jpg`;
}

async function frozen(size: Size): Promise<readonly Row[]> {
  const slow = pathsOf('slow', size.waiting, false);
  const caught = pathsOf('caught', CAUGHT, true);
  return withCluster(
    () => SMALL,
    async (edge, origin) => {
      delayByFolder(origin, { slow: size.originMs, caught: CAUGHT_ORIGIN_MS });
      const agent = new Agent({ keepAlive: true, maxSockets: 64 });
      await inParallel(IMAGES, 16, (at) => take(`${edge.front}${imagePath(at)}`, { agent }));
      const pid = await edge.pid(VICTIM);
      const total = origin.total();
      const waiting = slow.map((path) => take(`${edge.front}${path}`, { mostMs: 60_000 }));
      await origin.arrived(total + slow.length);
      const held = caught.map((path) => take(`${edge.front}${path}`));
      await origin.arrived(total + slow.length + caught.length);
      const frozenMs = performance.now();
      process.kill(pid, 'SIGSTOP');
      let others: readonly Taken[] = [];
      try {
        others = await atRate(size.perSecond, (size.perSecond * size.frozenMs) / 1_000, (at) =>
          take(`${edge.front}${imagePath(at)}`, { agent: at % 2 === 0 ? agent : undefined }),
        );
      } finally {
        process.kill(pid, 'SIGCONT');
      }
      const thawedMs = performance.now();
      const ofWaiting = await Promise.all(waiting);
      const ofCaught = await Promise.all(held);
      let backMs = Number.NaN;
      await until('the node is used again', async () => {
        const theirs = await take(`${edge.front}${pathsOf('small', 1, true)[0]}`, { agent });
        if (decidedBy(theirs.headers) === VICTIM) backMs = performance.now() - thawedMs;
        return !Number.isNaN(backMs);
      }).catch(() => {});
      agent.destroy();
      const all = [...others, ...ofWaiting, ...ofCaught];
      const waited = [...others, ...ofCaught].map(({ beganMs, headMs }) => headMs - beganMs);
      const fetches = slow.map((path) => origin.counts.get(path) ?? 0);
      const what = `${VICTIM} frozen ${size.frozenMs / 1_000} s`;
      return [
        exactly(`${what}: of ${all.length} requests, not answered with 200 and their bytes`, wrongOf(all, origin).length, 0),
        atMost(
          `${what}: time to first byte of ${waited.length} requests that had none at the freeze`,
          Math.round(Math.max(...waited)),
          MOST_FIRST_BYTE_MS,
          ' ms',
        ),
        { asked: `${what}: median time to first byte`, reached: `${Math.round(median(waited))} ms`, ok: true },
        exactly(
          `${what}: ${slow.length} requests that wait ${size.originMs} ms on the origin through others: one fetch each`,
          `${fetches.filter((count) => count === 1).length}, ${fetches.filter((count) => count > 1).length} more often`,
          `${slow.length}, 0 more often`,
        ),
        exactly(
          `${what}: of them begun before the freeze and answered after it`,
          ofWaiting.filter(({ beganMs, headMs }) => beganMs < frozenMs && headMs > frozenMs).length,
          slow.length,
        ),
        exactly(`${what}: it was not replaced`, (await edge.pid(VICTIM)) === pid, true),
        atMost(`${what}: used again after`, Math.round(backMs), MOST_BACK_MS, ' ms'),
      ];
    },
  );
}

/** What the origin says of a folder, it says after so long. */
function delayByFolder(origin: TestOrigin, delays: Readonly<Record<string, number>>): void {
  origin.settings.answer = (request, response) => {
    const path = (request.url ?? '').split('?', 1)[0]!;
    const delayMs = delays[path.split('/')[1] ?? ''];
    if (delayMs === undefined) return false;
    const body = origin.body(path);
    setTimeout(() => {
      response
        .writeHead(200, {
          'content-type': 'image/jpeg',
          'content-length': body.length,
          'cache-control': 'max-age=3600',
          etag: origin.etag(path),
        })
        .end(body);
    }, delayMs);
    return true;
  };
}

interface Download {
  readonly path: string;
  readonly bytesPerSecond: number;
}

/**
 * Half of the downloads are well under way when the node is killed, half have just begun, and a few are so large that the sockets on
 * the way cannot hold what is missing.
 */
async function killed({ downloads, bytesPerSecond }: Size): Promise<readonly Row[]> {
  const big = pathsOf('big', downloads, true).map((path) => ({ path, bytesPerSecond }));
  const huge = pathsOf('huge', HUGES, true).map((path) => ({ path, bytesPerSecond: HUGE_PER_SECOND }));
  const early = [...big.slice(0, downloads / 2), ...huge];
  const late = big.slice(downloads / 2);
  return withCluster(
    (path) => (path.startsWith('/huge/') ? HUGE : BIG),
    async (edge, origin) => {
      const pid = await edge.pid(VICTIM);
      const read = new Map<string, number>();
      const start = (list: readonly Download[]) =>
        list.map(({ path, bytesPerSecond: rate }) =>
          take(`${edge.front}${path}`, { bytesPerSecond: rate, mostMs: 120_000, onBytes: (bytes) => read.set(path, bytes) }),
        );
      const beganMs = performance.now();
      const first = start(early);
      await until('a third has been read', () => early.every(({ path }) => (read.get(path) ?? 0) > BIG / 3));
      const then = start(late);
      await until('all have begun', () => read.size === early.length + late.length);
      const before = await byOthers(edge);
      process.kill(pid, 'SIGKILL');
      const killedMs = performance.now();
      const answers = await Promise.all([...first, ...then]);
      const through = answers.filter(({ headers, headMs, endedMs }) => {
        return decidedBy(headers) === VICTIM && headMs < killedMs && endedMs > killedMs;
      });
      const finished = (await byOthers(edge)) - before;
      const lastMs = Math.max(...answers.map(({ endedMs }) => endedMs)) - beganMs;
      const what = `${VICTIM} killed with ${downloads} downloads of 8 MB at ${bytesPerSecond / MB} MB/s and ${HUGES} of 24 MB through it`;
      return [
        exactly(`${what}: begun by it and not read at the kill`, through.length, answers.length),
        exactly(`${what}: whole and equal by hash`, answers.length - wrongOf(answers, origin).length, answers.length),
        { asked: `${what}: other nodes were asked for the rest`, reached: `${finished} times`, ok: finished >= HUGES },
        { asked: `${what}: the last was read after`, reached: `${(lastMs / 1_000).toFixed(1)} s`, ok: true },
      ];
    },
  );
}

/** Requests that the other nodes have answered. */
async function byOthers(edge: Edge): Promise<number> {
  const names = Object.keys(edge.nodePorts).filter((name) => name !== VICTIM);
  const counts = await Promise.all(names.map((node) => edge.metric('deckle_requests_total', { role: 'node', node })));
  return counts.reduce((sum, count) => sum + count, 0);
}

function wrongOf(answers: readonly Taken[], origin: TestOrigin): readonly Taken[] {
  return answers.filter(
    ({ fate, status, sha256, url }) => fate !== 'whole' || status !== 200 || sha256 !== origin.sha256(new URL(url).pathname),
  );
}

function median(figures: readonly number[]): number {
  return figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)] ?? Number.NaN;
}

async function withCluster<T>(size: (path: string) => number, work: (edge: Edge, origin: TestOrigin) => Promise<T>): Promise<T> {
  const origin = await startOrigin({ size, headers: { 'cache-control': 'max-age=3600' } });
  const edge = await startEdge({
    nodes: NODES,
    config: {
      // A copy at the front would answer for the node that is gone.
      front: { hot: { size: 0 } },
      origins: { store: { urls: [origin.url] } },
      sites: [{ name: 'all', hosts: ['*'], path: '/', origin: 'store' }],
      log: { level: 'fatal' },
    },
  });
  try {
    return await work(edge, origin);
  } finally {
    await edge.close();
    await origin.close();
  }
}
