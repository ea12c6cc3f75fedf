import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from '../metrics/registry.ts';
import { PAGE_POLICY, renderPage } from './page.ts';
import { type AdminStatus, makeStats, renderCsv } from './stats.ts';

const status: AdminStatus = {
  version: '0.1.0',
  configSerial: 2,
  purgePosition: 'ab'.repeat(24),
  processes: [
    { name: 'front-1', role: 'front', pid: 11, state: 'up', restarts: 1, sinceMs: 61_000, position: 'ab'.repeat(24) },
    { name: 'n1', role: 'node', pid: undefined, state: 'down', restarts: 3, sinceMs: 90_000_000, position: undefined },
  ],
  nodes: [
    { name: 'n1', address: '127.0.0.1:7101', weight: 100, state: 'down', here: true, maxConnections: 1024 },
    { name: 'v1', address: '10.0.0.9:6081', weight: 50, state: 'up', here: false, maxConnections: 64 },
  ],
  sites: [{ name: 'all', hosts: ['*'], path: '/', origin: 'samples' }],
};

function sample(): Registry {
  const registry = new Registry();
  const front = { role: 'front', node: '', site: 'all', status_class: '2xx' };
  for (const [result, requests, bytes] of [
    ['hot', 1, 100],
    ['memory', 2, 200],
    ['disk', 3, 300],
    ['stale', 1, 10],
    ['revalidated', 1, 10],
    ['miss', 7, 400],
  ] as const) {
    registry.cell('deckle_requests_total', { ...front, result }).value = requests;
    registry.cell('deckle_response_bytes_total', { ...front, result }).value = bytes;
  }
  registry.cell('deckle_requests_total', { ...front, result: 'denied', status_class: '4xx' }).value = 1;
  registry.cell('deckle_denied_total', { site: 'all', reason: 'referer' }).value = 1;
  registry.cell('deckle_requests_total', {
    role: 'node',
    node: 'n1',
    site: 'all',
    result: 'memory',
    status_class: '2xx',
  }).value = 3;
  registry.cell('deckle_requests_total', {
    role: 'node',
    node: 'n1',
    site: 'all',
    result: 'error',
    status_class: '5xx',
  }).value = 1;
  registry.cell('deckle_origin_requests_total', { origin: 'samples', status_class: '2xx' }).value = 6;
  registry.cell('deckle_origin_requests_total', { origin: 'samples', status_class: '5xx' }).value = 1;
  registry.cell('deckle_origin_bytes_total', { origin: 'samples' }).value = 400;
  registry.gauge('deckle_cache_bytes', { node: 'n1', tier: 'memory' }, () => 1_000);
  registry.gauge('deckle_cache_objects', { node: 'n1', tier: 'memory' }, () => 5);
  registry.cell('deckle_evictions_total', { node: 'n1', tier: 'disk' }).value = 9;
  registry.gauge('deckle_node_keys_share', { node: 'n1' }, () => 0.5);
  registry.cell('deckle_purge_lag', {}).value = 4;
  registry.histogram('deckle_request_seconds', { role: 'front', result: 'hot' }).observe(1);
  return registry;
}

test('ratios count every answer, and hits are those that came out of a cache', () => {
  const stats = makeStats(status, sample().snapshot());
  assert.equal(stats.totals.role, 'front');
  assert.equal(stats.totals.requests, 16);
  assert.equal(stats.totals.hits, 8);
  assert.equal(stats.totals.hit_ratio, 0.5);
  assert.equal(stats.totals.bytes, 1_020);
  assert.equal(stats.totals.byte_hit_ratio, 0.6078);
  assert.deepEqual(stats.totals.by_result.disk, { requests: 3, bytes: 300 });
  assert.deepEqual(stats.totals.by_status, { '1xx': 0, '2xx': 15, '3xx': 0, '4xx': 1, '5xx': 0 });
  assert.equal(stats.totals.denied, 1);
  assert.deepEqual(stats.origin, { requests: 7, errors: 1, bytes: 400, busy: 0 });
  assert.deepEqual(stats.origins, [{ name: 'samples', ...stats.origin }]);
  assert.deepEqual(stats.purge, { position: 'ab'.repeat(24), lag: 4 });
  const [n1, v1] = stats.nodes;
  assert.equal(n1?.requests, 4);
  assert.equal(n1?.hit_ratio, 0.75);
  assert.deepEqual(
    [n1?.memory_bytes, n1?.memory_objects, n1?.disk_bytes, n1?.disk_evictions, n1?.keys_share],
    [1_000, 5, 0, 9, 0.5],
  );
  assert.deepEqual([v1?.requests, v1?.hit_ratio, v1?.keys_share], [0, null, null]);
  assert.deepEqual([stats.sites[0]?.requests, stats.sites[0]?.denied], [16, 1]);
});

test('where no front runs the nodes are the ones that answer', () => {
  const registry = new Registry();
  registry.cell('deckle_requests_total', {
    role: 'node',
    node: 'n1',
    site: 'all',
    result: 'miss',
    status_class: '2xx',
  }).value = 2;
  const stats = makeStats(status, registry.snapshot());
  assert.deepEqual([stats.totals.role, stats.totals.requests, stats.totals.hit_ratio], ['node', 2, 0]);
});

test('snapshots that were not merged are', () => {
  const registry = sample();
  assert.deepEqual(makeStats(status, [...registry.snapshot(), { name: 'deckle_purge_lag', labels: {}, value: 3 }]).purge.lag, 4);
});

test('before the first request there is no ratio', () => {
  const stats = makeStats({ ...status, purgePosition: undefined }, []);
  assert.deepEqual(
    [stats.totals.requests, stats.totals.hit_ratio, stats.totals.byte_hit_ratio, stats.purge.position],
    [0, null, null, null],
  );
  assert.doesNotMatch(JSON.stringify(stats) + renderCsv(stats) + renderPage(stats), /NaN|Infinity|undefined/);
});

test('CSV has a line of names, all fronts, each front and each node, all of one width', () => {
  const csv = renderCsv(makeStats(status, sample().snapshot()));
  assert.ok(csv.endsWith('\n'));
  const rows = csv
    .trimEnd()
    .split('\n')
    .map((line) => line.split(','));
  assert.deepEqual([...new Set(rows.map((row) => row.length))], [rows[0]!.length]);
  const column = (name: string): readonly string[] => rows.slice(1).map((row) => row[rows[0]!.indexOf(name)]!);
  assert.deepEqual(column('role'), ['front', 'front', 'node', 'node']);
  assert.deepEqual(column('name'), ['*', 'front-1', 'n1', 'v1']);
  assert.deepEqual(column('requests'), ['16', '', '4', '0']);
  assert.deepEqual(column('result_miss'), ['7', '', '0', '0']);
  assert.deepEqual(column('status_5xx'), ['0', '', '1', '0']);
  assert.deepEqual(column('restarts'), ['', '1', '3', '']);
  assert.deepEqual(column('memory_objects'), ['', '', '5', '0']);
});

/** Published: this list may grow at its end, and in no other way. */
const PUBLISHED =
  'role,name,address,state,weight,max_connections,keys_share,pid,restarts,since_ms,position,requests,bytes,hits,hit_ratio,byte_hit_ratio,' +
  'result_hot,result_memory,result_disk,result_stale,result_revalidated,result_miss,result_collapsed,result_pass,result_relayed,result_denied,' +
  'result_refused,result_unrouted,result_limited,result_shed,result_error,status_1xx,status_2xx,status_3xx,status_4xx,status_5xx,' +
  'memory_bytes,memory_objects,memory_evictions,disk_bytes,disk_objects,disk_evictions,fills,fill_bytes,passes,retries';

test('the columns of CSV stay where they are', () => {
  assert.ok(`${renderCsv(makeStats(status, [])).split('\n')[0]},`.startsWith(`${PUBLISHED},`));
});

test('CSV quotes what would break a line', () => {
  const node = { ...status.nodes[0]!, address: 'a"b,c\nd' };
  assert.ok(renderCsv(makeStats({ ...status, nodes: [node] }, [])).includes('"a""b,c\nd"'));
});

test('the page shows each part, and escapes every text', () => {
  const evil = '<script>"&\'</script>';
  const hostile: AdminStatus = {
    version: evil,
    configSerial: 1,
    purgePosition: evil,
    processes: [{ ...status.processes[0]!, name: evil, position: evil }],
    nodes: [{ ...status.nodes[0]!, name: evil, address: evil }],
    sites: [{ name: evil, hosts: [evil], path: evil, origin: evil }],
  };
  const registry = new Registry();
  registry.cell('deckle_origin_bytes_total', { origin: evil });
  const page = renderPage(makeStats(hostile, registry.snapshot()));
  assert.doesNotMatch(page, /<script|"&'/);
  assert.ok(page.split('&lt;script&gt;&quot;&amp;&#39;&lt;/script&gt;').length > 10);
  const real = renderPage(makeStats(status, sample().snapshot()));
  for (const part of [
    'front-1',
    '127.0.0.1:7101',
    '50.0 %',
    '60.8 %',
    'samples',
    '1m 1s',
    '1d 1h',
    'revalidated',
    'http-equiv="refresh"',
  ]) {
    assert.ok(real.includes(part), part);
  }
  assert.match(PAGE_POLICY, /default-src 'none'.*frame-ancestors 'none'/);
  assert.doesNotMatch(PAGE_POLICY, /unsafe|\*/);
});
