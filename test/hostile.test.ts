// A real edge under clients and an origin that go to the limits of what is allowed: nobody gets another's image, nobody reads
// the cache's own words, a head that the front takes is not too much for the node.

import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { type Edge, startEdge } from './support/edge.ts';
import { openRaw, type RawAnswer } from './support/raw.ts';

const PNG = Buffer.concat([Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), Buffer.alloc(2_000, 1)]);

let edge: Edge;
let origin: Server;

before(async () => {
  origin = createServer((request, response) => {
    const path = (request.url ?? '').split('?', 1)[0]!;
    const fields: Record<string, string> = { 'content-type': 'image/png', 'cache-control': 'max-age=60' };
    if (path.startsWith('/vary/')) {
      const name = path.slice('/vary/'.length);
      fields['vary'] = name;
      fields['x-seen'] = String(request.headers[name]);
    }
    response.writeHead(200, { ...fields, 'content-length': PNG.length }).end(PNG);
  });
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
  edge = await startEdge({
    nodes: 1,
    config: {
      front: { trusted_proxies: ['127.0.0.0/8'] },
      origins: { shop: { urls: [`http://127.0.0.1:${(origin.address() as AddressInfo).port}`] } },
      sites: [{ name: 'all', hosts: ['*'], origin: 'shop', query: 'all' }],
    },
  });
});

after(async () => {
  origin.close();
  origin.closeAllConnections();
  // Not there when it did not start.
  await (edge as Edge | undefined)?.close();
});

async function ask(head: string): Promise<RawAnswer> {
  const client = await openRaw(edge.frontPort);
  client.send(`${head}\r\n\r\n`);
  const isWhole = await client.answered(1);
  const [answer] = client.answers();
  client.close();
  assert(isWhole && answer !== undefined, `no whole answer to ${head.slice(0, 80)}`);
  return answer;
}

test('a Vary may name a field that deckle writes of what the client sent: nobody gets the answer to another', async () => {
  for (const name of ['x-forwarded-for', 'via', 'cdn-loop', 'x-request-id']) {
    for (const value of ['10.1.1.1', '10.2.2.2']) {
      const { fields } = await ask(`GET /vary/${name} HTTP/1.1\r\nHost: a\r\n${name}: ${value}`);
      assert.match(fields['x-seen'] ?? '', new RegExp(`^${value}`), `${name}: ${fields['cache-status']}`);
    }
  }
});

test('what the nodes tell `deckle where` is not told to clients', async () => {
  await ask('GET /known.png HTTP/1.1\r\nHost: a');
  for (const query of ['?key=all%20/known.png', '?key=%ff', '']) {
    const { status, body } = await ask(`GET /-/object${query} HTTP/1.1\r\nHost: a`);
    assert.deepEqual([status, body.includes('tier')], [404, false], query);
  }
  assert(!edge.output().includes('URIError'));
});

test('a head that the front takes is not too much for a node', async () => {
  const lines = (count: number) => Array.from({ length: count }, (_, at) => `H${at}:v`).join('\r\n');
  for (const count of [95, 96, 97, 98, 99])
    assert.equal((await ask(`GET /lines-${count} HTTP/1.1\r\nHost: a\r\n${lines(count)}`)).status, 200, `${count} lines`);
  assert.equal((await ask(`GET /lines HTTP/1.1\r\nHost: a\r\n${lines(100)}`)).fields['cache-status']?.split(';')[0], 'front');
  const frame = 'GET /long HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n'.length;
  const long = (bytes: number) => `GET /long HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(bytes - frame)}`;
  assert.equal((await ask(long(32 * 1024 - 1))).status, 200);
});

test('a request of HTTP/1.0 needs no Host; one of HTTP/1.1 does', async () => {
  const old = await ask('GET /old.png HTTP/1.0');
  assert.deepEqual([old.status, old.body.equals(PNG)], [200, true]);
  assert.equal((await ask('GET /old.png HTTP/1.1\r\nHost:')).status, 400);
});
