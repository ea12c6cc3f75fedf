// What a load test prints: a table for people or one JSON object, and whether the run was clean.
// Promises: the same figures in both; a figure that could not be read is said to be so, never shown as zero.

import type { DriveResult } from './drive.ts';
import type { EdgeDifference } from './metrics.ts';

/** The edge's own counters, or why there are none. */
export type EdgeFigures =
  | { readonly kind: 'read'; readonly difference: EdgeDifference }
  | { readonly kind: 'unread'; readonly why: string };

export interface Report {
  readonly title: string;
  readonly run: DriveResult;
  readonly edge: EdgeFigures;
}

/** Whether every request got a whole answer with a 2xx status and the right length. */
export function isClean({ errors, non2xx, wrongLength, requests }: DriveResult): boolean {
  return requests > 0 && errors === 0 && non2xx === 0 && wrongLength === 0;
}

export function reportText({ title, run, edge }: Report): string {
  const lines = [title, '', ...columns(runRows(run))];
  if (edge.kind === 'unread') lines.push('', `the edge's own counters were not read: ${edge.why}`);
  else lines.push('', ...columns(edgeRows(edge.difference)), '', ...columns(resultRows(edge.difference)));
  return `${lines.join('\n')}\n`;
}

export function reportJson({ title, run, edge }: Report): string {
  const { latencies, ...figures } = run;
  const latencyMs = Object.fromEntries(latencyRows(run).map(([name, ms]) => [name, ms]));
  const counted = edge.kind === 'read' ? { edge: edge.difference } : { edge: null, edgeUnread: edge.why };
  return `${JSON.stringify({ title, ...figures, latencyMs, clean: isClean(run), ...counted })}\n`;
}

function latencyRows({ latencies }: DriveResult): readonly (readonly [name: string, ms: number])[] {
  return [
    ['p50', latencies.percentileMs(0.5)],
    ['p90', latencies.percentileMs(0.9)],
    ['p99', latencies.percentileMs(0.99)],
    ['max', latencies.maxMs],
  ];
}

function runRows(run: DriveResult): readonly (readonly string[])[] {
  return [
    ['requests', whole(run.requests), `in ${run.seconds.toFixed(1)} s`],
    ['requests/s', whole(run.requestsPerSecond)],
    ['body bytes/s', bytesText(run.bytesPerSecond)],
    ...latencyRows(run).map(([name, ms]) => [`latency ${name}`, msText(ms)]),
    ['errors', whole(run.errors)],
    ['not 2xx', whole(run.non2xx)],
    ['wrong length', whole(run.wrongLength)],
  ];
}

function edgeRows(edge: EdgeDifference): readonly (readonly string[])[] {
  return [
    ['hit ratio', shareText(edge.hitRatio)],
    ['byte-hit ratio', shareText(edge.byteHitRatio)],
    ['origin requests', whole(edge.originRequests)],
    ['origin bytes', bytesText(edge.originBytes)],
  ];
}

function resultRows({ rows }: EdgeDifference): readonly (readonly string[])[] {
  const requests = rows.reduce((sum, row) => sum + row.requests, 0);
  const bytes = rows.reduce((sum, row) => sum + row.bytes, 0);
  const share = (part: number, all: number) => shareText(all === 0 ? undefined : part / all);
  return [
    ['result', 'requests', 'share', 'bytes', 'share'],
    ...rows.map((row) => [
      row.result,
      whole(row.requests),
      share(row.requests, requests),
      bytesText(row.bytes),
      share(row.bytes, bytes),
    ]),
  ];
}

/** Rows as lines: the first column to the left, the others to the right, each as wide as its widest cell. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  return rows.map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '));
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

function msText(ms: number): string {
  return `${ms < 10 ? ms.toFixed(2) : ms.toFixed(1)} ms`;
}

function shareText(share: number | undefined): string {
  return share === undefined ? '-' : `${(share * 100).toFixed(2)} %`;
}

function bytesText(bytes: number): string {
  if (bytes < 1024) return `${Math.round(bytes)} B`;
  const units = ['KB', 'MB', 'GB', 'TB'];
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toFixed(1)} ${units[unit]}`;
}
