// An acceptance list is whole: its lines are numbered as their files are, and each has its bounded twin among the tests.

import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import type { Line } from './line.ts';

/** @param folder of the list; its twins stand in `test/` under the same name */
export function wholeList(folder: string, lines: readonly Line[]): void {
  const names = globSync('[0-9][0-9]-*.ts', { cwd: folder }).toSorted();

  test('every line stands in the list at the place that its file names', () => {
    assert.deepEqual(
      lines.map((line) => line.number),
      names.map((name) => Number(name.slice(0, 2))),
    );
  });

  test('every line has a bounded twin', () => {
    const twins = globSync('[0-9][0-9]-*.test.ts', { cwd: join(folder, '..', '..', basename(folder)) }).toSorted();
    assert.deepEqual(
      twins,
      names.map((name) => name.replace(/\.ts$/, '.test.ts')),
    );
  });
}
