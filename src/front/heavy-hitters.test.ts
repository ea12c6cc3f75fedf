import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { keyHash } from '../asset/key.ts';
import { HeavyHitters } from './heavy-hitters.ts';

test('keys are counted one by one, and one without a count has 0', () => {
  const hitters = new HeavyHitters(64, 1000, 0);
  assert.equal(hitters.of(7), 0);
  assert.deepEqual(
    [7, 7, 9, 7].map((hash) => hitters.count(hash, 0)),
    [1, 2, 1, 3],
  );
  assert.deepEqual([hitters.of(7), hitters.of(9), hitters.of(8)], [3, 1, 0]);
});

test('a hash of 0 is a key like any other', () => {
  const hitters = new HeavyHitters(64, 1000, 0);
  assert.equal(hitters.of(0), 0);
  assert.deepEqual([hitters.count(0, 0), hitters.count(0, 0), hitters.of(0)], [1, 2, 2]);
});

test('counts are halved once a half-life, however many pass unseen', () => {
  const hitters = new HeavyHitters(64, 1000, 500);
  for (let asked = 0; asked < 99; asked += 1) hitters.count(7, 500);
  assert.equal(hitters.count(7, 1499), 100);
  assert.equal(hitters.count(7, 1500), 51);
  assert.equal(hitters.count(7, 3499), 26);
  assert.equal(hitters.count(7, 3500), 14);
  assert.equal(hitters.count(7, 3500 + 1000 * 40), 1);
});

test('a full bucket: the newcomer wears out the smallest count, and no other', () => {
  const hitters = new HeavyHitters(8, 1000, 0);
  for (let hash = 1; hash <= 8; hash += 1) for (let asked = 0; asked < hash + 1; asked += 1) hitters.count(hash, 0);
  assert.equal(hitters.count(100, 0), 0);
  assert.equal(hitters.count(100, 0), 1);
  assert.equal(hitters.count(100, 0), 2);
  assert.deepEqual(
    [1, 2, 3, 8].map((hash) => hitters.of(hash)),
    [0, 3, 4, 9],
  );
});

test('a scan of 100,000 keys leaves the hot ones their counts', () => {
  const hitters = new HeavyHitters(32_768, 10_000, 0);
  const hot = Array.from({ length: 1000 }, (_, at) => keyHash(`all /hot/${at}.jpg`));
  for (let asked = 0; asked < 20; asked += 1) for (const hash of hot) hitters.count(hash, 0);
  for (let at = 0; at < 100_000; at += 1) assert.ok(hitters.count(keyHash(`all /scan/${at}.jpg`), 0) <= 1);
  assert.ok(hot.filter((hash) => hitters.of(hash) === 20).length >= 999);
});

test('against a plain map: never too much, and exact while the keys fit', () => {
  const keys = fc.integer({ min: 0, max: 15 }).map((small) => Math.imul(small + 1, 0x9e3779b1) >>> 0);
  fc.assert(
    fc.property(fc.array(keys, { maxLength: 400 }), fc.constantFrom(8, 64, 1024), (asked, places) => {
      const hitters = new HeavyHitters(places, 1000, 0);
      const counts = new Map<number, number>();
      for (const hash of asked) {
        counts.set(hash, (counts.get(hash) ?? 0) + 1);
        hitters.count(hash, 0);
        assert.ok(hitters.of(hash) <= counts.get(hash)!);
      }
      const bucketSizes = new Map<number, number>();
      for (const hash of counts.keys()) {
        const bucket = hash & (places / 8 - 1);
        bucketSizes.set(bucket, (bucketSizes.get(bucket) ?? 0) + 1);
      }
      for (const [hash, count] of counts)
        if (bucketSizes.get(hash & (places / 8 - 1))! <= 8) assert.equal(hitters.of(hash), count);
    }),
  );
});
