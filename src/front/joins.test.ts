// Joined requests: who waits, who is let go and when.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Joins } from './joins.ts';

test('without a lead nobody waits, however full the node is', () => {
  assert.equal(new Joins().shouldWait('a', true, 0), false);
});

test('a lead makes others wait when it has no answer after 5 ms, or at once when there is no slot', () => {
  const joins = new Joins();
  joins.begin('a', 100);
  assert.equal(joins.shouldWait('a', false, 105), false);
  assert.equal(joins.shouldWait('a', false, 105.1), true);
  assert.equal(joins.shouldWait('a', true, 100), true);
  assert.equal(joins.shouldWait('b', true, 200), false, 'another key');
});

test('an answer lets all go, in the order they came', () => {
  const joins = new Joins();
  const gone: number[] = [];
  joins.begin('a', 0);
  for (const at of [1, 2, 3]) joins.wait('a', { letGo: () => gone.push(at) });
  joins.settled('a', true);
  assert.deepEqual(gone, [1, 2, 3]);
  assert.equal(joins.shouldWait('a', true, 10), false, 'the lead is forgotten');
});

test('a failure lets all go only when nobody leads any more', () => {
  const joins = new Joins();
  let gone = 0;
  joins.begin('a', 0);
  joins.begin('a', 1);
  joins.wait('a', { letGo: () => (gone += 1) });
  joins.settled('a', false);
  assert.equal(gone, 0);
  joins.settled('a', false);
  assert.equal(gone, 1);
});

test('with an answer all are let go although another lead has none yet', () => {
  const joins = new Joins();
  let gone = 0;
  joins.begin('a', 0);
  joins.begin('a', 1);
  joins.wait('a', { letGo: () => (gone += 1) });
  joins.settled('a', true);
  assert.equal(gone, 1);
  assert.equal(joins.shouldWait('a', true, 2), true, 'the other still leads');
  joins.settled('a', false);
  assert.equal(joins.shouldWait('a', true, 2), false);
});

test('one that stopped waiting is not called', () => {
  const joins = new Joins();
  const gone: string[] = [];
  joins.begin('a', 0);
  const leaving = { letGo: () => gone.push('left') };
  joins.wait('a', leaving);
  joins.wait('a', { letGo: () => gone.push('stayed') });
  joins.leave('a', leaving);
  joins.leave('a', leaving);
  joins.settled('a', true);
  assert.deepEqual(gone, ['stayed']);
});

test('those let go may lead and wait again while they are let go', () => {
  const joins = new Joins();
  const waited: string[] = [];
  joins.begin('a', 0);
  joins.wait('a', { letGo: () => joins.begin('a', 10) });
  joins.wait('a', {
    letGo: () => {
      assert.equal(joins.shouldWait('a', true, 10), true);
      joins.wait('a', { letGo: () => waited.push('second') });
    },
  });
  joins.settled('a', false);
  assert.deepEqual(waited, [], 'let go once, it waits for the new lead');
  joins.settled('a', true);
  assert.deepEqual(waited, ['second']);
});

test('settling a key that nobody leads is nothing', () => {
  const joins = new Joins();
  joins.settled('a', true);
  assert.equal(joins.shouldWait('a', true, 0), false);
});
