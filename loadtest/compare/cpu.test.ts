import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import test from 'node:test';
import { cpuBetween, processTree, readCpu } from './cpu.ts';

test('time that this process spent is counted, and nothing like it where nothing was done', () => {
  const before = readCpu([process.pid]);
  const own = process.cpuUsage();
  while (process.cpuUsage(own).user + process.cpuUsage(own).system < 100_000) Math.sqrt(2);
  const spent = process.cpuUsage(own);
  const ns = cpuBetween(before, readCpu([process.pid])).get(process.pid)!;
  const expected = (spent.user + spent.system) * 1000;
  assert.ok(Math.abs(ns - expected) < 30e6, `${ns} of ${expected}`);
});

test('without the times of threads the ticks of the process count, also when a thread ended', () => {
  const before = new Map([
    [
      1,
      {
        threads: new Map([
          ['1', 5],
          ['2', 7],
        ]),
        tickedNs: 1000,
      },
    ],
  ]);
  const grown = new Map([
    [
      1,
      {
        threads: new Map([
          ['1', 50],
          ['2', 70],
          ['3', 100],
        ]),
        tickedNs: 9000,
      },
    ],
  ]);
  const ended = new Map([[1, { threads: new Map([['1', 50]]), tickedNs: 4000 }]]);
  assert.equal(cpuBetween(before, grown).get(1), 208);
  assert.equal(cpuBetween(before, ended).get(1), 3000);
  const ticks = new Map([[1, { threads: new Map<string, number>(), tickedNs: 1000 }]]);
  assert.equal(cpuBetween(ticks, new Map([[1, { threads: new Map<string, number>(), tickedNs: 3000 }]])).get(1), 2000);
});

test('a process that ended is an error', async () => {
  assert.throws(
    () => cpuBetween(new Map([[1, { threads: new Map(), tickedNs: 1 }]]), new Map()),
    /no second reading of process 1/,
  );
  const child = fork('data:,', [], { execArgv: ['-e', ''] });
  await once(child, 'exit');
  assert.throws(() => readCpu([child.pid!]), /ENOENT/);
});

test('the tree has the children', async () => {
  const child = fork(new URL('origin.ts', import.meta.url), ['16k']);
  try {
    await once(child, 'message');
    assert.ok(processTree(process.pid).includes(child.pid!));
    assert.deepEqual(processTree(child.pid!), [child.pid]);
  } finally {
    child.disconnect();
    await once(child, 'exit');
  }
});
