// What the admin listener asks of the process behind it. Types and prose only: the supervisor answers for every process of its
// machine, a process that runs alone for itself. How long an answer may take is the asker's business.

import type { Snapshot } from '../metrics/registry.ts';
import type { PurgeRequest } from './purges.ts';
import type { AdminStatus } from './stats.ts';

export type PurgeOutcome =
  /** Logged. `applied` counts per process (null: not counted); `pending` names the processes that had not applied it in time. */
  | {
      readonly kind: 'done';
      readonly id: string;
      readonly applied: Readonly<Record<string, number | null>>;
      readonly pending: readonly string[];
    }
  /** Nothing was logged: the request cannot be done. `status` is 4xx or 5xx. */
  | { readonly kind: 'refused'; readonly status: number; readonly message: string }
  /** It could not be made durable, or there is no log here: 503. */
  | { readonly kind: 'unlogged'; readonly message: string };

export interface AdminBackend {
  ready(): { readonly ready: boolean; readonly why: string };
  /** The metrics of every process, merged. */
  snapshot(): Promise<Snapshot>;
  status(): Promise<AdminStatus>;
  /** Waits up to `request.waitMs` for every live process once it is logged. */
  purge(request: PurgeRequest): Promise<PurgeOutcome>;
}
