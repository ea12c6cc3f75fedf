// Line 3: a crowd asks for one cold image through two front processes; the origin is asked once, however slow it is.

import { startOrigin } from '../../support/bad-origin.ts';
import { crowd, type Fetched } from '../../support/crowd.ts';
import { startEdge } from '../../support/edge.ts';
import { exactly, type Line, type Row, type Scale } from '../line.ts';

interface Round {
  readonly requests: number;
  readonly delayMs: number;
}

const ROUNDS: Readonly<Record<Scale, readonly Round[]>> = {
  full: [
    { requests: 2_000, delayMs: 300 },
    { requests: 2_000, delayMs: 7_000 },
  ],
  bounded: [
    { requests: 400, delayMs: 300 },
    { requests: 150, delayMs: 6_000 },
  ],
};

const MOST_MS = 60_000;

export const line: Line = {
  number: 3,
  title: 'concurrent requests for one cold image over two fronts: one fill',
  measure: async (scale) => {
    const origin = await startOrigin({ size: () => 64 * 1024 });
    const edge = await startEdge({
      config: { front: { processes: 2 }, origins: { store: { urls: [origin.url] } }, sites: [{ hosts: ['*'], origin: 'store' }] },
    });
    const rows: Row[] = [];
    try {
      for (const [at, round] of ROUNDS[scale].entries()) {
        const path = `/cold/${at}.jpg`;
        const before = origin.total();
        origin.settings.delayMs = round.delayMs;
        const answers = await crowd(edge.frontPort, round.requests, () => path, MOST_MS);
        const good = answers.filter((each) => each.status === 200 && each.whole && each.sha256 === origin.sha256(path));
        const what = `${round.requests} requests, origin after ${round.delayMs} ms`;
        const asked = origin.total() - before;
        rows.push({ asked: `${what}: origin requests: 1`, reached: `${asked} (${fillers(answers)})`, ok: asked === 1 });
        rows.push(exactly(`${what}: equal bodies`, good.length, round.requests));
      }
    } finally {
      await edge.close();
      await origin.close();
    }
    return rows;
  },
};

/** How the nodes say that they answered, hits aside. */
function fillers(answers: readonly Fetched[]): string {
  const counts = new Map<string, number>();
  for (const { cacheStatus } of answers)
    if (!cacheStatus.includes('; hit')) counts.set(cacheStatus, (counts.get(cacheStatus) ?? 0) + 1);
  return [...counts].map(([status, count]) => `${count} × ${status}`).join(', ');
}
