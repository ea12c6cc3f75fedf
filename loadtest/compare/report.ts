// The tables of a comparison, or the same as JSON.

import { columns } from '../report.ts';
import { type Comparison, type Figures, isGood, type RowResult } from './verdict.ts';

export function rowText({ number, title, figures, comparisons, complaints }: RowResult): string {
  const lines = [`${number}. ${title}`, '', ...columns([FIGURE_TITLES, ...figures.map(figureCells)])];
  if (comparisons.length > 0) lines.push('', ...columns([RATIO_TITLES, ...comparisons.map(ratioCells)]));
  if (complaints.length > 0) lines.push('', ...complaints.map((complaint) => `wrong: ${complaint}`));
  return `${lines.join('\n')}\n\n`;
}

export function resultsJson(results: readonly RowResult[]): string {
  return `${JSON.stringify({ ok: isGood(results), rows: results })}\n`;
}

const FIGURE_TITLES = ['traffic', 'server', 'CPU µs', 'requests/s', 'core', 'p50 ms', 'p99 ms', 'hot', 'of which µs'];
const RATIO_TITLES = ['traffic', 'ratio of CPU', 'median', 'low-high', 'bound', ''];

function figureCells(one: Figures): readonly string[] {
  const parts = Object.entries(one.cpuUsOf);
  return [
    one.traffic,
    one.server,
    one.cpuUs.toFixed(1),
    Math.round(one.requestsPerSecond).toLocaleString('en-US'),
    percent(one.busy),
    one.p50Ms.toFixed(2),
    one.p99Ms.toFixed(2),
    one.hotShare === undefined ? '' : percent(one.hotShare),
    parts.length < 2 ? '' : parts.map(([name, us]) => `${name} ${us.toFixed(1)}`).join(', '),
  ];
}

function ratioCells({ traffic, subject, peer, ratio, low, high, bound, ok }: Comparison): readonly string[] {
  return [
    traffic,
    `${subject} / ${peer}`,
    ratio.toFixed(2),
    `${low.toFixed(2)}-${high.toFixed(2)}`,
    bound === undefined ? '' : `≤ ${bound.toFixed(2)}`,
    bound === undefined ? '' : ok ? 'ok' : 'missed',
  ];
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
