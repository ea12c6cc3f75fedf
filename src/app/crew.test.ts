// Members of a crew: replaced with back-off, their counters kept, their questions answered. The children are real processes.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Snapshot } from '../metrics/registry.ts';
import { type CrewHouse, Member } from './crew.ts';

/** A crew of one whose child runs `script`; it ends with the test. */
function crewOf(t: TestContext, script: string, options: { readonly program?: string; readonly nowMs?: () => number } = {}) {
  let changes = 0;
  let gone = 0;
  let wake: (() => void)[] = [];
  const house: CrewHouse = {
    clock: { wallMs: () => 0, monoMs: options.nowMs ?? (() => 0) },
    program: options.program ?? process.execPath,
    args: ['-e', script],
    env: {},
    applied: () => {},
    gone: () => {
      gone += 1;
    },
    changed: () => {
      changes += 1;
      const waiting = wake;
      wake = [];
      for (const go of waiting) go();
    },
  };
  const member = new Member({ name: 'n1', role: 'node', argv: [], hello: () => {} }, house);
  t.after(() => member.signal('SIGKILL'));
  /** Waits, without a clock, for what the member's changes bring about. */
  const until = async (condition: () => boolean) => {
    while (!condition()) await new Promise<void>((resolve) => wake.push(resolve));
  };
  return { member, until, gone: () => gone, changes: () => changes };
}

const UP = `process.send({ kind: 'hello' }); process.send({ kind: 'up' });`;
const STAY = 'setInterval(() => {}, 1_000_000);';

test('a member that dies at once is started again after 100 ms, doubled up to 5 s', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { member, until } = crewOf(t, 'process.exit(3)');
  member.start();
  for (const [at, ms] of [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000].entries()) {
    await until(() => member.state === 'down');
    assert.equal(member.restarts, at);
    t.mock.timers.tick(ms - 1);
    assert.equal(member.state, 'down', `${ms - 1} ms after exit ${at + 1}`);
    t.mock.timers.tick(1);
    assert.equal(member.state, 'starting', `${ms} ms after exit ${at + 1}`);
  }
});

test('a member that has lived for a while begins its back-off anew', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let now = 0;
  const { member, until } = crewOf(t, `${UP}${STAY}`, { nowMs: () => now });
  const dies = async () => {
    await until(() => member.state === 'up');
    member.child!.kill('SIGKILL');
    await until(() => member.state === 'down');
  };
  member.start();
  await dies();
  t.mock.timers.tick(100);
  await dies();
  t.mock.timers.tick(100);
  assert.equal(member.state, 'down', 'the second pause is longer');
  t.mock.timers.tick(100);
  await until(() => member.state === 'up');
  now += 10_001;
  await dies();
  t.mock.timers.tick(100);
  assert.equal(member.state, 'starting');
});

test('a process that cannot be made counts as one that died', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { member, until, gone } = crewOf(t, '', { program: '/no/such/program' });
  member.start();
  await until(() => member.state === 'down');
  assert.match(member.problem ?? '', /ENOENT/);
  assert.equal(member.alive, false);
  t.mock.timers.tick(100);
  await until(() => gone() === 2);
  assert.equal(member.restarts, 1);
});

test('a member that was told to end is not replaced, also when it was down already', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const living = crewOf(t, `${UP}${STAY}`);
  living.member.start();
  await living.until(() => living.member.state === 'up');
  living.member.signal('SIGTERM');
  await living.until(() => living.member.state === 'down');
  const dead = crewOf(t, 'process.exit(1)');
  dead.member.start();
  await dead.until(() => dead.member.state === 'down');
  dead.member.signal('SIGTERM');
  t.mock.timers.tick(60_000);
  assert.deepEqual([living.member.state, dead.member.state], ['down', 'down']);
});

test('why it could not start is told before it ends', async (t) => {
  const { member, until } = crewOf(t, `process.send({ kind: 'failed', message: 'the port is taken' });${STAY}`);
  member.start();
  await until(() => member.problem !== undefined);
  assert.equal(member.problem, 'the port is taken');
  assert.equal(member.alive, true);
});

function figures(requests: number): string {
  const labels = { role: 'node', node: 'n1', site: 'all', result: 'memory', status_class: '2xx' };
  const snapshot: Snapshot = [
    { name: 'deckle_requests_total', labels, value: requests },
    { name: 'deckle_fills', labels: { node: 'n1' }, value: 3 },
  ];
  return JSON.stringify(snapshot);
}

function figureOf(snapshot: Snapshot, name: string): number | undefined {
  const series = snapshot.find((each) => each.name === name);
  return series !== undefined && 'value' in series ? series.value : undefined;
}

test('counters outlive a process, gauges do not', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { member, until } = crewOf(
    t,
    `process.send({ kind: 'figures', ask: 0, snapshot: ${figures(7)}, ready: true, why: '' }); ${UP}${STAY}`,
  );
  member.start();
  for (const total of [7, 14, 21]) {
    await until(() => member.state === 'up');
    assert.equal(member.ready, true);
    assert.equal(figureOf(member.snapshot(), 'deckle_requests_total'), total);
    assert.equal(figureOf(member.snapshot(), 'deckle_fills'), 3);
    member.child!.kill('SIGKILL');
    await until(() => member.state === 'down');
    assert.equal(member.ready, false);
    assert.equal(figureOf(member.snapshot(), 'deckle_requests_total'), total, 'while it is away');
    assert.equal(figureOf(member.snapshot(), 'deckle_fills'), undefined);
    t.mock.timers.tick(5_000);
  }
});

test('who asks for figures gets them, or waits no longer than the process lives', async (t) => {
  const answering = crewOf(
    t,
    `process.on('message', ({ ask }) => process.send({ kind: 'figures', ask, snapshot: ${figures(9)}, ready: true, why: '' }));${UP}`,
  );
  answering.member.start();
  await answering.member.freshen(60_000);
  assert.equal(figureOf(answering.member.snapshot(), 'deckle_requests_total'), undefined, 'not up yet: nobody is asked');
  await answering.until(() => answering.member.state === 'up');
  await answering.member.freshen(60_000);
  assert.equal(figureOf(answering.member.snapshot(), 'deckle_requests_total'), 9);

  const silent = crewOf(t, `${UP}${STAY}`);
  silent.member.start();
  await silent.until(() => silent.member.state === 'up');
  await silent.member.freshen(1);
  const asked = silent.member.freshen(60_000);
  silent.member.child!.kill('SIGKILL');
  await asked;
});
