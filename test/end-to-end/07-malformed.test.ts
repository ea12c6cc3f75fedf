// Line 7 of the end-to-end list, bounded.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { line } from '../accept/end-to-end/07-malformed.ts';

test(line.title, async () => {
  const rows = await line.measure('bounded');
  const missed = rows.filter((row) => !row.ok).map((row) => `${row.asked}: ${row.reached}`);
  assert.deepEqual(missed, []);
  assert.ok(rows.length > 0);
});
