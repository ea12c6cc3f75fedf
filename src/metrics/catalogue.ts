// The catalogue of every metric: its kind, its labels, the sentence that explains it. docs/metrics.md is generated from it.
// Promises: a label whose values are a closed list has that list here; all other values come from the config. A name, once
// published, is not renamed and its labels are not changed.
// Refuses: any label whose values a request could choose.

import { REASON_LIST } from '../base/reasons.ts';

/** How a request ended, from the point of view of the process that counts it. */
export const RESULTS = [
  'hot',
  'memory',
  'disk',
  'stale',
  'revalidated',
  'miss',
  'collapsed',
  'pass',
  'relayed',
  'denied',
  'refused',
  'unrouted',
  'limited',
  'shed',
  'error',
] as const;
export type Result = (typeof RESULTS)[number];

/** Results whose bytes came out of a cache: the numerator of every hit ratio. */
export const HIT_RESULTS: readonly Result[] = ['hot', 'memory', 'disk', 'stale', 'revalidated'];

export const STATUS_CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx'] as const;
export type StatusClass = (typeof STATUS_CLASSES)[number];

export const ROLES = ['front', 'node'] as const;
export type Role = (typeof ROLES)[number];

export const TIERS = ['hot', 'memory', 'disk'] as const;
export type Tier = (typeof TIERS)[number];

/** What a connection may begin with, before HTTP. */
export const GREETINGS = ['proxy', 'tls'] as const;

/** Labels with a closed list of values. A label that is not here takes its values from the config. */
export const CLOSED_LABELS: Readonly<Record<string, readonly string[]>> = {
  result: RESULTS,
  status_class: STATUS_CLASSES,
  role: ROLES,
  tier: TIERS,
  greeting: GREETINGS,
  reason: REASON_LIST,
};

export type MetricKind = 'counter' | 'gauge' | 'histogram';

export interface MetricEntry {
  readonly kind: MetricKind;
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets in seconds, ascending; the last bucket, +Inf, is implied. */
  readonly buckets?: readonly number[];
  /** How the figures of several processes become one: the sum, unless every process reports the same thing. */
  readonly merge?: 'sum' | 'min' | 'max';
}

const REQUEST_LABELS = ['role', 'node', 'site', 'result', 'status_class'] as const;

export const METRICS = {
  deckle_requests_total: {
    kind: 'counter',
    help: 'Answered requests, counted once at each role; role="front" is what clients saw.',
    labels: REQUEST_LABELS,
  },
  deckle_response_bytes_total: { kind: 'counter', help: 'Bytes of response bodies sent.', labels: REQUEST_LABELS },
  deckle_request_seconds: {
    kind: 'histogram',
    help: 'Seconds from the end of the request head to the last byte of the answer.',
    labels: ['role', 'result'],
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  },
  deckle_denied_total: { kind: 'counter', help: 'Requests that the guard turned away.', labels: ['site', 'reason'] },
  deckle_pass_total: { kind: 'counter', help: 'Answers that went through without being kept.', labels: ['node', 'reason'] },
  deckle_retries_total: {
    kind: 'counter',
    help: 'Requests that were sent to another node after this one failed.',
    labels: ['node'],
  },
  deckle_connections: {
    kind: 'gauge',
    help: 'Open client connections, those in a TLS handshake included.',
    labels: ['role'],
  },
  deckle_greeting_failures_total: {
    kind: 'counter',
    help: 'Connections cut before HTTP: a PROXY header or a TLS handshake that was wrong, late or broken off.',
    labels: ['role', 'greeting'],
  },
  deckle_origin_requests_total: {
    kind: 'counter',
    help: 'Requests sent to an origin; one that brought no answer counts as 5xx.',
    labels: ['origin', 'status_class'],
  },
  deckle_origin_bytes_total: { kind: 'counter', help: 'Bytes of bodies read from an origin.', labels: ['origin'] },
  deckle_origin_busy: { kind: 'gauge', help: 'Requests in flight at an origin.', labels: ['origin'] },
  deckle_fills: { kind: 'gauge', help: 'Fills in flight.', labels: ['node'] },
  deckle_fill_bytes: { kind: 'gauge', help: 'Bytes held by fills in flight.', labels: ['node'] },
  deckle_cache_bytes: { kind: 'gauge', help: 'Bytes kept in a tier.', labels: ['node', 'tier'] },
  deckle_cache_objects: { kind: 'gauge', help: 'Objects kept in a tier.', labels: ['node', 'tier'] },
  deckle_evictions_total: { kind: 'counter', help: 'Objects that made room for others.', labels: ['node', 'tier'] },
  deckle_node_up: { kind: 'gauge', help: '1 when every front here may use the node, else 0.', labels: ['node'], merge: 'min' },
  deckle_node_keys_share: {
    kind: 'gauge',
    help: 'Share of the ring that the node owns, 0 to 1.',
    labels: ['node'],
    merge: 'max',
  },
  deckle_purge_lag: {
    kind: 'gauge',
    help: 'Records of the purge log that the slowest process has yet to apply.',
    labels: [],
    merge: 'max',
  },
  deckle_process_restarts_total: { kind: 'counter', help: 'Times the supervisor replaced the process.', labels: ['process'] },
  deckle_event_loop_delay_seconds: {
    kind: 'gauge',
    help: 'How late the event loop ran its timers (99th percentile since the last reading).',
    labels: ['process'],
    merge: 'max',
  },
  deckle_config_reload_ok: {
    kind: 'gauge',
    help: '1 when the last reload was taken, 0 when it was refused.',
    labels: [],
    merge: 'min',
  },
  deckle_build_info: { kind: 'gauge', help: 'Always 1; the labels say what runs.', labels: ['version', 'runtime'], merge: 'max' },
} as const satisfies Record<string, MetricEntry>;

export type MetricName = keyof typeof METRICS;
export type HistogramName = { [N in MetricName]: (typeof METRICS)[N]['kind'] extends 'histogram' ? N : never }[MetricName];
export type GaugeName = { [N in MetricName]: (typeof METRICS)[N]['kind'] extends 'gauge' ? N : never }[MetricName];

/** The label set that a metric takes: exactly these names. */
export type LabelsOf<N extends MetricName> = { readonly [L in (typeof METRICS)[N]['labels'][number]]: string };

/** The entry of `name`, or undefined when the catalogue has none. */
export function metricEntry(name: string): MetricEntry | undefined {
  return Object.hasOwn(METRICS, name) ? METRICS[name as MetricName] : undefined;
}
