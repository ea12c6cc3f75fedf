import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { randomFrom } from '../samples/noise.ts';
import { shuffled, zipfSampler, zipfShares } from './sampler.ts';

test('the shares follow the law and add up to one', () => {
  const shares = zipfShares(4, 1);
  const harmonic = 1 + 1 / 2 + 1 / 3 + 1 / 4;
  for (const [rank, share] of shares.entries()) assert.ok(Math.abs(share - 1 / (rank + 1) / harmonic) < 1e-12);
  assert.deepEqual([...zipfShares(3, 0)], [1 / 3, 1 / 3, 1 / 3]);
});

test('no ranks, a part of one and too many are refused', () => {
  for (const count of [0, -1, 1.5, Number.NaN, 1_000_001]) assert.throws(() => zipfShares(count, 0.9), RangeError);
});

test('every number from 0 to 1 gives a rank, and a larger number never a more popular one', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 500 }),
      fc.double({ min: 0, max: 2, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (count, exponent, a, b) => {
        const rankAt = zipfSampler(count, exponent);
        const low = rankAt(Math.min(a, b));
        const high = rankAt(Math.max(a, b));
        assert.ok(Number.isInteger(low) && low >= 0 && high < count && low <= high);
      },
    ),
  );
});

test('100,000 draws come within five standard deviations of the shares', () => {
  const draws = 100_000;
  const count = 50;
  const random = randomFrom(3);
  const rankAt = zipfSampler(count, 0.9);
  const seen = new Float64Array(count);
  for (let i = 0; i < draws; i++) seen[rankAt(random())]! += 1;
  for (const [rank, share] of zipfShares(count, 0.9).entries()) {
    const deviation = Math.sqrt(draws * share * (1 - share));
    assert.ok(Math.abs(seen[rank]! - draws * share) < 5 * deviation, `rank ${rank}: ${seen[rank]} of about ${draws * share}`);
  }
});

test('one seed gives one order, which has every item once', () => {
  const items = Array.from({ length: 100 }, (_, i) => i);
  const order = shuffled(items, randomFrom(5));
  assert.deepEqual(order, shuffled(items, randomFrom(5)));
  assert.notDeepEqual(order, items);
  assert.deepEqual(
    order.toSorted((a, b) => a - b),
    items,
  );
});
