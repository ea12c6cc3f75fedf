import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Latencies } from './latencies.ts';

test('without a request everything is zero', () => {
  const none = new Latencies();
  assert.deepEqual([none.count, none.maxMs, none.percentileMs(0.5)], [0, 0, 0]);
});

test('a percentile is the true one or at most 2 % above it, and never above the maximum', () => {
  const times = fc.array(fc.double({ min: 0.001, max: 500_000, noNaN: true }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(times, fc.constantFrom(0.01, 0.5, 0.9, 0.99, 1), (values, share) => {
      const latencies = new Latencies();
      for (const ms of values) latencies.add(ms);
      const sorted = values.toSorted((a, b) => a - b);
      const exact = sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1]!;
      const got = latencies.percentileMs(share);
      assert.ok(got >= exact * (1 - 1e-9) && got <= exact * 1.0201, `${got} for ${exact}`);
      assert.equal(latencies.maxMs, sorted.at(-1));
      assert.equal(latencies.count, values.length);
    }),
  );
});

test('what lies outside the buckets is counted in the outermost ones', () => {
  const latencies = new Latencies();
  latencies.add(0);
  latencies.add(10_000_000);
  assert.equal(latencies.count, 2);
  assert.equal(latencies.maxMs, 10_000_000);
  assert.equal(latencies.percentileMs(0.5), 0.001);
});
