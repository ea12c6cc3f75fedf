// Deliveries at the edges of framing; the common cases stand in handle.test.ts, the paces of sockets in flight.test.ts.

import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { type House, jpeg, startHouse } from '../../test/support/cache-house.ts';

const IMAGE = jpeg(300_000);

let open: House | undefined;

async function house(): Promise<House> {
  open = await startHouse();
  return open;
}

afterEach(async () => {
  const ending = open;
  open = undefined;
  await ending?.close();
});

test('a range of a body without a length is answered with the whole, and later, stored, with the part', async () => {
  const h = await house();
  const client = h.ask('/a.jpg', { headers: { Range: 'bytes=0-9' } });
  (await h.origin.next()).answer({ length: null }).push(IMAGE).end();
  const whole = await client.done();
  assert.deepEqual([whole.status, whole.headers.get('accept-ranges')], [200, undefined]);
  assert(whole.body.equals(IMAGE));
  const part = await h.get('/a.jpg', { headers: { Range: 'bytes=0-9' } });
  assert.deepEqual([part.status, part.body.length], [206, 10]);
});

test('several ranges during a fill are answered with the whole; two Range lines are no range', async () => {
  const h = await house();
  const client = h.ask('/a.jpg', { headers: { Range: 'bytes=0-9,100-109' } });
  (await h.origin.next()).answer({ body: IMAGE });
  assert.equal((await client.done()).status, 200);
  assert.equal((await h.get('/a.jpg', { headers: { Range: 'bytes=0-9', range: 'bytes=0-9' } })).status, 200);
});

test('many ranges never make an answer longer than the image', async () => {
  const h = await house();
  await h.fill('/a.jpg', { body: jpeg(300) });
  const ranges = Array.from({ length: 16 }, (_, at) => `${at * 15}-${at * 15 + 2}`).join(',');
  const answered = await h.get('/a.jpg', { headers: { Range: `bytes=${ranges}` } });
  assert.deepEqual([answered.status, answered.body.length], [200, 300]);
});

test('several ranges arrive whole and in order, however slowly they are read', async () => {
  const h = await house();
  const image = jpeg(7_900_000);
  await h.fill('/a.jpg', { body: image });
  const client = h.ask('/a.jpg', { headers: { Range: 'bytes=4000000-7799999,0-3799999' } });
  client.socket.pause();
  setImmediate(() => client.socket.resume());
  const { whole, body } = await client.done();
  const parts = [image.subarray(4_000_000, 7_800_000), image.subarray(0, 3_800_000)].map((part) => body.indexOf(part));
  assert(whole && parts[0]! > 0 && parts[1]! > parts[0]!, `${parts}`);
});

test('clients that ask for many ranges and read nothing hold no copies of the image', async () => {
  const h = await house();
  const image = jpeg(7_900_000);
  await h.fill('/a.jpg', { body: image });
  const headers = { Range: 'bytes=0-3899999,4000000-7799999' };
  const before = process.memoryUsage().arrayBuffers;
  for (let at = 0; at < 8; at += 1) {
    const client = h.ask('/a.jpg', { headers });
    assert.equal((await client.head()).status, 206);
    client.socket.pause();
  }
  const held = process.memoryUsage().arrayBuffers - before;
  assert(held < 2 * image.length, `${held} bytes held`);
});

test('a range that ends early leaves the fill alone; the last byte alone is served when it comes', async () => {
  const h = await house();
  const first = h.ask('/a.jpg', { headers: { Range: 'bytes=0-0' } });
  const feed = (await h.origin.next()).answer({ length: IMAGE.length }).push(IMAGE.subarray(0, 100));
  assert.equal((await first.done()).body.length, 1);
  const last = h.ask('/a.jpg', { headers: { Range: 'bytes=-1' } });
  await last.head();
  assert.equal(last.received, 0);
  feed.push(IMAGE.subarray(100)).end();
  assert.deepEqual((await last.done()).body, IMAGE.subarray(-1));
  assert.equal((await h.get('/a.jpg')).headers.get('cache-status'), 'n1; hit; ttl=60');
});

test('answers without a body: an empty 404, a 204, an empty image', async () => {
  const h = await house();
  for (const [path, told] of [
    ['/404', { status: 404, body: '' }],
    ['/204', { status: 204, body: '' }],
    ['/empty', { status: 200, body: '' }],
  ] as const) {
    const answered = await h.fill(path, told);
    assert.deepEqual([answered.status, answered.whole, answered.body.length], [told.status, true, 0], path);
    assert.equal(answered.headers.get('content-length'), told.status === 204 ? undefined : '0', path);
  }
  assert.equal((await h.get('/404')).headers.get('cache-status'), 'n1; hit; ttl=10');
  const empty = h.ask('/empty');
  (await h.origin.next()).answer({ body: '' });
  assert.equal((await empty.done()).status, 200, 'nothing at all is no image to keep');
});

test('conditions and ranges are for 200 only', async () => {
  const h = await house();
  await h.fill('/gone', { status: 404, body: 'gone', headers: { etag: '"x"' } });
  for (const headers of [{ 'If-None-Match': '"x"' }, { Range: 'bytes=0-1' }]) {
    const answered = await h.get('/gone', { headers });
    assert.deepEqual([answered.status, answered.body.toString()], [404, 'gone']);
  }
});

test('requests on one connection: each has its own answer, whole, in order', async () => {
  const h = await house();
  await h.fill('/a.jpg', { body: IMAGE });
  const client = h.ask('/a.jpg', { headers: { Connection: 'keep-alive' } });
  await client.receives(IMAGE.length);
  client.socket.write('GET /a.jpg HTTP/1.1\r\nHost: a\r\nRange: bytes=0-9\r\nConnection: close\r\n\r\n');
  const both = await client.done();
  assert(both.body.subarray(0, IMAGE.length).equals(IMAGE));
  assert.match(both.body.toString('latin1', IMAGE.length, IMAGE.length + 40), /^HTTP\/1\.1 206 /);
  assert(both.body.subarray(-10).equals(IMAGE.subarray(0, 10)));
});
