import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Freshness } from './freshness.ts';
import { type Grace, judge } from './judge.ts';

const BORN = Date.UTC(2026, 10, 22, 12, 0, 0);
const GRACE: Grace = { healthy: 10_000, sick: 100_000 };
const PLAIN: Freshness = {
  bornMs: BORN,
  lifetimeMs: 60_000,
  mustRevalidate: false,
  noCache: false,
  staleWhileRevalidateMs: undefined,
  staleIfErrorMs: undefined,
};

/** The verdict at an age, as one word and one number: `fresh 5`, `stale 5`, `expired 5`, `sick 5` (expired, but usable). */
function at(ageMs: number, change: Partial<Freshness> = {}, grace = GRACE): string {
  const verdict = judge({ ...PLAIN, ...change }, grace, BORN + ageMs);
  if (verdict.kind === 'fresh') return `fresh ${verdict.ttlMs}`;
  return `${verdict.kind === 'expired' && verdict.sick ? 'sick' : verdict.kind} ${verdict.overMs}`;
}

test('fresh until the lifetime is over, stale in the healthy grace, usable if the origin fails in the sick one', () => {
  assert.equal(at(0), 'fresh 60000');
  assert.equal(at(59_999), 'fresh 1');
  assert.equal(at(60_000), 'stale 0');
  assert.equal(at(69_999), 'stale 9999');
  assert.equal(at(70_000), 'sick 10000');
  assert.equal(at(159_999), 'sick 99999');
  assert.equal(at(160_000), 'expired 100000');
});

test('without grace nothing stale is used', () => {
  const none = { healthy: 0, sick: 0 };
  assert.equal(at(59_999, {}, none), 'fresh 1');
  assert.equal(at(60_000, {}, none), 'expired 0');
});

test('the words of the origin replace the grace of the site, longer or shorter', () => {
  assert.equal(at(64_999, { staleWhileRevalidateMs: 5000 }), 'stale 4999');
  assert.equal(at(65_000, { staleWhileRevalidateMs: 5000 }), 'sick 5000');
  assert.equal(at(60_000, { staleWhileRevalidateMs: 0 }), 'sick 0');
  assert.equal(at(259_999, { staleWhileRevalidateMs: 200_000 }), 'stale 199999');
  assert.equal(at(75_000, { staleIfErrorMs: 5000 }), 'expired 15000');
  assert.equal(at(559_999, { staleIfErrorMs: 500_000 }), 'sick 499999');
  assert.equal(at(560_000, { staleIfErrorMs: 500_000 }), 'expired 500000');
  assert.equal(at(70_000, { staleIfErrorMs: 0 }), 'expired 10000');
});

test('must-revalidate: fresh while it lasts, then neither stale nor usable', () => {
  assert.equal(at(59_999, { mustRevalidate: true }), 'fresh 1');
  assert.equal(at(60_000, { mustRevalidate: true }), 'expired 0');
  assert.equal(at(60_000, { mustRevalidate: true, staleWhileRevalidateMs: 9000, staleIfErrorMs: 9000 }), 'expired 0');
});

test('no-cache: never used unasked, however young, nor when the origin fails', () => {
  assert.equal(at(0, { noCache: true }), 'expired 0');
  assert.equal(at(60_005, { noCache: true, staleIfErrorMs: 9000 }), 'expired 5');
});

test('a lifetime of 0 is checked on every use, unless the origin allows a use while it is', () => {
  assert.equal(at(0, { lifetimeMs: 0 }), 'sick 0');
  assert.equal(at(5000, { lifetimeMs: 0 }), 'sick 5000');
  assert.equal(at(5000, { lifetimeMs: 0, staleWhileRevalidateMs: 6000 }), 'stale 5000');
});

test('a clock that steps back makes nothing fresher than new', () => {
  assert.equal(at(-3_600_000), 'fresh 60000');
  assert.equal(at(-3_600_000, { lifetimeMs: 0 }), 'sick 0');
});

const span = fc.integer({ min: 0, max: 20 });
const maybe = fc.option(span, { nil: undefined });
const anyFreshness = fc.record({
  bornMs: fc.constant(BORN),
  lifetimeMs: span,
  mustRevalidate: fc.boolean(),
  noCache: fc.boolean(),
  staleWhileRevalidateMs: maybe,
  staleIfErrorMs: maybe,
});

test('with time an answer only gets worse, and its numbers stay in bounds', () => {
  const rank = { fresh: 0, stale: 1, expired: 2 };
  fc.assert(
    fc.property(anyFreshness, fc.record({ healthy: span, sick: span }), (freshness, grace) => {
      let before = judge(freshness, grace, BORN - 5);
      for (let age = -4; age < 70; age += 1) {
        const now = judge(freshness, grace, BORN + age);
        assert.ok(rank[now.kind] >= rank[before.kind]);
        if (now.kind === 'fresh') assert.ok(now.ttlMs > 0 && now.ttlMs <= freshness.lifetimeMs);
        else assert.ok(now.overMs >= 0);
        if (now.kind === 'expired' && before.kind === 'expired') assert.ok(before.sick || !now.sick);
        if (now.kind !== 'expired') assert.ok(!freshness.noCache);
        if (freshness.noCache || freshness.mustRevalidate)
          assert.ok(now.kind === 'fresh' || (now.kind === 'expired' && !now.sick));
        before = now;
      }
    }),
  );
});
