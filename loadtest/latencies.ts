// Latencies of a run in buckets that grow by 2 %, from a microsecond to ten minutes: 4 KB for any number of requests.
// Promises: a percentile is never below the true one and at most 2 % above it; the maximum is exact.

const SMALLEST_MS = 0.001;
const GROWTH = Math.log(1.02);
const BUCKETS = Math.ceil(Math.log(600_000 / SMALLEST_MS) / GROWTH) + 1;

export class Latencies {
  readonly #buckets = new Float64Array(BUCKETS);
  #count = 0;
  #maxMs = 0;

  add(ms: number): void {
    const bucket = Math.ceil(Math.log(Math.max(ms, SMALLEST_MS) / SMALLEST_MS) / GROWTH);
    this.#buckets[Math.min(bucket, BUCKETS - 1)]! += 1;
    this.#count += 1;
    this.#maxMs = Math.max(this.#maxMs, ms);
  }

  get count(): number {
    return this.#count;
  }

  get maxMs(): number {
    return this.#maxMs;
  }

  /** The latency that `share` of the requests (0 to 1) did not exceed, in milliseconds; 0 when there were none. */
  percentileMs(share: number): number {
    const rank = Math.max(1, Math.ceil(share * this.#count));
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.#buckets[bucket]!;
      if (seen >= rank) return Math.min(this.#maxMs, SMALLEST_MS * Math.exp(bucket * GROWTH));
    }
    return this.#maxMs;
  }
}
