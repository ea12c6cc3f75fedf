// Line 4: kill -9 under load. Of a node: nobody who has no byte yet notices; what has begun is cut, never ended short.
// Of a front: only what it had accepted is lost.

import { Agent } from 'node:http';
import { Ring } from '../../../src/front/ring.ts';
import { startOrigin, type TestOrigin } from '../../support/bad-origin.ts';
import { atRate, decidedBy, type Taken, take } from '../../support/client.ts';
import { type Edge, startEdge, until } from '../../support/edge.ts';
import { atMost, exactly, type Line, type Row, type Scale } from '../line.ts';

const LOAD = {
  full: { perSecond: 200, seconds: 10, downloads: 12 },
  bounded: { perSecond: 100, seconds: 4, downloads: 6 },
} as const;

const IMAGES = 240;
const SMALL = 8 * 1024;
const BIG = 8 * 1024 * 1024;
/** Names to choose from: enough that every node owns as many as are downloaded. */
const BIGS = 100;

/** The part of the run after which the process is killed. */
const KILL_AT = 0.3;

export const line: Line = {
  number: 4,
  title: 'kill -9 of a node, and of a front, under load',
  measure: async (scale) => [...(await killNode(scale)), ...(await killFront(scale))],
};

function imagePath(at: number): string {
  return `/small/${at % IMAGES}.jpg`;
}

/**
 * How many downloads have begun when request `at` is started: half of them with the run, one more 1, 2, 4 … requests before the kill,
 * so that some of them are at every stage of their answer when it comes.
 */
function begunDownloads(at: number, count: number, downloads: number): number {
  const left = Math.floor(count * KILL_AT) - at;
  const late = downloads / 2;
  return left <= 0 ? downloads : Math.max(late, downloads - Math.ceil(Math.log2(left)) - 1);
}

/** A client that reads as slowly as the run lasts. */
function slowly(edge: Edge, path: string, seconds: number): Promise<Taken> {
  return take(`${edge.front}${path}`, { bytesPerSecond: BIG / seconds, mostMs: 60_000 });
}

function ownerOf(path: string, nodes: number): string {
  const members = Array.from({ length: nodes }, (_, at) => ({ name: `n${at + 1}`, weight: 100 }));
  return members[new Ring(members, 1024).owner(`all ${path}`)]!.name;
}

function bigPath(at: number): string {
  return `/big/${at}.jpg`;
}

async function killNode(scale: Scale): Promise<readonly Row[]> {
  const { perSecond, seconds, downloads } = LOAD[scale];
  return withCluster({ nodes: 3, fronts: 1 }, async (edge, origin) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 64 });
    const victim = 'n2';
    const theirs = Array.from({ length: BIGS }, (_, at) => bigPath(at)).filter((path) => ownerOf(path, 3) === victim);
    const before = await edge.pid(victim);
    let killedMs = 0;
    const count = perSecond * seconds;
    const slow: Promise<Taken>[] = [];
    const answers = await atRate(perSecond, count, (at) => {
      if (at === Math.floor(count * KILL_AT)) {
        killedMs = performance.now();
        process.kill(before, 'SIGKILL');
      }
      while (slow.length < begunDownloads(at, count, downloads)) slow.push(slowly(edge, theirs[slow.length]!, seconds));
      return take(`${edge.front}${imagePath(at)}`, { agent: at % 2 === 0 ? agent : undefined });
    });
    const big = await Promise.all(slow);
    agent.destroy();
    let back = false;
    await until('the node is replaced', async () => (back = (await edge.pid(victim)) !== before && (await up(edge, victim))));
    // The walk comes back to it when it is no longer passed over.
    let servesMs = answers.find((answer) => answer.beganMs > killedMs + 50 && decidedBy(answer.headers) === victim)?.endedMs;
    await until('the node answers again', async () => {
      if (servesMs !== undefined) return true;
      for (let at = 0; at < 20; at += 1) {
        const answer = await take(`${edge.front}${imagePath(at)}`);
        if (decidedBy(answer.headers) === victim) servesMs = answer.endedMs;
      }
      return servesMs !== undefined;
    });

    const all = [...answers, ...big];
    const cut = all.filter(({ fate }) => fate === 'cut');
    const after = answers.filter(({ beganMs }) => beganMs >= killedMs);
    const slowest = Math.max(...after.map(({ beganMs, endedMs }) => endedMs - beganMs));
    const firstElsewhere = after.find(({ fate, headers }) => fate === 'whole' && decidedBy(headers) !== victim)!;
    return [
      exactly(
        `node killed under ${perSecond}/s for ${seconds} s: requests without a byte that failed`,
        failedWithoutByte(all),
        0,
      ),
      exactly('answers that were not 200', all.filter(({ fate, status }) => fate === 'whole' && status !== 200).length, 0),
      exactly('bodies that ended as whole and were not', endedWrong(all, origin), 0),
      exactly(
        'bodies cut that did not come from the killed node',
        cut.filter(({ headers }) => decidedBy(headers) !== victim).length,
        0,
      ),
      {
        asked: 'downloads of 8 MB that the killed node had begun are cut',
        reached: `${cut.length} of ${big.length} cut`,
        ok: true,
      },
      atMost('the slowest answer begun after the kill', Math.round(slowest), 2_000, ' ms'),
      exactly('the supervisor brought it back', back, true),
      exactly('times it was replaced', await edge.metric('deckle_process_restarts_total', { process: victim }), 1),
      atMost('it answers again after', Math.round(servesMs! - killedMs), 10_000, ' ms'),
      {
        asked: 'other nodes answer in its place after',
        reached: `${Math.round(firstElsewhere.endedMs - killedMs)} ms`,
        ok: true,
      },
      {
        asked: 'fetches from the origin stay few: one per image and node at most',
        reached: `${origin.total()}`,
        ok: Math.max(...origin.counts.values()) <= 4,
      },
    ];
  });
}

async function killFront(scale: Scale): Promise<readonly Row[]> {
  const { perSecond, seconds, downloads } = LOAD[scale];
  return withCluster({ nodes: 2, fronts: 2 }, async (edge, origin) => {
    const before = await edge.pid('front-1');
    const open = new Set<number>();
    let atHand = new Set<number>();
    const slow: Promise<Taken>[] = [];
    let killedMs = 0;
    const count = perSecond * seconds;
    const answers = await atRate(perSecond, count, async (at) => {
      if (at === Math.floor(count * KILL_AT)) {
        killedMs = performance.now();
        process.kill(before, 'SIGKILL');
        atHand = new Set(open);
      }
      while (slow.length < begunDownloads(at, count, downloads)) slow.push(slowly(edge, bigPath(slow.length), seconds));
      open.add(at);
      const answer = await take(`${edge.front}${imagePath(at)}`);
      open.delete(at);
      return answer;
    });
    await until('the front is replaced', async () => (await edge.pid('front-1')) !== before && (await up(edge, 'front-1')));
    const failed = answers.map((answer, at) => ({ answer, at })).filter(({ answer }) => answer.fate !== 'whole');
    const after = answers.filter(({ beganMs }) => beganMs >= killedMs);
    const big = await Promise.all(slow);
    return [
      exactly('front killed: requests begun afterwards that failed', failed.filter(({ at }) => !atHand.has(at)).length, 0),
      {
        asked: 'requests at hand that failed',
        reached: `${failed.length} of ${atHand.size} at hand`,
        ok: failed.length <= atHand.size,
      },
      exactly('answers that were not 200', answers.filter(({ fate, status }) => fate === 'whole' && status !== 200).length, 0),
      exactly('bodies that ended as whole and were not', endedWrong([...answers, ...big], origin), 0),
      {
        asked: 'downloads of 8 MB: those of the killed front are cut, the others whole',
        reached: `${big.filter(({ fate }) => fate !== 'whole').length} of ${big.length} cut`,
        ok: big.some(({ fate }) => fate === 'whole'),
      },
      atMost(
        'the slowest answer begun after the kill (it waits for the new front)',
        Math.round(Math.max(...after.map(({ beganMs, endedMs }) => endedMs - beganMs))),
        10_000,
        ' ms',
      ),
    ];
  });
}

function failedWithoutByte(answers: readonly Taken[]): number {
  return answers.filter(({ fate }) => fate === 'none').length;
}

function endedWrong(answers: readonly Taken[], origin: TestOrigin): number {
  return answers.filter(({ fate, status, url, sha256 }) => {
    return fate === 'whole' && status === 200 && sha256 !== origin.sha256(new URL(url).pathname);
  }).length;
}

async function up(edge: Edge, name: string): Promise<boolean> {
  return (await edge.stats()).processes.some((process) => process.name === name && process.state === 'up');
}

async function withCluster<T>(
  size: { readonly nodes: number; readonly fronts: number },
  work: (edge: Edge, origin: TestOrigin) => Promise<T>,
): Promise<T> {
  const origin = await startOrigin({
    size: (path) => (path.startsWith('/big/') ? BIG : SMALL),
    headers: { 'cache-control': 'max-age=3600' },
  });
  const edge = await startEdge({
    nodes: size.nodes,
    config: {
      front: { processes: size.fronts },
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
