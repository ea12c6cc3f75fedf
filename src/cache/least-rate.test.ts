import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LeastRate } from './least-rate.ts';

test('judged once a window of waiting is full, then anew', () => {
  const rate = new LeastRate(1_000, 10_000);
  for (let second = 0; second < 10; second += 1) assert.equal(rate.holds(1_000, 10), true, 'the window is not full yet');
  assert.equal(rate.holds(1_000, 10), false);
  assert.equal(rate.holds(10_001, 10_001), true, 'the next window begins at nothing');
});

test('only waiting counts: bytes that were there at once cost nobody anything', () => {
  const rate = new LeastRate(1_000, 10_000);
  for (let at = 0; at < 1_000; at += 1) assert.equal(rate.holds(0, 1), true);
  assert.equal(rate.holds(10_001, 0), false);
});
