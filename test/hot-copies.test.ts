// Hot copies over real processes: what they answer, for whom not, and that the node agrees with them.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startOrigin, type TestOrigin } from './support/bad-origin.ts';
import { inParallel, type Taken, take } from './support/client.ts';
import { type Edge, type Plain, startEdge, until } from './support/edge.ts';

interface Cluster {
  readonly origin: TestOrigin;
  readonly edge: Edge;
}

async function cluster(t: TestContext, hot: Plain, site: { readonly [key: string]: Plain } = {}, headers = {}): Promise<Cluster> {
  const origin = await startOrigin({ headers: { 'cache-control': 'max-age=3600', etag: '"v1"', ...headers } });
  t.after(() => origin.close());
  const edge = await startEdge({
    config: {
      front: { hot },
      origins: { store: { urls: [origin.url] } },
      sites: [{ name: 'all', hosts: ['*'], path: '/', origin: 'store', ...site }],
    },
  });
  t.after(() => edge.close());
  return { origin, edge };
}

/** Asks until a copy answers. */
async function hotAnswer(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Taken> {
  for (let asked = 0; asked < 50; asked += 1) {
    const taken = await take(url, { headers });
    if (isHot(taken)) return taken;
  }
  return assert.fail('no copy');
}

function isHot({ headers }: Taken): boolean {
  return `${headers['cache-status']}`.endsWith('detail=hot');
}

test('a copy answers as the node does: whole, a part, HEAD, not modified, in both lanes of the figures', async (t) => {
  const { origin, edge } = await cluster(t, { ttl: '1h' });
  const url = `${edge.front}/a.jpg`;
  const fromNode = await take(url);
  const copy = await hotAnswer(url);
  assert.equal(copy.sha256, origin.sha256('/a.jpg'));
  assert.match(`${copy.headers['cache-status']}`, /^front; hit; ttl=359\d; detail=hot$/);
  const OF_ONE = ['age', 'cache-status', 'x-request-id'];
  const plain = ({ headers }: Taken) => Object.fromEntries(Object.entries(headers).filter(([name]) => !OF_ONE.includes(name)));
  assert.deepEqual(plain(copy), plain(fromNode));
  for (const name of OF_ONE) assert.notEqual(copy.headers[name], undefined, name);
  assert.notEqual(copy.headers['x-request-id'], fromNode.headers['x-request-id']);

  const part = await take(url, { headers: { Range: 'bytes=2-5' } });
  assert.deepEqual([isHot(part), part.status, part.bytes], [true, 206, 4]);
  const beyond = await take(url, { headers: { Range: 'bytes=99999999-' } });
  assert.deepEqual([isHot(beyond), beyond.status], [true, 416]);
  const known = await take(url, { headers: { 'If-None-Match': '"v1"' } });
  assert.deepEqual([isHot(known), known.status, known.bytes], [true, 304, 0]);
  const head = await fetch(url, { method: 'HEAD' });
  assert.equal(head.headers.get('content-length'), `${copy.bytes}`);
  assert.match(`${head.headers.get('cache-status')}`, /detail=hot$/);

  assert.equal(origin.counts.get('/a.jpg'), 1);
  await until(
    'the figures have come',
    async () => (await edge.metric('deckle_requests_total', { role: 'front', result: 'hot' })) >= 5,
  );
  assert.equal(await edge.metric('deckle_cache_objects', { node: 'front-1', tier: 'hot' }), 1);
  assert.ok((await edge.metric('deckle_cache_bytes', { node: 'front-1', tier: 'hot' })) > copy.bytes);
});

test('size 0 turns them off', async (t) => {
  const { edge } = await cluster(t, { size: 0 });
  for (const answer of await inParallel(20, 1, () => take(`${edge.front}/a.jpg`))) assert.equal(isHot(answer), false);
});

test('credentials that the site sends on: neither answered by a copy, nor copied', async (t) => {
  const { origin, edge } = await cluster(t, { ttl: '1h' }, { request_headers: ['authorization'] });
  const headers = { Authorization: 'Basic eDp5' };
  const url = `${edge.front}/a.jpg`;
  await hotAnswer(url);
  const before = origin.counts.get('/a.jpg')!;
  for (const answer of await inParallel(6, 1, () => take(url, { headers }))) assert.equal(isHot(answer), false);
  assert.equal(origin.counts.get('/a.jpg'), before + 6);
  for (const answer of await inParallel(6, 1, () => take(`${edge.front}/b.jpg`, { headers }))) assert.equal(isHot(answer), false);
  assert.equal(await edge.metric('deckle_cache_objects', { tier: 'hot' }), 1);
});

test('variants are kept apart', async (t) => {
  const { edge } = await cluster(t, { ttl: '1h' }, {}, { vary: 'Accept, Accept-Encoding' });
  const url = `${edge.front}/a.jpg`;
  await hotAnswer(url, { Accept: 'image/webp' });
  assert.equal(isHot(await take(url, { headers: { Accept: 'image/webp', 'Accept-Encoding': 'br' } })), true);
  assert.equal(isHot(await take(url, { headers: { Accept: 'image/png' } })), false);
  assert.match(`${(await take(url, { headers: { Accept: 'image/gif' } })).headers['cache-status']}`, /vary-miss|collapsed/);
});

test('the life of an image ends in the copy when it ends at the node', async (t) => {
  const { origin, edge } = await cluster(t, { ttl: '1h' }, { grace: { healthy: 0, sick: 0 } }, { 'cache-control': 'max-age=2' });
  const url = `${edge.front}/a.jpg`;
  await hotAnswer(url);
  const fetches = origin.counts.get('/a.jpg')!;
  await until('it was fetched again', async () => {
    const answer = await take(url);
    assert.ok(Number(answer.headers['age']) <= 2, `age ${answer.headers['age']}`);
    return origin.counts.get('/a.jpg')! > fetches;
  });
});
