// The contract of the ordered log that purges and admin changes travel by. Types and prose only; the suite in
// test/contracts/purge-log.ts runs over every implementation.
//
// Every process applies the records of the log in order, each once, and reports the position it has applied.
// An object remembers the position at which its fetch began: a record after that position applies to it.
// Positions compare only within one epoch; an epoch ends when a log was emptied or replaced.

import type { Position } from '../base/position.ts';
import type { WallMs } from '../base/units.ts';

export type PurgeTarget =
  /** One URL: every variant of one source key. `key` is the source key, in the form of asset/key.ts. */
  { readonly kind: 'url'; readonly key: string };

export type LogEntry = { readonly kind: 'purge'; readonly id: string; readonly target: PurgeTarget; readonly soft: boolean };

export interface LogRecord {
  readonly position: Position;
  /** When it was appended. For people; nothing is decided by it. */
  readonly atMs: WallMs;
  readonly entry: LogEntry;
}

export interface PurgeLog {
  /** The position of the last record, or of the start when there is none. */
  tail(): Position;
  /** Resolves when the record is durable; rejects with a Fault-free Error that says why when it could not be logged. */
  append(entry: LogEntry): Promise<LogRecord>;
  /**
   * Calls `apply` for every record after `after`, in order, then for each new one, until `stop` of what it returns is called.
   * `apply` is synchronous. `lost` is true when `after` is of another epoch or older than what is kept: the caller's stored
   * objects are then untrusted, and it begins at the tail.
   */
  follow(after: Position | undefined, apply: (record: LogRecord) => void): { readonly lost: boolean; stop(): void };
  close(): Promise<void>;
}
