// Line 5: half of all requests ask for one image. The fronts' hot copies keep its owner from carrying them all, and a purge that
// came back with nothing pending has reached every copy.

import { Agent } from 'node:http';
import { Ring } from '../../../src/front/ring.ts';
import { startOrigin, type TestOrigin } from '../../support/bad-origin.ts';
import { inParallel, type Taken, take } from '../../support/client.ts';
import { type Edge, startEdge } from '../../support/edge.ts';
import { exactly, type Line, type Row, type Scale } from '../line.ts';

interface Size {
  readonly requests: number;
  readonly others: number;
  readonly purges: number;
  /** Asked of the purged image after each purge. */
  readonly asks: number;
}

const SIZES: Readonly<Record<Scale, Size>> = {
  full: { requests: 40_000, others: 2_000, purges: 10, asks: 2_000 },
  bounded: { requests: 8_000, others: 400, purges: 2, asks: 500 },
};

const NODES = 4;
const WIDTH = 64;
/** Requests at a time that go on while it is purged. */
const WIDTH_BEHIND = 16;
const HOT = '/hot.jpg';
const MOST_OF_MEAN = 1.5;
/** Of the requests for the hot image, the part that copies must have answered for the run to show something. */
const LEAST_HOT = 0.5;

export const line: Line = {
  number: 5,
  title: 'half of all requests on one image: spread over the fronts, and gone with a purge',
  measure: async (scale) => {
    const size = SIZES[scale];
    const origin = await startOrigin({ size: () => 16 * 1024, headers: { 'cache-control': 'max-age=3600' } });
    const edge = await startEdge({
      nodes: NODES,
      config: {
        front: { processes: 2 },
        origins: { store: { urls: [origin.url] } },
        sites: [{ name: 'all', hosts: ['*'], path: '/', origin: 'store' }],
      },
    });
    const agent = new Agent({ keepAlive: true, maxSockets: WIDTH + WIDTH_BEHIND });
    try {
      return [...(await spread(edge, origin, agent, size)), ...(await purged(edge, origin, agent, size))];
    } finally {
      agent.destroy();
      await edge.close();
      await origin.close();
    }
  },
};

/** Every second request is for the hot image; the others go round, not in the order of their names. */
function pathOf(at: number, others: number): string {
  return at % 2 === 0 ? HOT : `/others/${(((at - 1) / 2) * 7919) % others}.jpg`;
}

async function spread(edge: Edge, origin: TestOrigin, agent: Agent, size: Size): Promise<readonly Row[]> {
  const names = Array.from({ length: NODES }, (_, at) => `n${at + 1}`);
  const counts = () => Promise.all(names.map((node) => edge.metric('deckle_requests_total', { role: 'node', node })));
  const before = await counts();
  const answers = await inParallel(size.requests, WIDTH, (at) => take(`${edge.front}${pathOf(at, size.others)}`, { agent }));
  const after = await counts();
  const owner = names[ring().owner(`all ${HOT}`)]!;
  const asked = names.map((name, at) => ({ name, count: after[at]! - before[at]! }));
  const ofOwner = asked.find(({ name }) => name === owner)!.count;
  const ofOthers = asked.filter(({ name }) => name !== owner).map(({ count }) => count);
  const mean = ofOthers.reduce((sum, count) => sum + count, 0) / ofOthers.length;
  const good = new Map<string, string>();
  const wrong = answers.filter((each) => !isOf(each, origin, good));
  const hot = answers.filter((each) => isHot(each) && pathIn(each) === HOT);
  return [
    exactly(`${size.requests} requests, half on one image: not whole, not 200 or not its bytes`, wrong.length, 0),
    {
      asked: `requests at its owner: at most ${MOST_OF_MEAN} × the mean of the others`,
      reached: `${ofOwner} = ${(ofOwner / mean).toFixed(2)} × (${asked.map(({ name, count }) => `${name} ${count}`).join(', ')})`,
      ok: mean > 0 && ofOwner <= MOST_OF_MEAN * mean,
    },
    {
      asked: `answers for it that hot copies gave: at least ${LEAST_HOT * 100} %`,
      reached: `${hot.length} of ${size.requests / 2}`,
      ok: hot.length >= (size.requests / 2) * LEAST_HOT,
    },
    exactly('fetches of it', origin.counts.get(HOT) ?? 0, 1),
  ];
}

function ring(): Ring {
  return new Ring(
    Array.from({ length: NODES }, (_, at) => ({ name: `n${at + 1}`, weight: 100 })),
    1024,
  );
}

function isHot({ headers }: Taken): boolean {
  return /(?:^|, )front; hit;.*detail=hot$/.test(String(headers['cache-status'] ?? ''));
}

function pathIn({ url }: Taken): string {
  return new URL(url).pathname;
}

function isOf(each: Taken, origin: TestOrigin, known: Map<string, string>): boolean {
  const path = pathIn(each);
  let wanted = known.get(path);
  if (wanted === undefined) {
    wanted = origin.sha256(path);
    known.set(path, wanted);
  }
  return each.fate === 'whole' && each.status === 200 && each.sha256 === wanted;
}

async function purged(edge: Edge, origin: TestOrigin, agent: Agent, size: Size): Promise<readonly Row[]> {
  const url = `${edge.front}${HOT}`;
  let pending = 0;
  let old = 0;
  let failed = 0;
  let asked = 0;
  let hotBefore = 0;
  for (let purge = 1; purge <= size.purges; purge += 1) {
    // The crowd makes it hot again, and goes on while it is purged.
    let over = false;
    const behind: Taken[] = [];
    const crowd = Promise.all(
      Array.from({ length: WIDTH_BEHIND }, async () => {
        while (!over) {
          behind.push(await take(url, { agent }));
        }
      }),
    );
    const warm = await inParallel(size.asks, WIDTH, () => take(url, { agent }));
    hotBefore += warm.filter(isHot).length;
    origin.settings.version = purge;
    const current = origin.sha256(HOT);
    const response = await fetch(`${edge.admin}/purge`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ urls: [url], wait: '10s' }),
    });
    const said = (await response.json()) as { readonly pending?: readonly string[] };
    const purgedMs = performance.now();
    if (response.status !== 200 || said.pending?.length !== 0) pending += 1;
    const answers = await inParallel(size.asks, WIDTH, (at) =>
      // A quarter on connections that are new.
      take(url, { agent: at % 4 === 0 ? undefined : agent }),
    );
    over = true;
    await crowd;
    const after = [...answers, ...behind.filter(({ beganMs }) => beganMs >= purgedMs)];
    asked += after.length;
    failed += [...after, ...behind].filter(({ fate, status }) => fate !== 'whole' || status !== 200).length;
    old += after.filter(({ fate, sha256 }) => fate === 'whole' && sha256 !== current).length;
  }
  return [
    exactly(`${size.purges} purges under load: not answered with 200 and nothing pending`, pending, 0),
    { asked: 'copies had answered before the purges', reached: `${hotBefore}`, ok: hotBefore > 0 },
    exactly(`${asked} answers to requests begun after a purge: old ones`, old, 0),
    exactly('requests that failed', failed, 0),
  ];
}
