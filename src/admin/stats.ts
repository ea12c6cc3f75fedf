// The figures of /stats.json and /stats.csv, and of the page: one picture made from the status and the metrics of all processes.
// Promises: names are only ever added, never renamed or moved; a ratio of nothing is null (empty in CSV), never NaN.
// Refuses: nothing; a series that is missing counts as 0.

import type { Ms } from '../base/units.ts';
import { HIT_RESULTS, RESULTS, type Result, STATUS_CLASSES, type StatusClass } from '../metrics/catalogue.ts';
import { type Labels, mergeSnapshots, type Series, type Snapshot } from '../metrics/registry.ts';

export interface ProcessStatus {
  /** `front-1`, `n1`: the name that a purge answers with. */
  readonly name: string;
  readonly role: 'front' | 'node' | 'supervisor';
  readonly pid: number | undefined;
  readonly state: 'up' | 'starting' | 'down';
  readonly restarts: number;
  /** How long the process has been in this state. */
  readonly sinceMs: Ms;
  /** The purge position it has applied, as text; undefined before it told one. */
  readonly position: string | undefined;
}

export interface NodeStatus {
  readonly name: string;
  /** `host:port` that fronts dial. */
  readonly address: string;
  /** 0 to 256. */
  readonly weight: number;
  readonly state: 'up' | 'down' | 'drain' | 'maint' | 'unknown';
  /** Whether its process runs on this machine. */
  readonly here: boolean;
  readonly maxConnections: number;
}

export interface SiteStatus {
  readonly name: string;
  readonly hosts: readonly string[];
  readonly path: string;
  readonly origin: string;
}

export interface AdminStatus {
  readonly version: string;
  /** Counts the configs taken since the start, from 1. */
  readonly configSerial: number;
  /** The tail of the purge log, as text; undefined where there is no log. */
  readonly purgePosition: string | undefined;
  readonly processes: readonly ProcessStatus[];
  readonly nodes: readonly NodeStatus[];
  readonly sites: readonly SiteStatus[];
}

/** Requests and bytes that one view (all fronts, one node) answered. */
interface Answers {
  readonly requests: number;
  readonly bytes: number;
  readonly hits: number;
  readonly hit_ratio: number | null;
  readonly byte_hit_ratio: number | null;
  readonly by_result: Readonly<Record<Result, { readonly requests: number; readonly bytes: number }>>;
  readonly by_status: Readonly<Record<StatusClass, number>>;
}

export type Stats = ReturnType<typeof makeStats>;

export function makeStats(status: AdminStatus, snapshot: Snapshot) {
  const figures = new Figures(snapshot);
  const nodes = status.nodes.map((node) => nodeStats(node, figures));
  // Where no front runs, what the nodes answered is all that is seen here.
  const role =
    figures.sum('deckle_requests_total', { role: 'front' }) > 0 || !figures.has('deckle_requests_total', { role: 'node' })
      ? 'front'
      : 'node';
  return {
    version: status.version,
    config_serial: status.configSerial,
    totals: {
      role,
      ...answers(figures, { role }),
      denied: figures.sum('deckle_denied_total', {}),
      connections: figures.sum('deckle_connections', { role }),
    },
    origin: {
      requests: figures.sum('deckle_origin_requests_total', {}),
      errors: figures.sum('deckle_origin_requests_total', { status_class: '5xx' }),
      bytes: figures.sum('deckle_origin_bytes_total', {}),
      busy: figures.sum('deckle_origin_busy', {}),
    },
    origins: figures.values('origin').map((name) => ({
      name,
      requests: figures.sum('deckle_origin_requests_total', { origin: name }),
      errors: figures.sum('deckle_origin_requests_total', { origin: name, status_class: '5xx' }),
      bytes: figures.sum('deckle_origin_bytes_total', { origin: name }),
      busy: figures.sum('deckle_origin_busy', { origin: name }),
    })),
    purge: { position: status.purgePosition ?? null, lag: figures.sum('deckle_purge_lag', {}) },
    processes: status.processes.map((process) => ({
      name: process.name,
      role: process.role,
      pid: process.pid ?? null,
      state: process.state,
      restarts: process.restarts,
      since_ms: process.sinceMs,
      position: process.position ?? null,
    })),
    nodes,
    sites: status.sites.map(({ name, hosts, path, origin }) => ({
      name,
      hosts,
      path,
      origin,
      ...siteAnswers(figures, role, name),
    })),
  };
}

function nodeStats(node: NodeStatus, figures: Figures) {
  const at = { node: node.name };
  return {
    name: node.name,
    address: node.address,
    here: node.here,
    state: node.state,
    weight: node.weight,
    max_connections: node.maxConnections,
    keys_share: figures.has('deckle_node_keys_share', at) ? figures.sum('deckle_node_keys_share', at) : null,
    ...answers(figures, { role: 'node', ...at }),
    memory_bytes: figures.sum('deckle_cache_bytes', { ...at, tier: 'memory' }),
    memory_objects: figures.sum('deckle_cache_objects', { ...at, tier: 'memory' }),
    memory_evictions: figures.sum('deckle_evictions_total', { ...at, tier: 'memory' }),
    disk_bytes: figures.sum('deckle_cache_bytes', { ...at, tier: 'disk' }),
    disk_objects: figures.sum('deckle_cache_objects', { ...at, tier: 'disk' }),
    disk_evictions: figures.sum('deckle_evictions_total', { ...at, tier: 'disk' }),
    fills: figures.sum('deckle_fills', at),
    fill_bytes: figures.sum('deckle_fill_bytes', at),
    passes: figures.sum('deckle_pass_total', at),
    retries: figures.sum('deckle_retries_total', at),
  };
}

function siteAnswers(figures: Figures, role: string, site: string) {
  const { requests, bytes, hit_ratio, byte_hit_ratio } = answers(figures, { role, site });
  return { requests, bytes, hit_ratio, byte_hit_ratio, denied: figures.sum('deckle_denied_total', { site }) };
}

function answers(figures: Figures, view: Labels): Answers {
  const cells = RESULTS.map((result) => ({
    result,
    requests: figures.sum('deckle_requests_total', { ...view, result }),
    bytes: figures.sum('deckle_response_bytes_total', { ...view, result }),
  }));
  const total = (key: 'requests' | 'bytes', of: readonly Result[]): number =>
    cells.reduce((sum, cell) => sum + (of.includes(cell.result) ? cell[key] : 0), 0);
  const requests = total('requests', RESULTS);
  const bytes = total('bytes', RESULTS);
  const hits = total('requests', HIT_RESULTS);
  return {
    requests,
    bytes,
    hits,
    hit_ratio: ratio(hits, requests),
    byte_hit_ratio: ratio(total('bytes', HIT_RESULTS), bytes),
    by_result: Object.fromEntries(
      cells.map((cell) => [cell.result, { requests: cell.requests, bytes: cell.bytes }]),
    ) as Answers['by_result'],
    by_status: Object.fromEntries(
      STATUS_CLASSES.map((status_class) => [status_class, figures.sum('deckle_requests_total', { ...view, status_class })]),
    ) as Answers['by_status'],
  };
}

/** Sums over a snapshot. Histograms take no part. */
class Figures {
  readonly #byName: ReadonlyMap<string, readonly Series[]>;

  constructor(snapshot: Snapshot) {
    this.#byName = Map.groupBy(mergeSnapshots([snapshot]), ({ name }) => name);
  }

  /** The sum of all series of `name` that carry at least these labels. */
  sum(name: string, labels: Labels): number {
    let sum = 0;
    for (const series of this.#byName.get(name) ?? [])
      if ('value' in series && carries(series.labels, labels)) sum += series.value;
    return sum;
  }

  has(name: string, labels: Labels): boolean {
    return this.#byName.get(name)?.some((series) => carries(series.labels, labels)) ?? false;
  }

  /** Every value of a label, sorted. */
  values(label: string): readonly string[] {
    const found = new Set<string>();
    for (const series of this.#byName.values())
      for (const { labels } of series) if (labels[label] !== undefined) found.add(labels[label]);
    return [...found].sort();
  }
}

function carries(labels: Labels, wanted: Labels): boolean {
  for (const key in wanted) if (labels[key] !== wanted[key]) return false;
  return true;
}

/** Four digits are more than a ratio of counts can mean. */
function ratio(part: number, whole: number): number | null {
  return whole === 0 ? null : Math.round((part / whole) * 10_000) / 10_000;
}

type CsvValue = string | number | boolean | null;

/** The columns of /stats.csv in their order. New ones go to the end. */
const COLUMNS = [
  'role',
  'name',
  'address',
  'state',
  'weight',
  'max_connections',
  'keys_share',
  'pid',
  'restarts',
  'since_ms',
  'position',
  'requests',
  'bytes',
  'hits',
  'hit_ratio',
  'byte_hit_ratio',
  ...RESULTS.map((result) => `result_${result}` as const),
  ...STATUS_CLASSES.map((status) => `status_${status}` as const),
  'memory_bytes',
  'memory_objects',
  'memory_evictions',
  'disk_bytes',
  'disk_objects',
  'disk_evictions',
  'fills',
  'fill_bytes',
  'passes',
  'retries',
] as const;

type Row = Partial<Record<(typeof COLUMNS)[number], CsvValue>>;

/** A line of names; then all fronts together (`front,*`), each front's process, each node. What is not counted is empty. */
export function renderCsv(stats: Stats): string {
  const rows: Row[] = [];
  if (stats.totals.role === 'front') rows.push({ role: 'front', name: '*', ...answerColumns(stats.totals) });
  for (const process of stats.processes) if (process.role === 'front') rows.push(process);
  for (const { by_result, by_status, here, ...node } of stats.nodes) {
    const process = stats.processes.find(({ role, name }) => role === 'node' && name === node.name);
    const { pid, restarts, since_ms, position } = process ?? { pid: null, restarts: null, since_ms: null, position: null };
    rows.push({ role: 'node', pid, restarts, since_ms, position, ...node, ...answerColumns({ ...node, by_result, by_status }) });
  }
  const lines = rows.map((row) => COLUMNS.map((column) => csvText(row[column] ?? null)).join(','));
  return `${[COLUMNS.join(','), ...lines].join('\n')}\n`;
}

function answerColumns({ requests, bytes, hits, hit_ratio, byte_hit_ratio, by_result, by_status }: Answers): Row {
  const row: Row = { requests, bytes, hits, hit_ratio, byte_hit_ratio };
  for (const result of RESULTS) row[`result_${result}`] = by_result[result].requests;
  for (const status of STATUS_CLASSES) row[`status_${status}`] = by_status[status];
  return row;
}

function csvText(value: CsvValue): string {
  const text = value === null ? '' : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
