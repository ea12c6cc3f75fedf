// The list is whole: its lines are numbered as their files are, and each has its bounded twin among the tests.

import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { LINES } from './lines.ts';

const names = globSync('[0-9][0-9]-*.ts', { cwd: import.meta.dirname }).toSorted();

test('every line stands in the list at the place that its file names', () => {
  assert.deepEqual(
    LINES.map((line) => line.number),
    names.map((name) => Number(name.slice(0, 2))),
  );
});

test('every line has a bounded twin', () => {
  const twins = globSync('[0-9][0-9]-*.test.ts', { cwd: join(import.meta.dirname, '..', '..', 'wire-speed') }).toSorted();
  assert.deepEqual(
    twins,
    names.map((name) => name.replace(/\.ts$/, '.test.ts')),
  );
});
