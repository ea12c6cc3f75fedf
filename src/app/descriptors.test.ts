// Connections and descriptors.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectionsWithin, descriptorLimit, limitFrom } from './descriptors.ts';

test('the limit is read as the kernel writes it', () => {
  const text = (soft: string) =>
    `Limit                     Soft Limit           Hard Limit           Units     \nMax processes             5                    5                    processes \nMax open files            ${soft.padEnd(21)}20000                files     \n`;
  assert.equal(limitFrom(text('1024')), 1024);
  assert.equal(limitFrom(text('unlimited')), Number.POSITIVE_INFINITY);
  assert.equal(limitFrom(''), Number.POSITIVE_INFINITY);
  assert.ok(descriptorLimit() > 0);
});

test('clients leave room for what serving them needs', () => {
  assert.equal(connectionsWithin(20_000, 2_048, Number.POSITIVE_INFINITY), 20_000);
  assert.equal(connectionsWithin(20_000, 2_048, 1_048_576), 20_000);
  assert.equal(connectionsWithin(20_000, 2_048, 20_000), 20_000 - 2_048 - 256);
  assert.equal(connectionsWithin(100, 2_048, 20_000), 100);
  assert.equal(connectionsWithin(20_000, 2_048, 1_024), 512);
  assert.equal(connectionsWithin(20_000, 2_048, 1), 1);
});
