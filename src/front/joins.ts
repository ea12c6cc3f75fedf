// Requests for one image that wait for the same node: while the first has no byte yet, the others need not ask too.
// When the first gets its answer, or fails, all are let go at once and ask by themselves: the node answers them from memory or
// lets them read the fill. Promises: a joined request takes no slot of the node. Bounded by front.limits.connections.

import type { Ms } from '../base/units.ts';

/** A lead that is older than this without a byte is no hit: those who come now wait for it. */
const HIT_MS: Ms = 5;

/** A request that waits. */
export interface Joined {
  /** The lead has its answer, or failed. */
  letGo(): void;
}

interface Lead {
  readonly sinceMs: Ms;
  /** Made when somebody waits: most leads have their answer before anybody else asks. */
  waiting: Set<Joined> | undefined;
  relays: number;
}

export class Joins {
  readonly #leads = new Map<string, Lead>();

  /** Whether a request for the key should wait: `full`, there is no free slot, or the lead is waiting for a fill. */
  shouldWait(key: string, full: boolean, nowMs: Ms): boolean {
    const lead = this.#leads.get(key);
    return lead !== undefined && (full || nowMs - lead.sinceMs > HIT_MS);
  }

  /** Waits until the key's lead has its answer. */
  wait(key: string, joined: Joined): void {
    const lead = this.#leads.get(key)!;
    lead.waiting ??= new Set();
    lead.waiting.add(joined);
  }

  /** Waits no longer. */
  leave(key: string, joined: Joined): void {
    this.#leads.get(key)?.waiting?.delete(joined);
  }

  /** A request for the key goes to the node. */
  begin(key: string, nowMs: Ms): void {
    const lead = this.#leads.get(key);
    if (lead === undefined) this.#leads.set(key, { sinceMs: nowMs, waiting: undefined, relays: 1 });
    else lead.relays += 1;
  }

  /** It got its head, failed or was given up. With an answer, or when nobody leads any more, all who wait are let go. */
  settled(key: string, answered: boolean): void {
    const lead = this.#leads.get(key);
    if (lead === undefined) return;
    lead.relays -= 1;
    if (lead.relays === 0) this.#leads.delete(key);
    if (lead.waiting === undefined || (!answered && lead.relays > 0)) return;
    const { waiting } = lead;
    lead.waiting = undefined;
    for (const joined of waiting) joined.letGo();
  }
}
