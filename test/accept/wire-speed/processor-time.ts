// Rows of the comparison (loadtest/compare) as rows of an acceptance line.
// At bounded size the processes run and every answer is checked, and what they cost is told and not judged: a shared machine in the
// middle of other tests says nothing about speed.

import { runCommand } from '../../support/commands.ts';
import { CHECKOUT } from '../../support/edge.ts';
import type { Row, Scale } from '../line.ts';

const MOST_MS = 20 * 60_000;

interface Printed {
  readonly rows: readonly {
    readonly number: number;
    readonly figures: readonly {
      readonly server: string;
      readonly traffic: string;
      readonly cpuUs: number;
      readonly requestsPerSecond: number;
      readonly p50Ms: number;
      readonly p99Ms: number;
    }[];
    readonly comparisons: readonly {
      readonly subject: string;
      readonly peer: string;
      readonly traffic: string;
      readonly ratio: number;
      readonly low: number;
      readonly high: number;
      readonly bound?: number;
      readonly ok: boolean;
    }[];
    readonly complaints: readonly string[];
  }[];
}

/** @param numbers rows of the comparison */
export async function processorTime(numbers: readonly number[], scale: Scale, only = ''): Promise<readonly Row[]> {
  const size =
    scale === 'full'
      ? ['--rounds', '5', '--seconds', '4']
      : ['--rounds', '1', '--seconds', '1', '--no-repeated', '--cores', '0,0'];
  const which = scale === 'full' || only === '' ? [] : ['--only', only];
  const flags = ['--rows', numbers.join(','), ...size, ...which, '--json'];
  const { out, err } = await runCommand([process.execPath, 'loadtest/compare/compare.ts', ...flags], {
    cwd: CHECKOUT,
    mostMs: MOST_MS,
  });
  if (out === '') return [{ asked: 'the comparison runs', reached: err.trim().split('\n').at(-1) ?? '', ok: false }];
  const { rows } = JSON.parse(out) as Printed;
  return rows.flatMap((row) => {
    const told = row.figures.map(({ server, traffic, cpuUs, requestsPerSecond, p50Ms, p99Ms }) => ({
      asked: `row ${row.number}, ${traffic}: ${server}`,
      reached: `${cpuUs.toFixed(1)} µs, ${Math.round(requestsPerSecond)}/s, p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms`,
      ok: scale === 'full' || requestsPerSecond > 0,
    }));
    const judged = row.comparisons.map(({ subject, peer, traffic, ratio, low, high, bound, ok }) => ({
      asked: `row ${row.number}, ${traffic}: ${subject} / ${peer}${bound === undefined ? '' : `: at most ${bound.toFixed(2)}`}`,
      reached: `${ratio.toFixed(2)} (${low.toFixed(2)}-${high.toFixed(2)})`,
      ok: scale === 'bounded' || ok,
    }));
    const wrong = {
      asked: `row ${row.number}: answers that were wrong: 0`,
      reached: row.complaints.join('; ') || '0',
      ok: row.complaints.length === 0,
    };
    return [...told, ...judged, wrong];
  });
}
