// The memory tier against a model that is too simple to be wrong: a list in the order of use.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { variantKey } from '../answer/variant.ts';
import { ENTRY_OVERHEAD, entryCost, MemoryTier } from './memory.ts';
import type { StoredAnswer } from './store.ts';

type Fields = Readonly<Record<string, string>>;

const POSITION = { epoch: '0123456789abcdef', high: 0n, low: 0n };
const MAX_VARIANTS = 3;

function answer(sourceKey: string, varyNames: readonly string[], fields: Fields, size: number, mark = 0): StoredAnswer<number> {
  return {
    sourceKey,
    variantKey: variantKey(sourceKey, varyNames, (name) => fields[name]),
    varyNames,
    status: 200,
    headers: [['content-type', 'image/jpeg']],
    body: Buffer.alloc(size),
    position: POSITION,
    facts: mark,
  };
}

function costOf(stored: StoredAnswer<number>): number {
  return entryCost(stored) + stored.body.length;
}

function tier(maxBytes: number): MemoryTier<number> {
  return new MemoryTier<number>({ maxBytes, maxVariants: MAX_VARIANTS, variantKeyOf: variantKey });
}

/** Who goes next stands first; who was found since it came there gets a second chance at the other end. */
class Model {
  readonly maxBytes: number;
  held: StoredAnswer<number>[] = [];
  readonly found = new Set<StoredAnswer<number>>();
  /** Variants of each source, the oldest put first. */
  readonly puts = new Map<string, string[]>();
  evictions = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.held.reduce((sum, each) => sum + costOf(each), 0);
  }

  drop(key: string): void {
    const gone = this.held.find((each) => each.variantKey === key);
    if (gone === undefined) return;
    this.held = this.held.filter((each) => each !== gone);
    const left = (this.puts.get(gone.sourceKey) ?? []).filter((each) => each !== key);
    if (left.length === 0) this.puts.delete(gone.sourceKey);
    else this.puts.set(gone.sourceKey, left);
  }

  ofSource(sourceKey: string): StoredAnswer<number>[] {
    return this.held.filter((each) => each.sourceKey === sourceKey);
  }

  put(stored: StoredAnswer<number>): boolean {
    this.drop(stored.variantKey);
    if (costOf(stored) > this.maxBytes) return false;
    for (const other of this.ofSource(stored.sourceKey))
      if (other.varyNames.join() !== stored.varyNames.join()) this.drop(other.variantKey);
    const variants = this.puts.get(stored.sourceKey) ?? [];
    if (variants.length >= MAX_VARIANTS) this.evict(variants[0]!);
    while (this.bytes + costOf(stored) > this.maxBytes) this.evict(this.victim());
    this.held.push(stored);
    this.puts.set(stored.sourceKey, [...(this.puts.get(stored.sourceKey) ?? []), stored.variantKey]);
    return true;
  }

  victim(): string {
    while (this.found.delete(this.held[0]!)) this.held.push(this.held.shift()!);
    return this.held[0]!.variantKey;
  }

  evict(key: string): void {
    this.evictions += 1;
    this.drop(key);
  }

  find(sourceKey: string, fields: Fields): StoredAnswer<number> | undefined {
    const names = this.ofSource(sourceKey)[0]?.varyNames;
    if (names === undefined) return undefined;
    const key = variantKey(sourceKey, names, (name) => fields[name]);
    const found = this.held.find((each) => each.variantKey === key);
    if (found !== undefined) this.found.add(found);
    return found;
  }

  remove(sourceKey: string): number {
    const gone = this.ofSource(sourceKey);
    for (const each of gone) this.drop(each.variantKey);
    return gone.length;
  }
}

const source = fc.constantFrom('all /a', 'all /b', 'all /c', 'all /d');
const names = fc.constantFrom<readonly string[]>([], ['accept'], ['accept', 'accept-language']);
const fields = fc.record(
  { accept: fc.constantFrom('x', 'y', ''), 'accept-language': fc.constantFrom('en', 'fr') },
  { requiredKeys: [] },
) as fc.Arbitrary<Fields>;
const operation = fc.oneof(
  fc.record({ kind: fc.constant('put' as const), source, names, fields, size: fc.integer({ min: 0, max: 9_000 }) }),
  fc.record({ kind: fc.constant('find' as const), source, fields }),
  fc.record({ kind: fc.constant('remove' as const), source }),
);

test('any sequence of put, find and remove: the same answers as the model, the bytes re-derived, never above the bound', () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 60 }), fc.constantFrom(1_500, 8_000, 20_000, 60_000), (operations, maxBytes) => {
      const real = tier(maxBytes);
      const model = new Model(maxBytes);
      for (const [at, step] of operations.entries()) {
        const fieldOf = (name: string) => ('fields' in step ? step.fields[name] : undefined);
        if (step.kind === 'put') {
          const stored = answer(step.source, step.names, step.fields, step.size, at);
          assert.equal(real.put(stored), model.put(stored));
        } else if (step.kind === 'find') assert.equal(real.find(step.source, fieldOf), model.find(step.source, step.fields));
        else assert.equal(real.remove(step.source), model.remove(step.source));
        assert.deepEqual(real.counts(), { bytes: model.bytes, objects: model.held.length, evictions: model.evictions });
        assert(real.counts().bytes <= maxBytes);
        for (const key of ['all /a', 'all /b', 'all /c', 'all /d']) {
          assert.equal(real.variants(key), model.ofSource(key).length);
          assert.deepEqual(real.varyNames(key), model.ofSource(key)[0]?.varyNames);
        }
      }
    }),
    { numRuns: 300 },
  );
});

test('an answer that does not vary is found under the source key itself, whatever the request says', () => {
  const real = tier(10_000);
  const stored = answer('all /a', [], {}, 10);
  assert.equal(stored.variantKey, 'all /a');
  real.put(stored);
  assert.equal(
    real.find('all /a', () => 'anything'),
    stored,
  );
  assert.equal(
    real.find('all /ab', () => undefined),
    undefined,
  );
});

test('an answer that fills the tier to the byte fits; one byte more does not, and takes its old self along', () => {
  const room = 10_000;
  const body = room - entryCost(answer('all /a', [], {}, 0));
  const real = tier(room);
  assert.equal(real.put(answer('all /a', [], {}, body)), true);
  assert.equal(real.counts().bytes, room);
  assert.equal(real.put(answer('all /a', [], {}, body + 1)), false);
  assert.deepEqual(real.counts(), { bytes: 0, objects: 0, evictions: 0 });
});

test('a changed Vary takes the variants of the old one along, however it changes', () => {
  const real = tier(100_000);
  real.put(answer('all /a', ['accept'], { accept: 'x' }, 10));
  real.put(answer('all /a', ['accept'], { accept: 'y' }, 10));
  real.put(answer('all /a', [], {}, 10));
  assert.deepEqual([real.variants('all /a'), real.varyNames('all /a')], [1, []]);
  real.put(answer('all /a', ['accept'], { accept: 'x' }, 10));
  assert.deepEqual([real.variants('all /a'), real.varyNames('all /a')], [1, ['accept']]);
  assert.equal(
    real.find('all /a', () => 'y'),
    undefined,
  );
});

test('a 304 makes a new answer that shares the body: put in place of the old one, counted once', () => {
  const real = tier(100_000);
  const old = answer('all /a', [], {}, 5_000);
  real.put(old);
  real.put({ ...old, headers: [...old.headers, ['x-new', '1']], facts: 2 });
  assert.equal(real.counts().objects, 1);
  assert.equal(real.counts().bytes, costOf(old) + 'x-new1'.length + 64);
  assert.equal(real.find('all /a', () => undefined)?.facts, 2);
});

test('a tier too small for any entry refuses all of them', () => {
  const real = tier(ENTRY_OVERHEAD - 1);
  assert.equal(real.put(answer('all /a', [], {}, 0)), false);
  assert.equal(real.counts().objects, 0);
});
