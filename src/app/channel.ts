// What supervisor and child say to each other. Every message is plain JSON; a listening socket travels beside one of them.
// Never on the path of a request.

import type { ChildProcess } from 'node:child_process';
import { formatPosition, parsePosition } from '../base/position.ts';
import type { Config } from '../config/schema.ts';
import type { Snapshot } from '../metrics/registry.ts';
import type { LogEntry, LogRecord } from '../purge/log.ts';
import type { Certificates, TlsMaterial } from './certificates.ts';

/** A record of the purge log as JSON: positions are 48 hex digits. */
export interface WireRecord {
  readonly position: string;
  readonly atMs: number;
  readonly entry: LogEntry;
}

export type ToChild =
  /** The first word: what to be. `sockets` listening sockets follow, one message each. */
  | {
      readonly kind: 'start';
      readonly role: 'front' | 'node';
      readonly name: string;
      readonly config: Config;
      readonly position: string;
      readonly sockets: number;
      readonly tls: TlsMaterial;
      /** See app/answer-token.ts. */
      readonly answerToken: string;
    }
  | { readonly kind: 'socket' }
  | { readonly kind: 'record'; readonly record: WireRecord }
  | { readonly kind: 'reopen-logs' }
  /** Renewed ones, for handshakes from now on. */
  | { readonly kind: 'certificates'; readonly certificates: Certificates }
  /** Say your figures now; the answer repeats the number. */
  | { readonly kind: 'figures'; readonly ask: number };

export type ToSupervisor =
  | { readonly kind: 'hello' }
  | { readonly kind: 'up' }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'applied'; readonly position: string; readonly removed: number | null }
  /** Once a second unasked (`ask` 0), and when asked. */
  | {
      readonly kind: 'figures';
      readonly ask: number;
      readonly snapshot: Snapshot;
      readonly ready: boolean;
      readonly why: string;
    };

export function toWire(record: LogRecord): WireRecord {
  return { position: formatPosition(record.position), atMs: record.atMs, entry: record.entry };
}

export function fromWire(record: WireRecord): LogRecord {
  const position = parsePosition(record.position);
  if (position === undefined) throw new Error(`not a position: ${record.position}`);
  return { position, atMs: record.atMs, entry: record.entry };
}

/** Says something to a child; one that is gone does not hear it. */
export function tell(child: ChildProcess, message: ToChild, socket?: object): void {
  if (!child.connected) return;
  child.send(message, socket as Parameters<ChildProcess['send']>[1], { keepOpen: true }, () => {});
}
