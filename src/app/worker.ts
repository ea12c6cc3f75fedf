// What a process of one role is to whoever runs it: the supervisor's child code, or a process that runs alone.

import type { Snapshot } from '../metrics/registry.ts';
import type { LogRecord } from '../purge/log.ts';
import type { Certificates } from './certificates.ts';

export interface Worker {
  /** `front-1` or the node's name: as in metrics, logs and answers to purges. */
  readonly name: string;
  readonly role: 'front' | 'node';
  /** Listens on sockets that were handed over, or on the config's own addresses when there are none. */
  listen(handles: readonly object[]): Promise<void>;
  ready(): { readonly ready: boolean; readonly why: string };
  /** Applies one record of the purge log; returns how many stored images it removed, null where nothing is counted. */
  apply(record: LogRecord): number | null;
  snapshot(): Snapshot;
  reopenLogs(): void;
  /** Certificates for TLS handshakes from now on; nothing where no TLS is spoken. */
  certify(certificates: Certificates): void;
  /** Stops accepting and resolves when what was in flight has ended. */
  stop(): Promise<void>;
  /** Ends everything at once. */
  kill(): void;
}

/** Request ids: a prefix drawn once per process, then a counter of six digits for the first two thousand million. */
export function idMaker(prefix: string): () => string {
  let next = 36 ** 5;
  return () => {
    next += 1;
    return `${prefix}-${next.toString(36)}`;
  };
}
