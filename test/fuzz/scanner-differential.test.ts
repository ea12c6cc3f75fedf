// The lane against node:http. FUZZ_INPUTS and FUZZ_SEED make longer and other runs.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzzLane } from './differential.ts';

const INPUTS = Number(process.env['FUZZ_INPUTS'] ?? 50_000);
const SEED = Number(process.env['FUZZ_SEED'] ?? 20_261);

test(`what the lane accepts, node:http reads the same way (${INPUTS} inputs, seed ${SEED})`, async () => {
  const found = await fuzzLane(INPUTS, SEED);
  assert.deepEqual(found.differences, []);
  assert.deepEqual(found.defects, []);
  assert.equal(found.left, 0);
  // A fuzz that accepts nothing shows nothing.
  assert.ok(found.accepted > Math.min(INPUTS / 50, 100_000), `${found.accepted} of ${INPUTS} heads were accepted`);
});
