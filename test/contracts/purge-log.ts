// The contract suite of src/purge/log.ts: what every ordered log of purges must do, run over each implementation.
// A harness makes a world (a folder, a server) in which logs are opened again and again; the suite tells nothing else apart.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { comparePositions, formatPosition, isAfter, type Position, parsePosition } from '../../src/base/position.ts';
import type { LogRecord, PurgeLog } from '../../src/purge/log.ts';
import { entry } from './purge-log-entry.ts';

export interface PurgeLogWorld {
  /** Opens the log of this world; one at a time. */
  open(): Promise<PurgeLog>;
  /** Opens it so that it keeps only a few of the newest records. */
  openShort(): Promise<PurgeLog>;
  dispose(): Promise<void>;
}

const MANY = 5_000;

export function purgeLogContract(name: string, makeWorld: () => Promise<PurgeLogWorld>): void {
  const within = (text: string, body: (world: PurgeLogWorld) => Promise<void>): void => {
    it(text, async () => {
      const world = await makeWorld();
      try {
        await body(world);
      } finally {
        await world.dispose();
      }
    });
  };

  describe(`purge log contract: ${name}`, () => {
    within('an empty log has a tail that can be written and read as text', async (world) => {
      const log = await world.open();
      const tail = log.tail();
      assert.deepEqual(parsePosition(formatPosition(tail)), tail);
      await log.close();
    });

    within('records carry what was appended, and the tail follows them', async (world) => {
      const log = await world.open();
      const start = log.tail();
      const first = await log.append(entry(1));
      assert.deepEqual(first.entry, entry(1));
      assert.ok(isAfter(first.position, start));
      assert.deepEqual(log.tail(), first.position);
      const second = await log.append(entry(2, true));
      assert.ok(isAfter(second.position, first.position));
      assert.equal(second.entry.soft, true);
      await log.close();
    });

    within('appends made at once are told in the order they were made, each once', async (world) => {
      const log = await world.open();
      const seen: LogRecord[] = [];
      const follower = log.follow(undefined, (record) => seen.push(record));
      assert.equal(follower.lost, false);
      const records = await Promise.all(Array.from({ length: 200 }, (_, at) => log.append(entry(at))));
      assert.deepEqual(seen, records);
      assertAscending(records);
      await log.close();
    });

    within('a follower from undefined gets nothing of the past', async (world) => {
      const log = await world.open();
      await log.append(entry(1));
      const seen: string[] = [];
      log.follow(undefined, (record) => seen.push(record.entry.id));
      await log.append(entry(2));
      assert.deepEqual(seen, ['id-2']);
      await log.close();
    });

    within('a follower from a position gets everything after it, past and to come', async (world) => {
      const log = await world.open();
      const start = log.tail();
      const records = [await log.append(entry(0)), await log.append(entry(1)), await log.append(entry(2))];
      const positions: readonly Position[] = [start, ...records.map((record) => record.position)];
      const seen = positions.map(() => [] as string[]);
      for (const [at, position] of positions.entries()) {
        const { lost } = log.follow(position, (record) => seen[at]!.push(record.entry.id));
        assert.equal(lost, false);
      }
      await log.append(entry(3));
      assert.deepEqual(seen, [['id-0', 'id-1', 'id-2', 'id-3'], ['id-1', 'id-2', 'id-3'], ['id-2', 'id-3'], ['id-3']]);
      await log.close();
    });

    within('a stopped follower hears no more, not even of the same batch', async (world) => {
      const log = await world.open();
      const seen: string[] = [];
      const other: string[] = [];
      const follower = log.follow(undefined, (record) => {
        seen.push(record.entry.id);
        if (record.entry.id === 'id-1') follower.stop();
      });
      log.follow(undefined, (record) => other.push(record.entry.id));
      await Promise.all([0, 1, 2].map((at) => log.append(entry(at))));
      follower.stop();
      assert.deepEqual(seen, ['id-0', 'id-1']);
      assert.deepEqual(other, ['id-0', 'id-1', 'id-2']);
      await log.close();
    });

    within('a follower that begins while records are told gets each once', async (world) => {
      const log = await world.open();
      const start = log.tail();
      const late: string[] = [];
      let begun = false;
      log.follow(undefined, () => {
        if (begun) return;
        begun = true;
        log.follow(start, (record) => late.push(record.entry.id));
      });
      await Promise.all([0, 1, 2].map((at) => log.append(entry(at))));
      await log.append(entry(3));
      assert.deepEqual(late, ['id-0', 'id-1', 'id-2', 'id-3']);
      await log.close();
    });

    within('a position of another epoch is lost, and its follower begins at the tail', async (world) => {
      const log = await world.open();
      await log.append(entry(1));
      const tail = log.tail();
      const epoch = tail.epoch === '0'.repeat(16) ? '1'.repeat(16) : '0'.repeat(16);
      const seen: string[] = [];
      assert.equal(log.follow({ ...tail, epoch }, (record) => seen.push(record.entry.id)).lost, true);
      await log.append(entry(2));
      assert.deepEqual(seen, ['id-2']);
      assert.equal(comparePositions(tail, { ...tail, epoch }), undefined);
      await log.close();
    });

    within('a position past the tail is lost: the log has forgotten what the follower knows', async (world) => {
      const log = await world.open();
      const { position } = await log.append(entry(1));
      assert.equal(log.follow({ ...position, low: position.low + 1n }, () => {}).lost, true);
      await log.close();
    });

    within('a position older than what is kept is lost', async (world) => {
      const log = await world.openShort();
      const old = (await log.append(entry(0))).position;
      let lost = false;
      for (let at = 1; at < MANY && !lost; at++) {
        await log.append(entry(at));
        const probe = log.follow(old, () => {});
        probe.stop();
        lost = probe.lost;
      }
      assert.equal(lost, true);
      const seen: string[] = [];
      assert.equal(log.follow(log.tail(), (record) => seen.push(record.entry.id)).lost, false);
      await log.append(entry(MANY));
      assert.deepEqual(seen, [`id-${MANY}`]);
      await log.close();
    });

    within('what was appended is there after a reopen, and new records come after it', async (world) => {
      const first = await world.open();
      const start = first.tail();
      const records = await Promise.all([0, 1, 2].map((at) => first.append(entry(at))));
      await first.close();
      const second = await world.open();
      assert.deepEqual(second.tail(), records[2]!.position);
      const seen: LogRecord[] = [];
      assert.equal(second.follow(start, (record) => seen.push(record)).lost, false);
      const next = await second.append(entry(3));
      assert.deepEqual(seen, [...records, next]);
      assertAscending(seen);
      await second.close();
    });

    within('a closed log refuses, and closing waits for what was begun', async (world) => {
      const log = await world.open();
      const begun = log.append(entry(1));
      await Promise.all([log.close(), log.close()]);
      assert.equal((await begun).entry.id, 'id-1');
      await assert.rejects(log.append(entry(2)), Error);
    });
  });
}

function assertAscending(records: readonly LogRecord[]): void {
  for (let at = 1; at < records.length; at++) assert.ok(isAfter(records[at]!.position, records[at - 1]!.position));
}
