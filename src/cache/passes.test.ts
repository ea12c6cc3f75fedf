import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Passes } from './passes.ts';

test('remembered for two minutes, renewed, forgotten on demand', () => {
  const passes = new Passes();
  passes.remember('a', 'no-store', 0);
  assert.equal(passes.why('a', 119_999), 'no-store');
  assert.equal(passes.why('b', 0), undefined);
  passes.remember('a', 'private', 100_000);
  assert.equal(passes.why('a', 219_999), 'private');
  assert.equal(passes.why('a', 220_000), undefined);
  passes.remember('a', 'private', 300_000);
  passes.forget('a');
  assert.equal(passes.why('a', 300_000), undefined);
});

test('bounded: the oldest memory goes first, one that was renewed is not the oldest', () => {
  const passes = new Passes();
  for (let at = 0; at < 10_000; at += 1) passes.remember(`key ${at}`, 'status', at);
  passes.remember('key 0', 'status', 10_000);
  passes.remember('one more', 'status', 10_000);
  assert.equal(passes.why('key 0', 10_000), 'status');
  assert.equal(passes.why('key 1', 10_000), undefined);
  assert.equal(passes.why('key 2', 10_000), 'status');
});

test('bounded in bytes too: long names push out older ones', () => {
  const passes = new Passes();
  const long = (at: number) => `${at} ${'x'.repeat(32_000)}`;
  for (let at = 0; at < 1_000; at += 1) passes.remember(long(at), 'status', at);
  const known = Array.from({ length: 1_000 }, (_, at) => passes.why(long(at), 1_000)).filter((why) => why !== undefined).length;
  assert(known > 100 && known < 140, `${known} remembered`);
  assert.equal(passes.why(long(999), 1_000), 'status');
  passes.remember('short', 'status', 1_000);
  assert.equal(passes.why('short', 1_000), 'status');
});
