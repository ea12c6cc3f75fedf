// The contract of a tier that keeps answers. Types and prose only.
//
// An answer is filed under its variant key; all variants of one source key are found together, because purges and the ring
// name the source. A tier is bounded in bytes, head and overhead included, and tells what it evicted.

import type { Position } from '../base/position.ts';
import type { Bytes } from '../base/units.ts';
import type { HeaderList } from '../wire/headers.ts';

/** A stored answer. Never changed: a 304 makes a new one that shares the body. `F` is what the cache knows of it beside (freshness, prepared head). */
export interface StoredAnswer<F> {
  readonly sourceKey: string;
  readonly variantKey: string;
  /** Request fields (lower case) that chose the variant; empty when the answer does not vary. */
  readonly varyNames: readonly string[];
  readonly status: number;
  /** End-to-end fields of the origin, lower-case names. */
  readonly headers: HeaderList;
  readonly body: Buffer;
  /** Position of the purge log at which its fetch began. */
  readonly position: Position;
  readonly facts: F;
}

export interface TierCounts {
  readonly bytes: Bytes;
  readonly objects: number;
  readonly evictions: number;
}

export interface Tier<F> {
  /** The answer for a request, its variant chosen by `fieldOf` (the request's fields), or undefined. Counts as a use. */
  find(sourceKey: string, fieldOf: (name: string) => string | undefined): StoredAnswer<F> | undefined;
  /** The request fields that choose among the variants of a source, or undefined when nothing of it is stored. */
  varyNames(sourceKey: string): readonly string[] | undefined;
  variants(sourceKey: string): number;
  /** Keeps an answer in place of an older one of the same variant. False: it does not fit. */
  put(answer: StoredAnswer<F>): boolean;
  /** Forgets every variant of a source; returns how many there were. */
  remove(sourceKey: string): number;
  counts(): TierCounts;
}
