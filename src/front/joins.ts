// Requests for one image that wait for the same node: while the first has no byte yet, the others need not ask too.
// When the first gets its answer, or fails, all are let go at once and ask by themselves: the node answers them from memory or
// lets them read the fill. Promises: a joined request takes no slot of the node. Bounded by front.limits.connections.

import type { Ms } from '../base/units.ts';

/** A lead that is older than this without a byte is no hit: those who come now wait for it. */
const HIT_MS: Ms = 5;

interface Lead {
  readonly sinceMs: Ms;
  readonly waiting: Set<() => void>;
  relays: number;
}

export class Joins {
  readonly #leads = new Map<string, Lead>();

  /** Whether a request for the key should wait: `full`, there is no free slot, or the lead is waiting for a fill. */
  shouldWait(key: string, full: boolean, nowMs: Ms): boolean {
    const lead = this.#leads.get(key);
    return lead !== undefined && (full || nowMs - lead.sinceMs > HIT_MS);
  }

  /** Waits until the key's lead has its answer. The returned function stops waiting. */
  wait(key: string, go: () => void): () => void {
    const lead = this.#leads.get(key)!;
    lead.waiting.add(go);
    return () => {
      lead.waiting.delete(go);
    };
  }

  /** A request for the key goes to the node. */
  begin(key: string, nowMs: Ms): void {
    const lead = this.#leads.get(key);
    if (lead === undefined) this.#leads.set(key, { sinceMs: nowMs, waiting: new Set(), relays: 1 });
    else lead.relays += 1;
  }

  /** It got its head, failed or was given up. With an answer, or when nobody leads any more, all who wait are let go. */
  settled(key: string, answered: boolean): void {
    const lead = this.#leads.get(key);
    if (lead === undefined) return;
    lead.relays -= 1;
    if (lead.relays === 0) this.#leads.delete(key);
    if (!answered && lead.relays > 0) return;
    const waiting = [...lead.waiting];
    lead.waiting.clear();
    for (const go of waiting) go();
  }
}
