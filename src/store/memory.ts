// The memory tier: recency by lru-cache, bytes counted here (body, head and overhead), victims chosen before room is needed.
// Promises: never above `maxBytes`, not even for the moment of a put; each put says whether it was kept.
// Refuses: an answer larger than the tier, more variants of one source than `maxVariants` (the oldest variant goes).

import { LRUCache } from 'lru-cache';
import type { Bytes } from '../base/units.ts';
import type { StoredAnswer, Tier, TierCounts } from './store.ts';

/** What an entry costs beside its body and header text: map slots, key strings, objects. Measured: 0.9 to 1.1 KB. */
export const ENTRY_OVERHEAD: Bytes = 1024;

/** lru-cache allocates its lists for this many entries at once; a million costs about 30 MB. */
const MAX_ENTRIES = 1_000_000;

interface Source {
  varyNames: readonly string[];
  readonly variantKeys: string[];
}

export type VariantKeyOf = (sourceKey: string, names: readonly string[], fieldOf: (name: string) => string | undefined) => string;

export interface MemoryTierOptions {
  readonly maxBytes: Bytes;
  readonly maxVariants: number;
  readonly variantKeyOf: VariantKeyOf;
}

export class MemoryTier<F> implements Tier<F> {
  readonly #maxBytes: Bytes;
  readonly #maxVariants: number;
  readonly #variantKeyOf: VariantKeyOf;
  readonly #answers: LRUCache<string, StoredAnswer<F>>;
  readonly #sources = new Map<string, Source>();
  readonly #maxEntries: number;
  #bytes = 0;
  #evictions = 0;

  constructor(options: MemoryTierOptions) {
    this.#maxBytes = options.maxBytes;
    this.#maxVariants = options.maxVariants;
    this.#variantKeyOf = options.variantKeyOf;
    this.#maxEntries = Math.max(1, Math.min(MAX_ENTRIES, Math.floor(options.maxBytes / ENTRY_OVERHEAD)));
    this.#answers = new LRUCache({ max: this.#maxEntries });
  }

  find(sourceKey: string, fieldOf: (name: string) => string | undefined): StoredAnswer<F> | undefined {
    const source = this.#sources.get(sourceKey);
    if (source === undefined) return undefined;
    const key = source.varyNames.length === 0 ? sourceKey : this.#variantKeyOf(sourceKey, source.varyNames, fieldOf);
    return this.#answers.get(key);
  }

  varyNames(sourceKey: string): readonly string[] | undefined {
    return this.#sources.get(sourceKey)?.varyNames;
  }

  variants(sourceKey: string): number {
    return this.#sources.get(sourceKey)?.variantKeys.length ?? 0;
  }

  put(answer: StoredAnswer<F>): boolean {
    const cost = costOf(answer);
    this.#drop(answer.variantKey);
    if (cost > this.#maxBytes) return false;
    const known = this.#sources.get(answer.sourceKey);
    // A changed Vary makes the old variants unreachable by the new rule: they go.
    if (known !== undefined && !sameNames(known.varyNames, answer.varyNames)) this.remove(answer.sourceKey);
    const variants = this.#sources.get(answer.sourceKey);
    if (variants !== undefined && variants.variantKeys.length >= this.#maxVariants) this.#evict(variants.variantKeys[0]!);
    while (this.#bytes + cost > this.#maxBytes || this.#answers.size >= this.#maxEntries) {
      const victim = this.#answers.rkeys().next();
      if (victim.done === true) break;
      this.#evict(victim.value);
    }
    const source = this.#sources.get(answer.sourceKey);
    if (source === undefined)
      this.#sources.set(answer.sourceKey, { varyNames: answer.varyNames, variantKeys: [answer.variantKey] });
    else source.variantKeys.push(answer.variantKey);
    this.#answers.set(answer.variantKey, answer);
    this.#bytes += cost;
    return true;
  }

  remove(sourceKey: string): number {
    const source = this.#sources.get(sourceKey);
    if (source === undefined) return 0;
    const keys = [...source.variantKeys];
    for (const key of keys) this.#drop(key);
    return keys.length;
  }

  counts(): TierCounts {
    return { bytes: this.#bytes, objects: this.#answers.size, evictions: this.#evictions };
  }

  #evict(variantKey: string): void {
    this.#evictions += 1;
    this.#drop(variantKey);
  }

  #drop(variantKey: string): void {
    const answer = this.#answers.peek(variantKey);
    if (answer === undefined) return;
    this.#answers.delete(variantKey);
    this.#bytes -= costOf(answer);
    const source = this.#sources.get(answer.sourceKey)!;
    source.variantKeys.splice(source.variantKeys.indexOf(variantKey), 1);
    if (source.variantKeys.length === 0) this.#sources.delete(answer.sourceKey);
  }
}

function costOf<F>(answer: StoredAnswer<F>): Bytes {
  return answer.body.length + entryCost(answer);
}

/** What an answer takes of the tier beside its body. */
export function entryCost(answer: Pick<StoredAnswer<unknown>, 'sourceKey' | 'variantKey' | 'headers'>): Bytes {
  let head = answer.variantKey.length + answer.sourceKey.length;
  for (const [name, value] of answer.headers) head += name.length + value.length + 64;
  return head + ENTRY_OVERHEAD;
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, at) => name === b[at]);
}
