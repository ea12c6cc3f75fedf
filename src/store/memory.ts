// The memory tier: order by lru-cache, bytes counted here (body, head and overhead), victims chosen before room is needed.
// A hit only marks its answer; what is marked is moved to the young end when its turn to go comes (second chance), so that the order
// of a million entries is not touched, and not read into the processor's caches, by every hit.
// Promises: never above `maxBytes`, not even for the moment of a put; each put says whether it was kept.
// Refuses: an answer larger than the tier, more variants of one source than `maxVariants` (the oldest variant goes).

import { LRUCache } from 'lru-cache';
import type { Bytes } from '../base/units.ts';
import type { StoredAnswer, Tier, TierCounts } from './store.ts';

/** What an entry costs beside its body and header text: map slots, key strings, objects (measured: 0.9 to 1.1 KB), the head as it leaves. */
export const ENTRY_OVERHEAD: Bytes = 1536;

/** lru-cache allocates its lists for this many entries at once; a million costs about 30 MB. */
const MAX_ENTRIES = 1_000_000;

/** Marked answers that are moved on for one victim: what a put may cost is bounded, also when everything was asked for. */
const MOST_CHANCES = 32;

interface Held<F> {
  readonly answer: StoredAnswer<F>;
  /** Found since it was put or last moved. */
  found: boolean;
}

interface Source<F> {
  varyNames: readonly string[];
  /** In the order they were put. */
  readonly variants: Held<F>[];
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
  readonly #answers: LRUCache<string, Held<F>>;
  readonly #sources = new Map<string, Source<F>>();
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
    let held = source.variants[0];
    if (source.varyNames.length > 0) {
      const key = this.#variantKeyOf(sourceKey, source.varyNames, fieldOf);
      held = source.variants.find(({ answer }) => answer.variantKey === key);
    }
    if (held === undefined) return undefined;
    held.found = true;
    return held.answer;
  }

  varyNames(sourceKey: string): readonly string[] | undefined {
    return this.#sources.get(sourceKey)?.varyNames;
  }

  variants(sourceKey: string): number {
    return this.#sources.get(sourceKey)?.variants.length ?? 0;
  }

  put(answer: StoredAnswer<F>): boolean {
    const cost = costOf(answer);
    this.#drop(answer.variantKey);
    if (cost > this.#maxBytes) return false;
    const known = this.#sources.get(answer.sourceKey);
    // A changed Vary makes the old variants unreachable by the new rule: they go.
    if (known !== undefined && !sameNames(known.varyNames, answer.varyNames)) this.remove(answer.sourceKey);
    const variants = this.#sources.get(answer.sourceKey);
    if (variants !== undefined && variants.variants.length >= this.#maxVariants)
      this.#evict(variants.variants[0]!.answer.variantKey);
    while (this.#bytes + cost > this.#maxBytes || this.#answers.size >= this.#maxEntries) {
      const victim = this.#victim();
      if (victim === undefined) break;
      this.#evict(victim);
    }
    const held = { answer, found: false };
    const source = this.#sources.get(answer.sourceKey);
    if (source === undefined) this.#sources.set(answer.sourceKey, { varyNames: answer.varyNames, variants: [held] });
    else source.variants.push(held);
    this.#answers.set(answer.variantKey, held);
    this.#bytes += cost;
    return true;
  }

  remove(sourceKey: string): number {
    const source = this.#sources.get(sourceKey);
    if (source === undefined) return 0;
    const variants = [...source.variants];
    for (const { answer } of variants) this.#drop(answer.variantKey);
    return variants.length;
  }

  counts(): TierCounts {
    return { bytes: this.#bytes, objects: this.#answers.size, evictions: this.#evictions };
  }

  // The oldest that was not found since it became so old.
  #victim(): string | undefined {
    for (let chances = 0; ; chances += 1) {
      const { value: key } = this.#answers.rkeys().next();
      if (key === undefined) return undefined;
      const held = this.#answers.peek(key)!;
      if (!held.found || chances === MOST_CHANCES) return key;
      held.found = false;
      this.#answers.get(key);
    }
  }

  #evict(variantKey: string): void {
    this.#evictions += 1;
    this.#drop(variantKey);
  }

  #drop(variantKey: string): void {
    const held = this.#answers.peek(variantKey);
    if (held === undefined) return;
    const { sourceKey } = held.answer;
    this.#answers.delete(variantKey);
    this.#bytes -= costOf(held.answer);
    const { variants } = this.#sources.get(sourceKey)!;
    variants.splice(variants.indexOf(held), 1);
    if (variants.length === 0) this.#sources.delete(sourceKey);
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
