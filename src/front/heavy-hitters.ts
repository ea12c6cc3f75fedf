// Which keys are asked for most: a count per key over the last moments, in a table of fixed size.
// Keys are known by their 32-bit hash. A bucket holds eight of them; a key that finds it full takes one from the smallest count
// there, and its place only when that count is used up. So a scan of keys that are asked for once wears out the coldest key of
// each bucket and no other. All counts are halved once a half-life: old fame passes.
// Promises: never counts too much, but for keys of equal hash; 256 KB for 32,768 keys; counting allocates nothing.

import type { Ms } from '../base/units.ts';

/** One cache line of hashes. */
const WAYS = 8;

export class HeavyHitters {
  readonly #hashes: Uint32Array;
  readonly #counts: Uint32Array;
  readonly #mask: number;
  readonly #halfLifeMs: Ms;
  #agedMs: Ms;

  /**
   * @param places keys that are counted at a time, a power of two
   * @param nowMs  monotonic
   */
  constructor(places: number, halfLifeMs: Ms, nowMs: Ms) {
    this.#hashes = new Uint32Array(places);
    this.#counts = new Uint32Array(places);
    this.#mask = places / WAYS - 1;
    this.#halfLifeMs = halfLifeMs;
    this.#agedMs = nowMs;
  }

  /** Counts one request for the key; returns its count, this one included, or 0 when there is no place for it. */
  count(hash: number, nowMs: Ms): number {
    if (nowMs - this.#agedMs >= this.#halfLifeMs) this.#age(nowMs);
    const hashes = this.#hashes;
    const counts = this.#counts;
    const first = (hash & this.#mask) * WAYS;
    let least = first;
    for (let at = first; at < first + WAYS; at += 1) {
      if (hashes[at] === hash && counts[at] !== 0) {
        counts[at]! += 1;
        return counts[at]!;
      }
      if (counts[at]! < counts[least]!) least = at;
    }
    if (counts[least]! > 1) {
      counts[least]! -= 1;
      return 0;
    }
    hashes[least] = hash;
    counts[least] = 1;
    return 1;
  }

  /** The key's count, 0 when it has none. */
  of(hash: number): number {
    const first = (hash & this.#mask) * WAYS;
    for (let at = first; at < first + WAYS; at += 1) if (this.#hashes[at] === hash) return this.#counts[at]!;
    return 0;
  }

  #age(nowMs: Ms): void {
    const halvings = Math.floor((nowMs - this.#agedMs) / this.#halfLifeMs);
    this.#agedMs += halvings * this.#halfLifeMs;
    const counts = this.#counts;
    // A shift by 32 would be one by 0.
    const by = Math.min(halvings, 31);
    for (let at = 0; at < counts.length; at += 1) counts[at]! >>>= by;
  }
}
