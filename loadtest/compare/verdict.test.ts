import assert from 'node:assert/strict';
import test from 'node:test';
import { resultsJson, rowText } from './report.ts';
import type { Row } from './rows.ts';
import { isGood, median, verdictOf, type Window } from './verdict.ts';

const row: Row = {
  number: 1,
  title: 'a row',
  set: '16k',
  traffic: ['rotation', 'repeated'],
  subjects: ['deckle-node'],
  bounds: new Map([['nginx', 1.25]]),
  start: new Map(),
};

function windowOf(round: number, server: Window['server'], cpuUs: number, changes: Partial<Window> = {}): Window {
  return {
    round,
    server,
    traffic: 'rotation',
    requests: 1000,
    seconds: 0.1,
    cpuNs: { [server]: cpuUs * 1e6 },
    p50Ms: 1,
    p99Ms: 2,
    faults: 0,
    reasons: [],
    originRequests: 0,
    ...changes,
  };
}

test('the median', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.ok(Number.isNaN(median([])));
});

test('a ratio is the median of the ratios of each round, which noise on both leaves alone', () => {
  const windows = [
    windowOf(1, 'deckle-node', 20),
    windowOf(1, 'nginx', 20),
    // A round in which everything took three times as long.
    windowOf(2, 'nginx', 60),
    windowOf(2, 'deckle-node', 72),
    windowOf(3, 'deckle-node', 26),
    windowOf(3, 'nginx', 20),
  ];
  const result = verdictOf(row, windows);
  assert.equal(result.comparisons.length, 1);
  const [{ ratio, low, high, bound, ok }] = result.comparisons as [(typeof result.comparisons)[0]];
  assert.deepEqual([ratio, low, high, bound, ok], [1.2, 1, 1.3, 1.25, true]);
  assert.deepEqual(
    result.figures.map(({ server, cpuUs, requestsPerSecond, busy }) => [server, cpuUs, requestsPerSecond, busy.toFixed(2)]),
    [
      ['deckle-node', 26, 10_000, '0.26'],
      ['nginx', 20, 10_000, '0.20'],
    ],
  );
  assert.ok(isGood([result]));
});

test('a missed bound fails, but one repeated request is not judged', () => {
  const slow = [windowOf(1, 'deckle-node', 30), windowOf(1, 'nginx', 20)];
  assert.ok(!isGood([verdictOf(row, slow)]));
  assert.match(rowText(verdictOf(row, slow)), /deckle-node \/ nginx +1\.50 +1\.50-1\.50 +≤ 1\.25 +missed/);
  const repeated = slow.map((window): Window => ({ ...window, traffic: 'repeated' }));
  assert.ok(isGood([verdictOf(row, repeated)]));
});

test('a wrong answer, no answer and a cache that was not warm fail whatever the ratio', () => {
  const other = windowOf(1, 'nginx', 20);
  for (const [changes, said] of [
    [{ faults: 2, reasons: ['a wrong body'] }, /wrong: deckle-node, rotation, round 1: 2 wrong answers: a wrong body/],
    [{ requests: 0 }, /no answers/],
    [{ originRequests: 3 }, /3 requests reached the origin/],
  ] as const) {
    const result = verdictOf(row, [windowOf(1, 'deckle-node', 10, changes), other]);
    assert.ok(!isGood([result]));
    assert.match(rowText(result), said);
  }
});

test('the parts of a server of many processes, and its hot share', () => {
  const window = windowOf(1, 'deckle-front', 0, { cpuNs: { 'front-1': 30e6, n1: 12e6, supervisor: 1e6 }, hotShare: 0.98 });
  const result = verdictOf(row, [window]);
  assert.equal(result.figures[0]?.cpuUs, 43);
  assert.match(rowText(result), /43\.0 .*98 % +front-1 30\.0, n1 12\.0, supervisor 1\.0/);
  const json = JSON.parse(resultsJson([result])) as {
    ok: boolean;
    rows: readonly { figures: readonly { hotShare: number }[] }[];
  };
  assert.ok(json.ok);
  assert.equal(json.rows[0]?.figures[0]?.hotShare, 0.98);
});
