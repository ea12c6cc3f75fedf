import assert from 'node:assert/strict';
import test from 'node:test';
import type { DriveResult } from './drive.ts';
import { Latencies } from './latencies.ts';
import { columns, isClean, type Report, reportJson, reportText } from './report.ts';

function runOf(changes: Partial<DriveResult> = {}): DriveResult {
  const latencies = new Latencies();
  for (const ms of [1, 2, 3, 40]) latencies.add(ms);
  return {
    requests: 1_234_567,
    seconds: 10,
    requestsPerSecond: 123_456.7,
    bytesPerSecond: 3.5 * 1024 ** 3,
    latencies,
    errors: 0,
    non2xx: 0,
    wrongLength: 0,
    ...changes,
  };
}

const difference = {
  rows: [{ result: 'memory', requests: 9, bytes: 2048 }],
  hitRatio: 0.98765,
  byteHitRatio: undefined,
  originRequests: 12,
  originBytes: 512,
};

test('columns are as wide as their widest cell, the first to the left', () => {
  assert.deepEqual(columns([['a', '1'], ['long', '1000', 'x'], ['b']]), ['a        1', 'long  1000  x', 'b   ']);
});

test('the table holds the figures with their units', () => {
  const text = reportText({ title: 'hit: somewhere', run: runOf(), edge: { kind: 'read', difference } });
  for (const line of [
    /^hit: somewhere$/m,
    /^requests +1,234,567 +in 10\.0 s$/m,
    /^requests\/s +123,457/m,
    /^body bytes\/s +3\.5 GB/m,
    /^latency p50 +2\.0\d ms/m,
    /^latency max +40\.0 ms/m,
    /^hit ratio +98\.77 %$/m,
    /^byte-hit ratio +-$/m,
    /^origin requests +12$/m,
    /^origin bytes +512 B$/m,
    /^memory +9 +100\.00 % +2\.0 KB +100\.00 %$/m,
  ]) {
    assert.match(text, line);
  }
});

test('counters that were not read are said to be so in both forms', () => {
  const report: Report = { title: 't', run: runOf(), edge: { kind: 'unread', why: 'refused' } };
  assert.match(reportText(report), /counters were not read: refused\n$/);
  const json = JSON.parse(reportJson(report)) as { edge: unknown; edgeUnread: unknown; latencyMs: { max: number } };
  assert.equal(json.edge, null);
  assert.equal(json.edgeUnread, 'refused');
  assert.equal(json.latencyMs.max, 40);
});

test('a run is clean only when every request got a whole and right answer', () => {
  assert.ok(isClean(runOf()));
  for (const changes of [{ requests: 0 }, { errors: 1 }, { non2xx: 1 }, { wrongLength: 1 }]) assert.ok(!isClean(runOf(changes)));
});
