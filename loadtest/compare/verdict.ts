// From windows to verdicts: medians over the rounds, and of the ratios of each round. Pure.
// Promises: a ratio is made of two windows of one round, so that what disturbed both falls out of it; a bound holds when the median does.

import type { Traffic } from './plan.ts';
import type { Row } from './rows.ts';
import type { ServerName } from './servers.ts';

/** One server asked for some seconds. */
export interface Window {
  readonly round: number;
  readonly server: ServerName;
  readonly traffic: Traffic;
  readonly requests: number;
  readonly seconds: number;
  /** By name of the process. */
  readonly cpuNs: Readonly<Record<string, number>>;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers that were wrong or broke off. */
  readonly faults: number;
  readonly reasons: readonly string[];
  /** Requests that reached the origin: none, once a cache is warm. */
  readonly originRequests: number;
  /** Answered by the front's own copies, from 0 to 1. */
  readonly hotShare?: number;
}

export interface Figures {
  readonly server: ServerName;
  readonly traffic: Traffic;
  /** Medians over the rounds. */
  readonly cpuUs: number;
  readonly cpuUsOf: Readonly<Record<string, number>>;
  readonly requestsPerSecond: number;
  /** How much of its core it used. */
  readonly busy: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly hotShare?: number;
}

export interface Comparison {
  readonly subject: ServerName;
  readonly peer: ServerName;
  readonly traffic: Traffic;
  readonly ratio: number;
  /** Smallest and largest of the rounds. */
  readonly low: number;
  readonly high: number;
  /** Undefined where the goal says nothing of this traffic. */
  readonly bound: number | undefined;
  readonly ok: boolean;
}

export interface RowResult {
  readonly number: number;
  readonly title: string;
  readonly figures: readonly Figures[];
  readonly comparisons: readonly Comparison[];
  /** What was wrong with answers, or with the measurement; empty when it counts. */
  readonly complaints: readonly string[];
}

export function verdictOf(row: Row, windows: readonly Window[]): RowResult {
  return {
    number: row.number,
    title: row.title,
    figures: groups(windows).map(figuresOf),
    comparisons: row.traffic.flatMap((traffic) =>
      row.subjects.flatMap((subject) =>
        [...row.bounds].flatMap(([peer, bound]) => {
          const ratios = ratiosOf(windows, traffic, subject, peer);
          if (ratios.length === 0) return [];
          const ratio = median(ratios);
          const counts = traffic === row.traffic[0];
          const range = { low: Math.min(...ratios), high: Math.max(...ratios) };
          return [{ subject, peer, traffic, ratio, ...range, bound: counts ? bound : undefined, ok: !counts || ratio <= bound }];
        }),
      ),
    ),
    complaints: windows.flatMap(complaintsOf),
  };
}

export function isGood(results: readonly RowResult[]): boolean {
  return results.every(({ comparisons, complaints }) => complaints.length === 0 && comparisons.every(({ ok }) => ok));
}

/** NaN of an empty list. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
}

export function cpuUsOf({ cpuNs, requests }: Window): number {
  return Object.values(cpuNs).reduce((sum, ns) => sum + ns, 0) / 1000 / requests;
}

function groups(windows: readonly Window[]): readonly (readonly Window[])[] {
  const found = new Map<string, Window[]>();
  for (const window of windows) {
    const key = `${window.traffic} ${window.server}`;
    const group = found.get(key);
    if (group === undefined) found.set(key, [window]);
    else group.push(window);
  }
  return [...found.values()];
}

function figuresOf(windows: readonly Window[]): Figures {
  const { server, traffic, hotShare } = windows[0]!;
  const middle = (of: (window: Window) => number) => median(windows.map(of));
  const names = new Set(windows.flatMap(({ cpuNs }) => Object.keys(cpuNs)));
  return {
    server,
    traffic,
    cpuUs: middle(cpuUsOf),
    cpuUsOf: Object.fromEntries([...names].map((name) => [name, middle((one) => (one.cpuNs[name] ?? 0) / 1000 / one.requests)])),
    requestsPerSecond: middle(({ requests, seconds }) => requests / seconds),
    busy: middle((one) => (cpuUsOf(one) * one.requests) / 1e6 / one.seconds),
    p50Ms: middle(({ p50Ms }) => p50Ms),
    p99Ms: middle(({ p99Ms }) => p99Ms),
    ...(hotShare === undefined ? {} : { hotShare: middle((one) => one.hotShare ?? 0) }),
  };
}

function ratiosOf(windows: readonly Window[], traffic: Traffic, subject: ServerName, peer: ServerName): readonly number[] {
  const ratios: number[] = [];
  for (const one of windows) {
    if (one.traffic !== traffic || one.server !== subject) continue;
    const other = windows.find((window) => window.traffic === traffic && window.server === peer && window.round === one.round);
    if (other !== undefined) ratios.push(cpuUsOf(one) / cpuUsOf(other));
  }
  return ratios;
}

function complaintsOf(window: Window): readonly string[] {
  const where = `${window.server}, ${window.traffic}, round ${window.round}`;
  const complaints: string[] = [];
  if (window.faults > 0) complaints.push(`${where}: ${window.faults} wrong answers: ${window.reasons.join('; ')}`);
  if (window.requests === 0) complaints.push(`${where}: no answers`);
  if (window.originRequests > 0) complaints.push(`${where}: ${window.originRequests} requests reached the origin`);
  return complaints;
}
