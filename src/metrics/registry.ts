// The registry of one process: a cell for each series, its picture as plain JSON, and the sum of several pictures.
// Promises: counting is one addition to a number and allocates nothing; a series exists from its first `cell` on and the
// same labels give the same cell; the number of series is bounded.
// Refuses (by throwing, at creation): a name outside the catalogue, a wrong label set, a value outside a closed list.

import {
  CLOSED_LABELS,
  type GaugeName,
  type HistogramName,
  type LabelsOf,
  METRICS,
  type MetricEntry,
  type MetricName,
  metricEntry,
} from './catalogue.ts';

/** A counter, or a gauge set by hand. The hot path does `cell.value++`. */
export interface Cell {
  value: number;
}

export type Labels = Readonly<Record<string, string>>;

export interface ValueSeries {
  readonly name: string;
  readonly labels: Labels;
  readonly value: number;
}

export interface HistogramSeries {
  readonly name: string;
  readonly labels: Labels;
  /** Observations per bucket, not cumulated; the last one is +Inf. */
  readonly buckets: readonly number[];
  readonly sum: number;
}

export type Series = ValueSeries | HistogramSeries;
export type Snapshot = readonly Series[];

const MAX_SERIES = 20_000;
const MAX_LABEL_LENGTH = 256;

export class Histogram {
  readonly #bounds: Float64Array;
  readonly #counts: Float64Array;
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = Float64Array.from(bounds);
    this.#counts = new Float64Array(bounds.length + 1);
  }

  /** Counts one duration. What is not a number or negative (a clock that stepped) counts as 0. */
  observe(seconds: number): void {
    const value = Number.isFinite(seconds) ? Math.max(seconds, 0) : 0;
    const bounds = this.#bounds;
    let at = 0;
    while (at < bounds.length && value > bounds[at]!) at++;
    this.#counts[at]!++;
    this.#sum += value;
  }

  read(): { readonly buckets: readonly number[]; readonly sum: number } {
    return { buckets: Array.from(this.#counts), sum: this.#sum };
  }
}

/**
 * Cells by a word of their own (a node, a reason), each made when it is first counted, so that counting is a map read and an addition.
 * @param make of words from the config or a closed list only: each stays for ever
 */
export function cellsBy<W extends string>(make: (word: W) => Cell): (word: W) => Cell {
  const made = new Map<W, Cell>();
  return (word) => {
    let cell = made.get(word);
    if (cell === undefined) {
      cell = make(word);
      made.set(word, cell);
    }
    return cell;
  };
}

type Source =
  | { readonly kind: 'cell'; readonly cell: Cell }
  | { readonly kind: 'gauge'; read: () => number }
  | { readonly kind: 'histogram'; readonly histogram: Histogram };

interface Registered {
  readonly name: MetricName;
  readonly labels: Labels;
  readonly lines: number;
  readonly source: Source;
}

export class Registry {
  readonly #series = new Map<string, Registered>();
  readonly #maxSeries: number;
  #lines = 0;

  /** @param maxSeries bound on exposition lines; a histogram takes one for each bucket, +Inf too, and two more */
  constructor(maxSeries = MAX_SERIES) {
    this.#maxSeries = maxSeries;
  }

  /** The cell of a counter, or of a gauge that is set by hand. */
  cell<N extends Exclude<MetricName, HistogramName>>(name: N, labels: LabelsOf<N>): Cell {
    const source = this.#register(name, labels, 'cell', () => ({ kind: 'cell', cell: { value: 0 } }));
    if (source.kind !== 'cell') throw new Error(`metric ${name} was registered as a ${source.kind}`);
    return source.cell;
  }

  histogram<N extends HistogramName>(name: N, labels: LabelsOf<N>): Histogram {
    const bounds = METRICS[name].buckets;
    const source = this.#register(name, labels, 'histogram', () => ({ kind: 'histogram', histogram: new Histogram(bounds) }));
    if (source.kind !== 'histogram') throw new Error(`metric ${name} was registered as a ${source.kind}`);
    return source.histogram;
  }

  /** A gauge that is read when a snapshot is taken. Registered again, the newest reader is asked. */
  gauge<N extends GaugeName>(name: N, labels: LabelsOf<N>, read: () => number): void {
    const source = this.#register(name, labels, 'gauge', () => ({ kind: 'gauge', read }));
    if (source.kind !== 'gauge') throw new Error(`metric ${name} was registered as a ${source.kind}`);
    source.read = read;
  }

  /** Forgets a series: of a node that left the config, so that its gauges do not stand for ever. */
  drop<N extends MetricName>(name: N, labels: LabelsOf<N>): void {
    const key = seriesKey(name, labels);
    const known = this.#series.get(key);
    if (known === undefined) return;
    this.#lines -= known.lines;
    this.#series.delete(key);
  }

  snapshot(): Snapshot {
    const out: Series[] = [];
    for (const { name, labels, source } of this.#series.values()) {
      if (source.kind === 'histogram') {
        out.push({ name, labels, ...source.histogram.read() });
        continue;
      }
      const value = source.kind === 'cell' ? source.cell.value : source.read();
      // JSON has no NaN; a figure that is not known is left out rather than told as 0.
      if (Number.isFinite(value)) out.push({ name, labels, value });
    }
    return out;
  }

  #register(name: MetricName, given: Labels, wanted: Source['kind'], create: () => Source): Source {
    const entry = metricEntry(name);
    if (entry === undefined) throw new Error(`metric ${name} is not in the catalogue`);
    if ((entry.kind === 'histogram') !== (wanted === 'histogram')) throw new Error(`metric ${name} is a ${entry.kind}`);
    const labels = checkedLabels(name, entry, given);
    const key = seriesKey(name, labels);
    const known = this.#series.get(key);
    if (known !== undefined) return known.source;
    const lines = entry.buckets === undefined ? 1 : entry.buckets.length + 3;
    if (this.#lines + lines > this.#maxSeries) throw new Error(`more than ${this.#maxSeries} metric series; the last was ${key}`);
    this.#lines += lines;
    const source = create();
    this.#series.set(key, { name, labels, lines, source });
    return source;
  }
}

/** One picture of several processes: equal name and labels become one series, by the rule of the catalogue. */
export function mergeSnapshots(snapshots: readonly Snapshot[]): Snapshot {
  const merged = new Map<string, Series>();
  for (const snapshot of snapshots) {
    for (const series of snapshot) {
      const key = seriesKey(series.name, series.labels);
      const known = merged.get(key);
      merged.set(key, known === undefined ? series : mergeTwo(known, series));
    }
  }
  return [...merged.values()];
}

/**
 * A snapshot that came from another process, perhaps of another version: series that this catalogue does not know, or
 * knows in another shape, are left out. Nothing is thrown.
 */
export function readSnapshot(value: unknown): Snapshot {
  if (!Array.isArray(value)) return [];
  const out: Series[] = [];
  for (const item of value.slice(0, MAX_SERIES)) {
    const series = readSeries(item);
    if (series !== undefined) out.push(series);
  }
  return out;
}

function readSeries(item: unknown): Series | undefined {
  if (typeof item !== 'object' || item === null) return undefined;
  const { name, labels, value, buckets, sum } = item as Record<string, unknown>;
  const entry = typeof name === 'string' ? metricEntry(name) : undefined;
  if (typeof name !== 'string' || entry === undefined || typeof labels !== 'object' || labels === null) return undefined;
  if (labelProblem(entry, labels as Record<string, unknown>) !== undefined) return undefined;
  const known = { name, labels: labels as Labels };
  if (entry.buckets === undefined) return isFigure(value) ? { ...known, value } : undefined;
  if (!Array.isArray(buckets) || buckets.length !== entry.buckets.length + 1 || !buckets.every(isFigure) || !isFigure(sum))
    return undefined;
  return { ...known, buckets, sum };
}

function mergeTwo(a: Series, b: Series): Series {
  if ('buckets' in a && 'buckets' in b && a.buckets.length === b.buckets.length) {
    return { name: a.name, labels: a.labels, buckets: a.buckets.map((count, at) => count + b.buckets[at]!), sum: a.sum + b.sum };
  }
  if ('buckets' in a || 'buckets' in b) throw new Error(`metric ${a.name} comes in two shapes`);
  const rule = metricEntry(a.name)?.merge ?? 'sum';
  const value = rule === 'sum' ? a.value + b.value : Math[rule](a.value, b.value);
  return { name: a.name, labels: a.labels, value };
}

/** One text per series, whatever order the labels were written in. */
function seriesKey(name: string, labels: Labels): string {
  const names = Object.keys(labels).sort();
  return `${name}${JSON.stringify(names.map((label) => [label, labels[label]]))}`;
}

/** The labels in the order of the catalogue, copied, so that a later change of `given` changes nothing. */
function checkedLabels(name: string, entry: MetricEntry, given: Labels): Labels {
  const problem = labelProblem(entry, given);
  if (problem !== undefined) throw new Error(`metric ${name}: ${problem}`);
  return Object.fromEntries(entry.labels.map((label) => [label, given[label]!]));
}

function labelProblem(entry: MetricEntry, given: Readonly<Record<string, unknown>>): string | undefined {
  if (Object.keys(given).length !== entry.labels.length) return `takes the labels {${entry.labels.join(',')}}`;
  for (const label of entry.labels) {
    const value = Object.hasOwn(given, label) ? given[label] : undefined;
    if (typeof value !== 'string' || value.length > MAX_LABEL_LENGTH)
      return `label ${label} must be a text of at most ${MAX_LABEL_LENGTH} characters`;
    if (CLOSED_LABELS[label]?.includes(value) === false) return `label ${label} cannot be ${JSON.stringify(value)}`;
  }
  return undefined;
}

function isFigure(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}
