// The answers of the admin listener as values: status, type and body, made of what the backend said.
// Promises: an error is `{"error":{"code","message"}}` with a code of the closed list here, or `refused` with the status
// that the backend chose.

import { PROMETHEUS_TYPE, renderPrometheus } from '../metrics/prometheus.ts';
import type { Snapshot } from '../metrics/registry.ts';
import type { PurgeOutcome } from './backend.ts';
import { PAGE_POLICY, renderPage } from './page.ts';
import { type AdminStatus, makeStats, renderCsv, type Stats } from './stats.ts';

const ERRORS = {
  'bad-request': 400,
  unauthorized: 401,
  forbidden: 403,
  'not-found': 404,
  'method-not-allowed': 405,
  'request-timeout': 408,
  'body-too-large': 413,
  'head-too-large': 431,
  internal: 500,
  'not-in-effect': 501,
  busy: 503,
  'not-logged': 503,
  'not-answering': 503,
} as const;
export type ErrorCode = keyof typeof ERRORS;

export interface Reply {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const TEXT = 'text/plain; charset=utf-8';
const JSON_TYPE = 'application/json; charset=utf-8';

export function outcomeReply(outcome: PurgeOutcome): Reply {
  switch (outcome.kind) {
    case 'done':
      return json(200, { id: outcome.id, applied: outcome.applied, pending: outcome.pending });
    case 'refused':
      return json(outcome.status, { error: { code: 'refused', message: outcome.message } });
    case 'unlogged':
      return failure('not-logged', outcome.message);
  }
}

export function renderMetrics(snapshot: Snapshot): Reply {
  return { status: 200, type: PROMETHEUS_TYPE, body: renderPrometheus(snapshot) };
}

/** @param path `/stats.json`, `/stats.csv`, or any other for the page */
export function renderStats(path: string): (figures: readonly [AdminStatus, Snapshot]) => Reply {
  const render: Readonly<Record<string, (stats: Stats) => Reply>> = {
    '/stats.json': (stats) => json(200, stats),
    '/stats.csv': (stats) => ({ status: 200, type: 'text/csv; charset=utf-8; header=present', body: renderCsv(stats) }),
  };
  const page = (stats: Stats): Reply => ({
    status: 200,
    type: 'text/html; charset=utf-8',
    body: renderPage(stats),
    headers: { 'Content-Security-Policy': PAGE_POLICY },
  });
  return ([status, snapshot]) => (render[path] ?? page)(makeStats(status, snapshot));
}

export function text(body: string): Reply {
  return { status: 200, type: TEXT, body };
}

export function json(status: number, value: unknown): Reply {
  return { status, type: JSON_TYPE, body: `${JSON.stringify(value)}\n` };
}

export function failure(code: ErrorCode, message: string, headers: Readonly<Record<string, string>> = {}): Reply {
  return { ...json(ERRORS[code], { error: { code, message } }), headers };
}
