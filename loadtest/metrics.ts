// What the edge counted during a run: /metrics read before and after, and the difference by result.
// Promises: only counters are compared; a series that was not there before counted from zero; a counter that fell
// (its process was replaced meanwhile) counts from zero too.

import { HIT_RESULTS } from '../src/metrics/catalogue.ts';

/** `name{label="value",...}` as it stands in the text, to the sample. */
export type Samples = ReadonlyMap<string, Sample>;

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface ResultRow {
  readonly result: string;
  readonly requests: number;
  readonly bytes: number;
}

export interface EdgeDifference {
  /** What clients saw (role="front"), most requests first; results without a request are left out. */
  readonly rows: readonly ResultRow[];
  /** Shares from 0 to 1, undefined when there was no request or no byte. */
  readonly hitRatio: number | undefined;
  readonly byteHitRatio: number | undefined;
  readonly originRequests: number;
  readonly originBytes: number;
}

const MAX_METRICS_BYTES = 16 * 1024 * 1024;
const METRICS_TIMEOUT_MS = 5_000;
const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: -?\d+)?$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"(?:,|$)/gy;

/** Reads /metrics of an admin listener. Rejects with a sentence when it cannot be read. */
export async function readMetrics(admin: string, token: string | undefined): Promise<Samples> {
  const headers: Record<string, string> = token === undefined || token === '' ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(`${admin}/metrics`, { headers, signal: AbortSignal.timeout(METRICS_TIMEOUT_MS) });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${admin}/metrics answered ${response.status}`);
  if (text.length > MAX_METRICS_BYTES) throw new Error(`${admin}/metrics is larger than ${MAX_METRICS_BYTES} bytes`);
  return parseMetrics(text);
}

/** Prometheus text exposition 0.0.4. Comments and lines that are not samples are passed over. */
export function parseMetrics(text: string): Samples {
  const samples = new Map<string, Sample>();
  for (const line of text.split('\n')) {
    const match = line.startsWith('#') ? null : LINE.exec(line.trimEnd());
    if (match === null) continue;
    const [, name = '', labelText = '', valueText = ''] = match;
    const labels = parseLabels(labelText);
    if (labels === undefined) continue;
    samples.set(`${name}{${labelText}}`, { name, labels, value: parseValue(valueText) });
  }
  return samples;
}

function parseLabels(text: string): Record<string, string> | undefined {
  const labels: Record<string, string> = {};
  let end = 0;
  for (const match of text.matchAll(LABEL)) {
    labels[match[1]!] = match[2]!.replaceAll(/\\(.)/g, (_, character: string) => (character === 'n' ? '\n' : character));
    end = match.index + match[0].length;
  }
  return end === text.length ? labels : undefined;
}

function parseValue(text: string): number {
  if (text === '+Inf') return Infinity;
  if (text === '-Inf') return -Infinity;
  return Number(text);
}

export function edgeDifference(before: Samples, after: Samples): EdgeDifference {
  const requests = new Map<string, number>();
  const bytes = new Map<string, number>();
  let originRequests = 0;
  let originBytes = 0;
  for (const [key, sample] of after) {
    const grown = growth(before.get(key)?.value ?? 0, sample.value);
    if (grown === 0) continue;
    const front = sample.labels['role'] === 'front' ? (sample.labels['result'] ?? '') : undefined;
    if (sample.name === 'deckle_origin_requests_total') originRequests += grown;
    else if (sample.name === 'deckle_origin_bytes_total') originBytes += grown;
    else if (front === undefined) continue;
    else if (sample.name === 'deckle_requests_total') requests.set(front, (requests.get(front) ?? 0) + grown);
    else if (sample.name === 'deckle_response_bytes_total') bytes.set(front, (bytes.get(front) ?? 0) + grown);
  }
  const rows = [...requests].map(([result, count]) => ({ result, requests: count, bytes: bytes.get(result) ?? 0 }));
  rows.sort((a, b) => b.requests - a.requests || (a.result < b.result ? -1 : 1));
  return { rows, hitRatio: hitShare(rows, 'requests'), byteHitRatio: hitShare(rows, 'bytes'), originRequests, originBytes };
}

function growth(before: number, after: number): number {
  const grown = after >= before ? after - before : after;
  return Number.isFinite(grown) ? grown : 0;
}

function hitShare(rows: readonly ResultRow[], of: 'requests' | 'bytes'): number | undefined {
  const hits: ReadonlySet<string> = new Set(HIT_RESULTS);
  let all = 0;
  let hit = 0;
  for (const row of rows) {
    all += row[of];
    if (hits.has(row.result)) hit += row[of];
  }
  return all === 0 ? undefined : hit / all;
}
