// The bounded twin of an acceptance line: the same measurement at a size that every test run can afford, every row asserted.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Line } from '../accept/line.ts';

const MOST_MS = 120_000;

export function twin(line: Line): void {
  test(`${line.number}: ${line.title}`, { timeout: MOST_MS }, async () => {
    const rows = await line.measure('bounded');
    assert.ok(rows.length > 0, 'nothing was measured');
    const text = rows.map((row) => `${row.ok ? 'ok    ' : 'MISSED'} ${row.asked}\n         ${row.reached}`).join('\n');
    assert.ok(
      rows.every((row) => row.ok),
      `\n${text}`,
    );
  });
}
