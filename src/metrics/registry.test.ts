import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { METRICS } from './catalogue.ts';
import { mergeSnapshots, Registry, readSnapshot, type Snapshot } from './registry.ts';

const request = { role: 'front', node: '', site: 'all', result: 'miss', status_class: '2xx' };

test('a cell counts, and the same labels in any order are the same cell', () => {
  const registry = new Registry();
  const cell = registry.cell('deckle_requests_total', request);
  cell.value++;
  const { role, ...rest } = request;
  registry.cell('deckle_requests_total', { ...rest, role }).value += 2;
  assert.equal(cell.value, 3);
  assert.deepEqual(registry.snapshot(), [{ name: 'deckle_requests_total', labels: request, value: 3 }]);
});

test('labels are copied when a cell is made', () => {
  const registry = new Registry();
  const labels = { node: 'n1' };
  registry.cell('deckle_retries_total', labels);
  labels.node = 'n2';
  assert.deepEqual(registry.snapshot()[0]!.labels, { node: 'n1' });
});

test('defects are refused when a series is made', () => {
  const registry = new Registry();
  const make = (name: string, labels: Record<string, string>): void => {
    registry.cell(name as 'deckle_retries_total', labels as { node: string });
  };
  assert.throws(() => make('deckle_nonsense', {}), /catalogue/);
  assert.throws(() => make('toString', {}), /catalogue/);
  assert.throws(() => make('deckle_retries_total', {}), /takes the labels/);
  assert.throws(() => make('deckle_retries_total', { node: 'n1', site: 'all' }), /takes the labels/);
  assert.throws(() => make('deckle_retries_total', { site: 'all' }), /label node/);
  assert.throws(() => make('deckle_retries_total', { node: 'n'.repeat(257) }), /label node/);
  assert.throws(() => make('deckle_requests_total', { ...request, result: 'maybe' }), /result cannot be "maybe"/);
  assert.throws(() => make('deckle_denied_total', { site: 'all', reason: 'it rained' }), /reason cannot be/);
  assert.throws(() => make('deckle_request_seconds', { role: 'front', result: 'miss' }), /is a histogram/);
  assert.throws(
    () => registry.histogram('deckle_fills' as 'deckle_request_seconds', { role: 'front', result: 'miss' }),
    /is a gauge/,
  );
  assert.deepEqual(registry.snapshot(), []);
});

test('the number of series is bounded, and a dropped one makes room', () => {
  const registry = new Registry(2);
  registry.cell('deckle_retries_total', { node: 'n1' });
  registry.cell('deckle_retries_total', { node: 'n2' });
  assert.throws(() => registry.cell('deckle_retries_total', { node: 'n3' }), /more than 2 metric series/);
  registry.drop('deckle_retries_total', { node: 'n1' });
  registry.drop('deckle_retries_total', { node: 'n1' });
  registry.cell('deckle_retries_total', { node: 'n3' });
  assert.throws(() => registry.cell('deckle_retries_total', { node: 'n1' }), /more than 2/);
  assert.throws(() => registry.histogram('deckle_request_seconds', { role: 'node', result: 'miss' }), /more than 2/);
});

test('a gauge is read when asked, by its newest reader; what is not a number is left out', () => {
  const registry = new Registry();
  let connections = 4;
  registry.gauge('deckle_connections', { role: 'front' }, () => connections);
  connections = 5;
  assert.equal((registry.snapshot()[0] as { value: number }).value, 5);
  registry.gauge('deckle_connections', { role: 'front' }, () => 7);
  assert.deepEqual(registry.snapshot(), [{ name: 'deckle_connections', labels: { role: 'front' }, value: 7 }]);
  registry.gauge('deckle_connections', { role: 'front' }, () => Number.NaN);
  assert.deepEqual(registry.snapshot(), []);
  assert.throws(() => registry.cell('deckle_connections', { role: 'front' }), /registered as a gauge/);
});

test('an observation falls into the first bucket that holds it', () => {
  const bounds = METRICS.deckle_request_seconds.buckets;
  const seconds = fc.oneof(fc.constantFrom(...bounds), fc.double());
  fc.assert(
    fc.property(fc.array(seconds, { maxLength: 30 }), (values) => {
      const histogram = new Registry().histogram('deckle_request_seconds', { role: 'node', result: 'disk' });
      for (const value of values) histogram.observe(value);
      const clean = values.map((value) => (Number.isFinite(value) ? Math.max(0, value) : 0));
      const expected = [...bounds, Infinity].map(
        (bound, at) => clean.filter((v) => v <= bound && v > (at === 0 ? -1 : bounds[at - 1]!)).length,
      );
      assert.deepEqual(histogram.read().buckets, expected);
      assert.equal(
        histogram.read().sum,
        clean.reduce((sum, value) => sum + value, 0),
      );
    }),
  );
});

test('snapshots merge by the rule of each metric', () => {
  const one = (node: string, up: number, lag: number, fills: number): Snapshot => {
    const registry = new Registry();
    registry.cell('deckle_node_up', { node }).value = up;
    registry.cell('deckle_purge_lag', {}).value = lag;
    registry.cell('deckle_fills', { node }).value = fills;
    registry.histogram('deckle_request_seconds', { role: 'front', result: 'miss' }).observe(fills);
    return registry.snapshot();
  };
  const merged = new Map(
    mergeSnapshots([one('n1', 1, 0, 2), one('n1', 0, 5, 3), one('n2', 1, 1, 1)]).map((s) => [
      `${s.name} ${Object.values(s.labels)}`,
      s,
    ]),
  );
  const value = (key: string): number => (merged.get(key) as { value: number }).value;
  assert.equal(value('deckle_node_up n1'), 0);
  assert.equal(value('deckle_node_up n2'), 1);
  assert.equal(value('deckle_purge_lag '), 5);
  assert.equal(value('deckle_fills n1'), 5);
  assert.equal(value('deckle_fills n2'), 1);
  const seconds = merged.get('deckle_request_seconds front,miss') as unknown as { buckets: number[]; sum: number };
  assert.equal(seconds.sum, 6);
  assert.equal(
    seconds.buckets.reduce((a, b) => a + b),
    3,
  );
  assert.equal(merged.size, 6);
});

test('merging does not change what it reads', () => {
  const registry = new Registry();
  registry.cell('deckle_retries_total', { node: 'n1' }).value = 1;
  const snapshot = registry.snapshot();
  const before = structuredClone(snapshot);
  mergeSnapshots([snapshot, snapshot]);
  assert.deepEqual(snapshot, before);
});

test('a snapshot survives JSON; what another version says is left out', () => {
  const registry = new Registry();
  registry.cell('deckle_requests_total', request).value = 3;
  registry.histogram('deckle_request_seconds', { role: 'front', result: 'miss' }).observe(0.2);
  const snapshot = registry.snapshot();
  const foreign = [
    { name: 'deckle_new_total', labels: {}, value: 1 },
    { name: 'deckle_retries_total', labels: { pod: 'x' }, value: 1 },
    { name: 'deckle_retries_total', labels: { node: 'n1' }, value: 'many' },
    { name: 'deckle_request_seconds', labels: { role: 'front', result: 'hot' }, buckets: [1], sum: 1 },
    null,
    'text',
  ];
  assert.deepEqual(readSnapshot(JSON.parse(JSON.stringify([...foreign, ...snapshot]))), snapshot);
  fc.assert(fc.property(fc.jsonValue(), (value) => assert.deepEqual(readSnapshot(value), [])));
});
