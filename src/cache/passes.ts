// Sources that were found uncacheable a moment ago (hit-for-miss): requests for them do not wait for one another.
// Promises: bounded, in number and in the length of names; the oldest memory goes first. A memory says only "do not wait": what
// comes is judged anew each time.

import type { Reason } from '../base/reasons.ts';
import type { Ms } from '../base/units.ts';

const REMEMBER_MS: Ms = 120_000;
const MAX_SOURCES = 10_000;
/** All names together: a client chooses how long one is. */
const MAX_CHARACTERS = 4 * 1024 * 1024;

export class Passes {
  readonly #until = new Map<string, { readonly reason: Reason; readonly untilMs: Ms }>();
  #characters = 0;

  remember(sourceKey: string, reason: Reason, nowMs: Ms): void {
    this.forget(sourceKey);
    while (this.#until.size >= MAX_SOURCES || (this.#until.size > 0 && this.#characters + sourceKey.length > MAX_CHARACTERS))
      this.forget(this.#until.keys().next().value!);
    this.#characters += sourceKey.length;
    this.#until.set(sourceKey, { reason, untilMs: nowMs + REMEMBER_MS });
  }

  forget(sourceKey: string): void {
    if (this.#until.delete(sourceKey)) this.#characters -= sourceKey.length;
  }

  /** Why the source was passed last, or undefined. */
  why(sourceKey: string, nowMs: Ms): Reason | undefined {
    const known = this.#until.get(sourceKey);
    if (known === undefined) return undefined;
    if (known.untilMs > nowMs) return known.reason;
    this.forget(sourceKey);
    return undefined;
  }
}
