import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { mkdtemp, open, readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isAfter, type Position } from '../base/position.ts';
import { type LocalLogEvent, openLocalLog } from './local.ts';
import type { LogEntry, LogRecord, PurgeLog } from './log.ts';
import type { LogDisk, LogHandle } from './log-file.ts';

interface World {
  readonly folder: string;
  readonly file: string;
  readonly events: LocalLogEvent[];
  wallMs: number;
  open(options?: { readonly maxBytes?: number; readonly disk?: LogDisk }): Promise<PurgeLog>;
}

function entry(number: number): LogEntry {
  return { kind: 'purge', id: `id-${number}`, target: { kind: 'url', key: `all /pictures/${number}.jpg ä` }, soft: false };
}

async function makeWorld(t: TestContext): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'deckle-local-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const world: World = {
    folder,
    file: join(folder, 'purge.log'),
    events: [],
    wallMs: 1_700_000_000_000,
    open: (options) =>
      openLocalLog({
        folder,
        randomBytes,
        clock: { wallMs: () => world.wallMs, monoMs: () => 0 },
        report: (event) => world.events.push(event),
        ...options,
      }),
  };
  return world;
}

/** Everything after `from`, as a follower hears it. */
function heard(log: PurgeLog, from: Position): { readonly lost: boolean; readonly ids: readonly string[] } {
  const ids: string[] = [];
  const { lost, stop } = log.follow(from, (record) => ids.push(record.entry.id));
  stop();
  return { lost, ids };
}

/** The real disk, with a word before every step; a write whose word throws leaves half of its bytes behind. */
function watchedDisk(before: (step: string, path: string) => void | Promise<void>): LogDisk {
  const names = new Map<string, { path: string }>();
  return {
    rename: async (from, to) => {
      await before('rename', to);
      await rename(from, to);
      // An open file goes by its new name from here on.
      const name = names.get(from);
      if (name !== undefined) name.path = to;
    },
    rm: async (path, options) => {
      await before('rm', path);
      await rm(path, options);
    },
    open: async (path, flags) => {
      await before(`open ${flags}`, path);
      const real = await open(path, flags);
      const name = { path };
      names.set(path, name);
      const handle: LogHandle = {
        readFile: () => real.readFile(),
        stat: () => real.stat(),
        close: () => real.close(),
        sync: async () => {
          await before('sync', name.path);
          await real.sync();
        },
        truncate: async (length) => {
          await before('truncate', name.path);
          await real.truncate(length);
        },
        write: async (buffer, offset, length, position) => {
          try {
            await before('write', name.path);
          } catch (error) {
            await real.write(buffer, offset, length >> 1, position);
            throw error;
          }
          return await real.write(buffer, offset, length, position);
        },
      };
      return handle;
    },
  };
}

function ioError(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code });
}

test('a record torn at any byte is cut off and told; the rest stays, and the log goes on', async (t) => {
  const world = await makeWorld(t);
  const log = await world.open();
  const start = log.tail();
  await log.append(entry(0));
  const before = (await stat(world.file)).size;
  const torn = await log.append(entry(1));
  await log.close();
  const whole = await readFile(world.file);
  for (let length = before; length < whole.length; length++) {
    await writeFile(world.file, whole.subarray(0, length));
    world.events.length = 0;
    const again = await world.open();
    assert.deepEqual(world.events, length === before ? [] : [{ kind: 'cut', bytes: length - before }]);
    assert.deepEqual(heard(again, start), { lost: false, ids: ['id-0'] });
    // Whoever had heard of the record that is gone must not take the next one for it.
    const next = await again.append(entry(2));
    assert.ok(isAfter(next.position, torn.position));
    await again.close();
    const third = await world.open();
    assert.deepEqual(heard(third, start).ids, ['id-0', 'id-2']);
    await third.close();
  }
});

test('a record that does not check out begins a new epoch, tells it, and keeps the old file aside', async (t) => {
  const world = await makeWorld(t);
  const log = await world.open();
  const start = log.tail();
  for (const at of [0, 1, 2]) await log.append(entry(at));
  const last = log.tail();
  await log.close();
  const bytes = await readFile(world.file);
  const at = bytes.indexOf('id-1');
  bytes[at] = bytes[at]! ^ 1;
  await writeFile(world.file, bytes);
  const again = await world.open();
  assert.equal(world.events.length, 1);
  assert.equal(world.events[0]!.kind, 'replaced');
  assert.deepEqual(await readFile(`${world.file}.damaged`), bytes);
  assert.notEqual(again.tail().epoch, start.epoch);
  for (const position of [start, last]) assert.deepEqual(heard(again, position), { lost: true, ids: [] });
  await again.append(entry(3));
  await again.close();
});

test('a file that is gone begins a new epoch', async (t) => {
  const world = await makeWorld(t);
  const log = await world.open();
  const { position } = await log.append(entry(0));
  await log.close();
  await rm(world.file);
  const again = await world.open();
  assert.equal(heard(again, position).lost, true);
  await again.close();
});

test('what a crash in mid-compaction left goes', async (t) => {
  const world = await makeWorld(t);
  await writeFile(`${world.file}.new`, 'half a fi');
  const log = await world.open();
  await log.close();
  assert.deepEqual(await readdir(world.folder), ['purge.log']);
});

test('an older copy put back is lost for those who know more, and its positions are not used again', async (t) => {
  const world = await makeWorld(t);
  const log = await world.open();
  await log.append(entry(0));
  const length = (await stat(world.file)).size;
  const gone = await log.append(entry(1));
  await log.close();
  await truncate(world.file, length);
  // The clock went back too.
  world.wallMs -= 86_400_000;
  const again = await world.open();
  assert.equal(heard(again, gone.position).lost, true);
  const next = await again.append(entry(2));
  assert.ok(isAfter(next.position, gone.position));
  await again.close();
});

test('appends that come while an fsync runs share the next one', async (t) => {
  const world = await makeWorld(t);
  let gate = Promise.resolve();
  let reached = (): void => {};
  let syncs = 0;
  const log = await world.open({
    disk: watchedDisk(async (step) => {
      if (step !== 'sync') return;
      syncs++;
      reached();
      await gate;
    }),
  });
  syncs = 0;
  const opened = Promise.withResolvers<void>();
  const running = Promise.withResolvers<void>();
  gate = opened.promise;
  reached = running.resolve;
  const acknowledged: number[] = [];
  const append = (at: number): Promise<unknown> => log.append(entry(at)).then(() => acknowledged.push(at));
  const all = [append(0)];
  await running.promise;
  for (let at = 1; at <= 100; at++) all.push(append(at));
  assert.deepEqual(acknowledged, []);
  opened.resolve();
  await Promise.all(all);
  assert.equal(syncs, 2);
  assert.equal(acknowledged.length, 101);
  await log.close();
});

for (const [code, step] of [
  ['ENOSPC', 'write'],
  ['EIO', 'sync'],
] as const) {
  test(`${code} at ${step}: the append is refused, the file is as before, and a later append works`, async (t) => {
    const world = await makeWorld(t);
    let broken = false;
    const log = await world.open({
      disk: watchedDisk((now) => {
        if (broken && now === step) throw ioError(code);
      }),
    });
    const start = log.tail();
    await log.append(entry(0));
    const before = await readFile(world.file);
    const seen: string[] = [];
    log.follow(undefined, (record) => seen.push(record.entry.id));
    broken = true;
    await assert.rejects(log.append(entry(1)), new RegExp(code));
    await assert.rejects(Promise.all([log.append(entry(2)), log.append(entry(3))]), new RegExp(code));
    assert.deepEqual((await readFile(world.file)).subarray(0, before.length), before);
    if (step === 'write') assert.equal((await stat(world.file)).size, before.length);
    broken = false;
    await log.append(entry(4));
    assert.deepEqual(seen, ['id-4']);
    await log.close();
    const again = await world.open();
    assert.deepEqual(heard(again, start), { lost: false, ids: ['id-0', 'id-4'] });
    assert.deepEqual(world.events, []);
    await again.close();
  });
}

test('while the file cannot be cut back nothing is acknowledged', async (t) => {
  const world = await makeWorld(t);
  let broken: readonly string[] = [];
  const log = await world.open({
    disk: watchedDisk((step) => {
      if (broken.includes(step)) throw ioError('EIO');
    }),
  });
  const start = log.tail();
  broken = ['write', 'truncate'];
  await assert.rejects(log.append(entry(0)), /EIO/);
  broken = ['truncate'];
  await assert.rejects(log.append(entry(1)), /EIO/);
  broken = [];
  await log.append(entry(2));
  assert.deepEqual(heard(log, start).ids, ['id-2']);
  await log.close();
  const again = await world.open();
  assert.deepEqual(heard(again, start).ids, ['id-2']);
  assert.deepEqual(world.events, []);
  await again.close();
});

/** A folder on a disk of 64 KB: a real one where this user may mount it, else one that counts what is written. */
function smallDisk(t: TestContext): { readonly folder: string; readonly disk?: LogDisk; free(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'deckle-small-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', folder], { stdio: 'ignore' });
    t.after(async () => {
      execFileSync('umount', [folder], { stdio: 'ignore' });
      await rm(folder, { recursive: true });
    });
    return { folder, free: () => execFileSync('mount', ['-o', 'remount,size=1m', folder], { stdio: 'ignore' }) };
  } catch {
    t.after(() => rm(folder, { recursive: true, force: true }));
    let writes = 40;
    const disk = watchedDisk((step) => {
      if (step === 'write' && writes-- <= 0) throw ioError('ENOSPC');
    });
    return {
      folder,
      disk,
      free: () => {
        writes = 1_000;
      },
    };
  }
}

test('a full disk refuses appends and loses none that was acknowledged', async (t) => {
  const { folder, disk, free } = smallDisk(t);
  const options = {
    folder,
    randomBytes,
    clock: { wallMs: () => 1, monoMs: () => 0 },
    report: () => {},
    ...(disk === undefined ? {} : { disk }),
  };
  const log = await openLocalLog(options);
  const start = log.tail();
  const kept: string[] = [];
  let refused = 0;
  for (let at = 0; at < 400 && refused < 3; at++) {
    await log.append({ ...entry(at), target: { kind: 'url', key: 'k'.repeat(1_000) } }).then(
      (record) => kept.push(record.entry.id),
      (error: Error) => {
        assert.match(error.message, /ENOSPC/);
        refused++;
      },
    );
  }
  assert.equal(refused, 3);
  assert.ok(kept.length > 10);
  free();
  kept.push((await log.append(entry(1_000))).entry.id);
  assert.deepEqual(heard(log, start).ids, kept);
  await log.close();
  const again = await openLocalLog(options);
  assert.deepEqual(heard(again, start), { lost: false, ids: kept });
  await again.close();
});

test('the file is compacted, followers go on, and a reopen knows how far back it reaches', async (t) => {
  const world = await makeWorld(t);
  const maxBytes = 4_096;
  const log = await world.open({ maxBytes });
  const start = log.tail();
  const seen: string[] = [];
  log.follow(start, (record) => seen.push(record.entry.id));
  const records: LogRecord[] = [];
  for (let at = 0; at < 200; at++) {
    records.push(await log.append(entry(at)));
    assert.ok((await stat(world.file)).size < maxBytes + 512);
  }
  assert.deepEqual(
    seen,
    records.map((record) => record.entry.id),
  );
  const check = (now: PurgeLog): void => {
    assert.equal(heard(now, start).lost, true);
    const firstKept = records.findIndex((record) => !heard(now, record.position).lost);
    assert.ok(firstKept > 0 && firstKept < records.length - 5, `kept from ${firstKept}`);
    for (const [at, { position }] of records.entries()) {
      const ids = at < firstKept ? [] : seen.slice(at + 1);
      assert.deepEqual(heard(now, position), { lost: at < firstKept, ids });
    }
  };
  check(log);
  await log.close();
  const again = await world.open({ maxBytes });
  check(again);
  await again.close();
  assert.deepEqual(await readdir(world.folder), ['purge.log']);
  assert.deepEqual(world.events, []);
});

for (const step of ['open w+', 'write', 'sync', 'rename'] as const) {
  test(`a compaction that fails at ${step} is told and changes nothing`, async (t) => {
    const world = await makeWorld(t);
    let broken = false;
    const log = await world.open({
      maxBytes: 2_048,
      disk: watchedDisk((now, path) => {
        if (broken && now === step && (path.endsWith('.new') || step === 'rename')) throw ioError('ENOSPC');
      }),
    });
    const start = log.tail();
    broken = true;
    for (let at = 0; at < 16; at++) await log.append(entry(at));
    assert.ok(world.events.length > 0 && world.events.every((event) => event.kind === 'compaction-failed'));
    assert.equal(heard(log, start).ids.length, 16);
    // It stays bounded: past twice the size nothing is taken before a compaction succeeds.
    await assert.rejects(async () => {
      for (let at = 16; at < 100; at++) await log.append(entry(at));
    }, /full/);
    assert.ok((await stat(world.file)).size < 2 * 2_048 + 512);
    broken = false;
    const { position } = await log.append(entry(200)).catch(() => log.append(entry(200)));
    assert.ok((await stat(world.file)).size < 2_048);
    await log.close();
    const again = await world.open();
    assert.deepEqual(again.tail(), position);
    await again.close();
  });
}

test('after a compaction nothing is acknowledged before the folder is on the disk', async (t) => {
  const world = await makeWorld(t);
  let broken = false;
  const log = await world.open({
    maxBytes: 1_024,
    disk: watchedDisk((step, path) => {
      if (broken && step === 'sync' && path === world.folder) throw ioError('EIO');
    }),
  });
  broken = true;
  await assert.rejects(async () => {
    for (let at = 0; at < 20; at++) await log.append(entry(at));
  }, /EIO/);
  broken = false;
  const { position } = await log.append(entry(100));
  await log.close();
  const again = await world.open();
  assert.deepEqual(again.tail(), position);
  await again.close();
});

test('a file larger than a newly lowered limit is compacted, not refused', async (t) => {
  const world = await makeWorld(t);
  const log = await world.open();
  await Promise.all(Array.from({ length: 100 }, (_, at) => log.append(entry(at))));
  await log.close();
  const again = await world.open({ maxBytes: 1_024 });
  await again.append(entry(100));
  assert.ok((await stat(world.file)).size < 2_048);
  await again.close();
});

test('a follower that throws is dropped and told; the append and the others do not suffer', async (t) => {
  const world = await makeWorld(t);
  const log = await world.open();
  const start = log.tail();
  const seen: string[] = [];
  const error = new Error('a defect');
  log.follow(undefined, () => {
    throw error;
  });
  log.follow(undefined, (record) => seen.push(record.entry.id));
  await log.append(entry(0));
  await log.append(entry(1));
  assert.deepEqual(seen, ['id-0', 'id-1']);
  assert.deepEqual(world.events, [{ kind: 'follower-failed', error }]);
  assert.throws(
    () =>
      log.follow(start, () => {
        throw error;
      }),
    error,
  );
  await log.close();
});

test('an entry that is none is refused before it reaches the file', async (t) => {
  const world = await makeWorld(t);
  const log = await world.open();
  const before = await readFile(world.file);
  await assert.rejects(log.append({ ...entry(0), id: 'with space' }), /id/);
  assert.deepEqual(await readFile(world.file), before);
  await log.close();
});

test('more waiting appends than the bound are refused', async (t) => {
  const world = await makeWorld(t);
  const log = await world.open();
  const key = 'k'.repeat(65_000);
  const results = await Promise.allSettled(
    Array.from({ length: 200 }, (_, at) => log.append({ ...entry(at), target: { kind: 'url', key } })),
  );
  const refused = results.filter((result) => result.status === 'rejected');
  assert.ok(refused.length > 50 && refused.length < 100, `${refused.length} refused`);
  assert.match(String(refused[0]!.reason), /too many/);
  await log.append(entry(1_000));
  await log.close();
});

test('a folder that is not there is an error, not a folder', async (t) => {
  const world = await makeWorld(t);
  await rm(world.folder, { recursive: true });
  await assert.rejects(world.open(), /ENOENT/);
});
