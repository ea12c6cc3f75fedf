// The sign of life while an answer takes its time.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sayProcessing } from './processing.ts';

function reply() {
  const said: number[] = [];
  return { started: false, ended: false, said, interim: (status: number) => void said.push(status) };
}

test('102 after 100 ms, then once a second', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const to = reply();
  const stop = sayProcessing(to);
  t.mock.timers.tick(99);
  assert.deepEqual(to.said, []);
  t.mock.timers.tick(1);
  assert.deepEqual(to.said, [102]);
  t.mock.timers.tick(999);
  assert.deepEqual(to.said, [102]);
  for (const ms of [1, 1_000, 1_000]) t.mock.timers.tick(ms);
  assert.deepEqual(to.said, [102, 102, 102, 102]);
  stop();
  t.mock.timers.tick(10_000);
  assert.equal(to.said.length, 4);
});

test('nothing is said behind a head, or behind the end', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  for (const what of ['started', 'ended'] as const) {
    const to = reply();
    sayProcessing(to);
    to[what] = true;
    t.mock.timers.tick(5_000);
    assert.deepEqual(to.said, []);
  }
});
