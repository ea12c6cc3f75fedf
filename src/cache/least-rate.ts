// Whether somebody who is waited for is worth the wait: a least rate, over windows of waiting.
// Promises: only time spent waiting counts, so that nobody pays for the slowness of another; no clock of its own.

import type { Bytes, Ms } from '../base/units.ts';

export class LeastRate {
  readonly #bytesPerSecond: number;
  readonly #windowMs: Ms;
  #waitedMs = 0;
  #bytes = 0;

  constructor(bytesPerSecond: number, windowMs: Ms) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#windowMs = windowMs;
  }

  /** After a wait and what it brought. False when the window that it filled was too slow. */
  holds(waitedMs: Ms, bytes: Bytes): boolean {
    this.#waitedMs += waitedMs;
    this.#bytes += bytes;
    if (this.#waitedMs <= this.#windowMs) return true;
    const enough = this.#bytes * 1000 >= this.#bytesPerSecond * this.#waitedMs;
    this.#waitedMs = 0;
    this.#bytes = 0;
    return enough;
  }
}
