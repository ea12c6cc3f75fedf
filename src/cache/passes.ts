// Sources that were found uncacheable a moment ago (hit-for-miss): requests for them do not wait for one another.
// Promises: bounded; the oldest memory goes first. A memory says only "do not wait": what comes is judged anew each time.

import type { Reason } from '../base/reasons.ts';
import type { Ms } from '../base/units.ts';

const REMEMBER_MS: Ms = 120_000;
const MAX_SOURCES = 10_000;

export class Passes {
  readonly #until = new Map<string, { readonly reason: Reason; readonly untilMs: Ms }>();

  remember(sourceKey: string, reason: Reason, nowMs: Ms): void {
    this.#until.delete(sourceKey);
    if (this.#until.size >= MAX_SOURCES) this.#until.delete(this.#until.keys().next().value!);
    this.#until.set(sourceKey, { reason, untilMs: nowMs + REMEMBER_MS });
  }

  forget(sourceKey: string): void {
    this.#until.delete(sourceKey);
  }

  /** Why the source was passed last, or undefined. */
  why(sourceKey: string, nowMs: Ms): Reason | undefined {
    const known = this.#until.get(sourceKey);
    if (known === undefined) return undefined;
    if (known.untilMs > nowMs) return known.reason;
    this.#until.delete(sourceKey);
    return undefined;
  }
}
