// Purges over real processes: what is applied, who is behind, what survives, what is never stored again.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startOrigin, type TestOrigin } from './support/bad-origin.ts';
import { decidedBy, take } from './support/client.ts';
import { type Edge, type Plain, startEdge, until } from './support/edge.ts';

async function cluster(t: TestContext, config: { readonly [key: string]: Plain } = {}) {
  const origin = await startOrigin({ headers: { 'cache-control': 'max-age=3600' } });
  t.after(() => origin.close());
  const edge = await edgeBefore(t, origin, config);
  return { origin, edge };
}

async function edgeBefore(t: TestContext, origin: TestOrigin, config: { readonly [key: string]: Plain } = {}): Promise<Edge> {
  const edge = await startEdge({
    config: {
      origins: { store: { urls: [origin.url] } },
      sites: [{ name: 'all', hosts: ['*'], path: '/', origin: 'store' }],
      ...config,
    },
  });
  t.after(() => edge.close());
  return edge;
}

interface Purged {
  readonly status: number;
  readonly id: string;
  readonly applied: Readonly<Record<string, number | null>>;
  readonly pending: readonly string[];
}

async function purge(edge: Edge, urls: readonly string[], wait = '5s'): Promise<Purged> {
  const answer = await fetch(`${edge.admin}/purge`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ urls, wait }),
  });
  return { status: answer.status, ...((await answer.json()) as Omit<Purged, 'status'>) };
}

function sum(applied: Purged['applied']): number {
  return Object.values(applied).reduce<number>((total, count) => total + (count ?? 0), 0);
}

test('POST /purge removes the image where it is, and says so', async (t) => {
  const { origin, edge } = await cluster(t);
  const owner = decidedBy((await take(`${edge.front}/a.jpg`)).headers);
  await take(`${edge.front}/other.jpg`);
  const done = await purge(edge, [`${edge.front}/a.jpg`]);
  assert.equal(done.status, 200);
  assert.deepEqual(done.applied, { n1: 0, n2: 0, 'front-1': 0, [owner]: 1 });
  assert.deepEqual(done.pending, []);
  await take(`${edge.front}/a.jpg`);
  await take(`${edge.front}/other.jpg`);
  assert.equal(origin.counts.get('/a.jpg'), 2);
  assert.equal(origin.counts.get('/other.jpg'), 1);
});

test('deckle purge: one URL, a path, many at once', async (t) => {
  const { origin, edge } = await cluster(t);
  const paths = Array.from({ length: 40 }, (_, at) => `/p${at}.jpg`);
  for (const path of paths) await take(`${edge.front}${path}`);
  const said = await edge.deckle('purge', ...paths, '--json');
  assert.equal(said.code, 0, said.err);
  assert.equal(sum((JSON.parse(said.out) as Purged).applied), 40);
  for (const path of paths) await take(`${edge.front}${path}`);
  assert.ok(paths.every((path) => origin.counts.get(path) === 2));

  const text = await edge.deckle('purge', `${edge.front}/p0.jpg`);
  assert.equal(text.code, 0);
  assert.match(text.out, /^purge [0-9a-f]{16}\n( {2}(front-1|n1|n2) +\d removed\n){3}$/);
  const wrong = await edge.deckle('purge', 'ftp://x/');
  assert.equal(wrong.code, 1);
  assert.match(wrong.err, /^deckle: .*\n$/);
});

test('no request sent after the answer gets old bytes', async (t) => {
  const { origin, edge } = await cluster(t);
  for (let version = 0; version < 40; version += 1) {
    origin.settings.version = version;
    const { pending } = await purge(edge, ['/a.jpg']);
    assert.deepEqual(pending, []);
    const answers = await Promise.all([1, 2, 3].map(() => take(`${edge.front}/a.jpg`)));
    for (const { sha256 } of answers) assert.equal(sha256, origin.sha256('/a.jpg'), `version ${version}`);
  }
});

test('what was being fetched when the purge came is not stored', async (t) => {
  const { origin, edge } = await cluster(t);
  const old = origin.sha256('/a.jpg');
  const finish = Promise.withResolvers<void>();
  origin.settings.answer = (_request, response) => {
    const bytes = origin.body('/a.jpg');
    response.writeHead(200, { 'content-type': 'image/jpeg', 'content-length': bytes.length, 'cache-control': 'max-age=3600' });
    response.write(bytes.subarray(0, 100));
    void finish.promise.then(() => response.end(bytes.subarray(100)));
    return true;
  };
  const early = take(`${edge.front}/a.jpg`);
  await origin.arrived(1);
  delete origin.settings.answer;
  const { pending } = await purge(edge, ['/a.jpg']);
  assert.deepEqual(pending, []);
  origin.settings.version = 1;
  const after = await take(`${edge.front}/a.jpg`);
  assert.equal(after.sha256, origin.sha256('/a.jpg'), 'asked after the purge: new bytes, while the old fetch still runs');
  finish.resolve();
  assert.equal((await early).sha256, old, 'asked before the purge: what was there then');
  assert.equal((await take(`${edge.front}/a.jpg`)).sha256, origin.sha256('/a.jpg'));
});

test('a process that does not answer is named as pending, and catches up', async (t) => {
  const { origin, edge } = await cluster(t);
  let at = 0;
  while (decidedBy((await take(`${edge.front}/${at}.jpg`)).headers) !== 'n2') at += 1;
  const path = `/${at}.jpg`;
  const pid = await edge.pid('n2');
  process.kill(pid, 'SIGSTOP');
  try {
    const { status, applied, pending } = await purge(edge, [path], '100ms');
    assert.equal(status, 200, 'it is logged');
    assert.deepEqual(pending, ['n2']);
    assert.deepEqual(applied, { n1: 0, 'front-1': 0 });
    const said = await edge.deckle('purge', '/elsewhere.jpg', '--wait', '100ms');
    assert.equal(said.code, 1);
    assert.match(said.out, /n2 +not yet\n/);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await until('it has caught up', async () => (await edge.metric('deckle_purge_lag')) === 0);
  const fetched = origin.counts.get(path);
  await take(`${edge.front}${path}`);
  assert.equal(origin.counts.get(path), fetched! + 1);
});

test('nobody waits for a process that is dead', async (t) => {
  const { edge } = await cluster(t);
  process.kill(await edge.pid('n2'), 'SIGSTOP');
  const waiting = purge(edge, ['/a.jpg'], '20s');
  process.kill(await edge.pid('n2'), 'SIGKILL');
  const began = performance.now();
  assert.deepEqual((await waiting).pending, []);
  assert.ok(performance.now() - began < 10_000);
});

test('the log survives a restart', async (t) => {
  const state = mkdtempSync(join(tmpdir(), 'deckle-purges-'));
  t.after(() => rmSync(state, { recursive: true, force: true }));
  const { origin, edge } = await cluster(t, { state });
  const position = async (of: Edge) =>
    ((await (await fetch(`${of.admin}/stats.json`)).json()) as { purge: { position: string } }).purge.position;
  const first = await position(edge);
  for (let at = 0; at < 5; at += 1) await purge(edge, [`/${at}.jpg`]);
  const last = await position(edge);
  assert.equal(last.slice(0, 16), first.slice(0, 16), 'one epoch');
  assert.ok(last > first);
  assert.equal(await edge.stop(), 0);
  const again = await edgeBefore(t, origin, { state });
  assert.equal(await position(again), last);
  await purge(again, ['/a.jpg']);
  assert.ok((await position(again)) > last);
});

test('a purge that cannot be logged is a 503, never a false 200; with room again it works', async (t) => {
  const { origin, edge } = await cluster(t);
  await take(`${edge.front}/a.jpg`);
  // A limit on the size of files stands for a full disk: the supervisor can write no further byte.
  const limit = (bytes: string) => execFileSync('prlimit', ['--pid', String(edge.supervisor.pid), `--fsize=${bytes}:`]);
  limit('1');
  const full = await purge(edge, ['/a.jpg']);
  assert.equal(full.status, 503);
  const said = await edge.deckle('purge', '/a.jpg');
  assert.equal(said.code, 1);
  assert.match(said.err, /^deckle: .*could not be logged.*\n$/);
  assert.equal((await take(`${edge.front}/a.jpg`)).status, 200, 'images are still served');
  assert.equal(origin.counts.get('/a.jpg'), 1);
  limit('unlimited');
  const done = await purge(edge, ['/a.jpg']);
  assert.equal(done.status, 200);
  assert.equal(sum(done.applied), 1);
});

test('what names nothing we serve is refused, and nothing is logged', async (t) => {
  const { edge } = await cluster(t, { sites: [{ name: 'one', hosts: ['img.example'], path: '/', origin: 'store' }] });
  for (const [urls, status] of [
    [['http://other.example/a.jpg'], 400],
    [['http://img.example/../a.jpg'], 400],
    [[], 400],
    [['http://img.example/a.jpg'], 200],
  ] as const)
    assert.equal((await purge(edge, urls)).status, status, urls.join());
});
