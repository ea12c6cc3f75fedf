// The access log on a disk that is full, under rotation, and at the end.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type AccessLog, openAccessLog } from './log.ts';

interface Heard {
  readonly file: string;
  readonly log: AccessLog;
  readonly failures: string[];
  readonly recoveries: number[];
  /** Resolves at the next failure or recovery. */
  next(): Promise<void>;
}

/** @param link where the name of the log leads at first */
function openLog(t: TestContext, link?: string): Heard {
  const folder = mkdtempSync(join(tmpdir(), 'deckle-log-'));
  const file = join(folder, 'access.log');
  if (link !== undefined) symlinkSync(link, file);
  const failures: string[] = [];
  const recoveries: number[] = [];
  let heard = Promise.withResolvers<void>();
  const tell = () => {
    heard.resolve();
    heard = Promise.withResolvers();
  };
  const log = openAccessLog(file, {
    failed: (error) => {
      failures.push(error.message);
      tell();
    },
    recovered: (dropped) => {
      recoveries.push(dropped);
      tell();
    },
  });
  t.after(async () => {
    await log.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return { file, log, failures, recoveries, next: () => heard.promise };
}

const numbers = (file: string): readonly number[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { n: number }).n);

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, n) => n);

test('close writes every line, in order, also those behind a write that is under way', async (t) => {
  const { file, log } = openLog(t);
  for (const n of upTo(5_000)) log.write({ n, text: 'ä'.repeat(n % 50) });
  await log.close();
  assert.deepEqual(numbers(file), upTo(5_000));
  assert.equal(log.dropped, 0);
  log.write({ n: -1 });
  assert.equal(log.dropped, 1, 'what comes after the end is counted');
});

test('a renamed file is followed, twice in a row and in the middle of writes, and no line is lost', async (t) => {
  const { file, log } = openLog(t);
  for (const n of upTo(1_000)) log.write({ n });
  renameSync(file, `${file}.1`);
  log.reopen();
  for (const n of upTo(1_000)) log.write({ n: 1_000 + n });
  renameSync(file, `${file}.2`);
  log.reopen();
  for (const n of upTo(1_000)) log.write({ n: 2_000 + n });
  await log.close();
  assert.deepEqual([`${file}.1`, `${file}.2`, file].flatMap(numbers), upTo(3_000));
  assert.ok(numbers(file).includes(2_999));
});

test('a full disk costs lines, is told once, and the log goes on when there is room', async (t) => {
  const { file, log, failures, recoveries, next } = openLog(t, '/dev/full');
  const failed = next();
  for (const n of upTo(1_000)) log.write({ n });
  await failed;
  assert.match(failures.join(), /ENOSPC/);
  rmSync(file);
  log.reopen();
  const recovered = next();
  log.write({ n: 1_000 });
  await recovered;
  await log.close();
  const kept = numbers(file);
  assert.ok(kept.includes(1_000));
  assert.equal(log.dropped + kept.length, 1_001, 'every line is written or counted');
  assert.deepEqual([failures.length, recoveries], [1, [log.dropped]]);
});

test('closing on a full disk ends', async (t) => {
  const { log, failures } = openLog(t, '/dev/full');
  log.write({ n: 0 });
  await log.close();
  assert.deepEqual([log.dropped, failures.length], [1, 1]);
});

test('a log that cannot be opened is refused; one that cannot be opened again goes on in the old file', async (t) => {
  assert.throws(() => openLog(t, '/nowhere/at/all'), { code: 'ENOENT' });
  const { file, log } = openLog(t);
  renameSync(file, `${file}.1`);
  symlinkSync('/nowhere/at/all', file);
  assert.throws(() => log.reopen(), { code: 'ENOENT' });
  log.write({ n: 0 });
  await log.close();
  assert.deepEqual(numbers(`${file}.1`), [0]);
});
