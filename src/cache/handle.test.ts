// The node's story as a client and an origin see it. Both are scripted side by side: the origin answers when the test says so.

import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { type House, type HouseOptions, jpeg, startHouse, until } from '../../test/support/cache-house.ts';

const IMAGE = jpeg(5_000);
const TAGGED = { etag: '"v1"', 'last-modified': 'Mon, 31 Dec 2029 00:00:00 GMT', 'cache-control': 'max-age=60' };

let open: House | undefined;

async function house(options?: HouseOptions): Promise<House> {
  open = await startHouse(options);
  return open;
}

afterEach(async () => {
  const ending = open;
  open = undefined;
  await ending?.close();
});

test('a miss fills, the next request hits, with age and Cache-Status to the letter', async () => {
  const h = await house();
  const miss = await h.fill('/a.jpg', { body: IMAGE, headers: TAGGED });
  assert.equal(miss.status, 200);
  assert.deepEqual(miss.body, IMAGE);
  assert.equal(miss.headers.get('cache-status'), 'n1; fwd=uri-miss; fwd-status=200; stored');
  assert.equal(miss.headers.get('age'), '0');
  h.clock.advance(13_400);
  const hit = await h.get('/a.jpg');
  assert.deepEqual(hit.body, IMAGE);
  assert.equal(hit.headers.get('cache-status'), 'n1; hit; ttl=46');
  assert.equal(hit.headers.get('age'), '13');
  assert.equal(hit.headers.get('via'), '1.1 deckle');
  assert.equal(hit.headers.get('x-request-id'), 'id-1');
  assert.equal(hit.headers.get('x-content-type-options'), 'nosniff');
  assert.equal(hit.headers.get('accept-ranges'), 'bytes');
  assert.equal(hit.headers.get('etag'), '"v1"');
  assert.deepEqual(
    h.notes.map((note) => [note.result, note.reason, note.clean]),
    [
      ['miss', undefined, true],
      ['memory', undefined, true],
    ],
  );
  assert.equal(h.origin.asked, 1);
});

test('an upstream Cache-Status member and Via come first, its Age counts', async () => {
  const h = await house();
  const headers = { 'cache-status': 'shield; hit', via: '1.1 shield', age: '30', 'cache-control': 'max-age=60' };
  const miss = await h.fill('/a.jpg', { body: IMAGE, headers });
  assert.equal(miss.headers.get('cache-status'), 'shield; hit, n1; fwd=uri-miss; fwd-status=200; stored');
  assert.equal(miss.headers.get('age'), '30');
  const hit = await h.get('/a.jpg');
  assert.equal(hit.headers.get('cache-status'), 'shield; hit, n1; hit; ttl=30');
  assert.equal(hit.headers.get('via'), '1.1 shield, 1.1 deckle');
});

test('HEAD on a miss fills with GET; HEAD on a hit says what GET would', async () => {
  const h = await house();
  const miss = h.ask('/a.jpg', { method: 'HEAD' });
  const ask = await h.origin.next();
  assert.equal(ask.request.method, 'GET');
  ask.answer({ body: IMAGE });
  const answered = await miss.done();
  assert.equal(answered.headers.get('content-length'), '5000');
  assert.equal(answered.body.length, 0);
  const [head, get] = [await h.get('/a.jpg', { method: 'HEAD' }), await h.get('/a.jpg')];
  assert.deepEqual(Object.fromEntries(head.headers), Object.fromEntries(get.headers));
  assert.equal(head.body.length, 0);
  assert.equal(h.origin.asked, 1);
});

test('conditional hits: 304 with the fields that a 304 carries', async () => {
  const h = await house({ rules: { response_headers: { add: { 'Cache-Control': 'max-age=5', 'X-Added': '1' }, remove: [] } } });
  await h.fill('/a.jpg', { body: IMAGE, headers: { ...TAGGED, etag: 'W/"v1"' } });
  for (const headers of [
    { 'If-None-Match': '"v1"' },
    { 'If-None-Match': '"x", W/"v1"' },
    { 'If-None-Match': '*' },
    { 'If-Modified-Since': 'Mon, 31 Dec 2029 00:00:00 GMT' },
  ]) {
    const answered = await h.get('/a.jpg', { headers });
    assert.equal(answered.status, 304, JSON.stringify(headers));
    assert.equal(answered.headers.get('etag'), 'W/"v1"');
    assert.equal(answered.headers.get('cache-control'), 'max-age=5');
    assert.equal(answered.headers.get('x-added'), undefined);
    assert.equal(answered.headers.get('content-type'), undefined);
    assert.equal(answered.headers.get('content-length'), undefined);
    assert.equal(answered.body.length, 0);
    assert(answered.headers.has('date') && answered.headers.has('cache-status') && answered.headers.has('age'));
  }
  const changed = await h.get('/a.jpg', {
    headers: { 'If-None-Match': '"v2"', 'If-Modified-Since': 'Mon, 31 Dec 2029 00:00:00 GMT' },
  });
  assert.equal(changed.status, 200);
});

test('ranges on a hit: one, many, beyond the end, under If-Range', async () => {
  const h = await house();
  await h.fill('/a.jpg', { body: IMAGE, headers: TAGGED });
  const one = await h.get('/a.jpg', { headers: { Range: 'bytes=100-199' } });
  assert.equal(one.status, 206);
  assert.equal(one.headers.get('content-range'), 'bytes 100-199/5000');
  assert.deepEqual(one.body, IMAGE.subarray(100, 200));
  const tail = await h.get('/a.jpg', { headers: { Range: 'bytes=-7' } });
  assert.deepEqual(tail.body, IMAGE.subarray(4_993));
  const many = await h.get('/a.jpg', { headers: { Range: 'bytes=0-9,4000-4009' } });
  assert.equal(many.status, 206);
  assert.match(many.headers.get('content-type') ?? '', /^multipart\/byteranges; *boundary=/);
  assert(many.whole && many.body.includes(IMAGE.subarray(0, 10)) && many.body.includes(IMAGE.subarray(4_000, 4_010)));
  assert.equal(many.body.toString('latin1').match(/Content-Type: image\/jpeg/gi)?.length, 2);
  const beyond = await h.get('/a.jpg', { headers: { Range: 'bytes=5000-' } });
  assert.equal(beyond.status, 416);
  assert.equal(beyond.headers.get('content-range'), 'bytes */5000');
  assert.equal(beyond.headers.get('x-content-type-options'), 'nosniff');
  assert(beyond.headers.has('date') && beyond.headers.has('via'));
  assert.equal(beyond.headers.get('cache-control'), undefined, 'the lifetime of the image is not that of the error');
  assert.equal((await h.get('/a.jpg', { headers: { Range: 'bytes=0-9', 'If-Range': '"v1"' } })).status, 206);
  assert.equal((await h.get('/a.jpg', { headers: { Range: 'bytes=0-9', 'If-Range': '"v0"' } })).status, 200);
  assert.equal((await h.get('/a.jpg', { headers: { Range: 'bytes=0-9' }, method: 'HEAD' })).status, 200);
});

test('a part that nobody asked for is passed on as a part, with its length', async () => {
  const h = await house();
  const headers = { 'content-range': 'bytes 0-9/5000' };
  const part = await h.fill('/a.jpg', { status: 206, body: IMAGE.subarray(0, 10), headers });
  assert.deepEqual(
    [part.status, part.headers.get('content-range'), part.headers.get('content-length')],
    [206, 'bytes 0-9/5000', '10'],
  );
  assert(part.whole && part.body.equals(IMAGE.subarray(0, 10)));
});

test('a range of a cold image causes one whole fetch, and is served while that comes in', async () => {
  const h = await house();
  const client = h.ask('/a.jpg', { headers: { Range: 'bytes=1000-1999' } });
  const ask = await h.origin.next();
  assert.equal(ask.header('range'), undefined);
  const feed = ask.answer({ length: 5_000, headers: TAGGED });
  feed.push(IMAGE.subarray(0, 3_000));
  const part = await client.done();
  assert.equal(part.status, 206);
  assert.deepEqual(part.body, IMAGE.subarray(1_000, 2_000));
  const beyond = await h.get('/a.jpg', { headers: { Range: 'bytes=9000-' } });
  assert.equal(beyond.status, 416);
  const later = h.ask('/a.jpg', { headers: { Range: 'bytes=-1000' } });
  await later.head();
  feed.push(IMAGE.subarray(3_000)).end();
  assert.deepEqual((await later.done()).body, IMAGE.subarray(4_000));
  assert.deepEqual((await h.get('/a.jpg')).body, IMAGE);
  assert.equal(h.origin.asked, 1);
});

test('followers get bytes before the origin has ended, and 304 by their own conditions', async () => {
  const h = await house();
  const first = h.ask('/a.jpg');
  const feed = (await h.origin.next()).answer({ length: 5_000, headers: TAGGED }).push(IMAGE.subarray(0, 2_000));
  await first.receives(2_000);
  const second = h.ask('/a.jpg');
  await second.receives(2_000);
  assert.equal((await second.head()).headers.get('cache-status'), 'n1; fwd=uri-miss; collapsed');
  assert.equal((await h.get('/a.jpg', { headers: { 'If-None-Match': '"v1"' } })).status, 304);
  assert.equal((await h.get('/a.jpg', { method: 'HEAD' })).headers.get('content-length'), '5000');
  feed.push(IMAGE.subarray(2_000)).end();
  for (const client of [first, second]) assert.deepEqual((await client.done()).body, IMAGE);
  assert.equal(h.origin.asked, 1);
  assert.deepEqual(h.notes.map((note) => note.result).sort(), ['collapsed', 'collapsed', 'collapsed', 'miss']);
});

test('the first client leaves after a tenth: the others complete, the image is kept', async () => {
  const h = await house();
  const first = h.ask('/a.jpg');
  const ask = await h.origin.next();
  const follower = h.ask('/a.jpg');
  const feed = ask.answer({ length: 5_000 }).push(IMAGE.subarray(0, 500));
  await Promise.all([first.receives(500), follower.receives(500)]);
  first.leave();
  await until('the leaver is noted', () => h.notes.length === 1);
  feed.push(IMAGE.subarray(500)).end();
  assert.deepEqual((await follower.done()).body, IMAGE);
  assert.equal((await h.get('/a.jpg')).headers.get('cache-status'), 'n1; hit; ttl=60');
  assert.equal(h.notes[0]!.clean, false);
});

test('all clients leave before the head: the fill goes on and is stored', async () => {
  const h = await house();
  const client = h.ask('/a.jpg');
  const ask = await h.origin.next();
  client.leave();
  await until('the leaver is noted', () => h.notes.length === 1);
  assert.equal(ask.signal.aborted, false);
  ask.answer({ body: IMAGE });
  await until('it is stored', () => h.store?.counts().objects === 1);
  assert.equal(h.flights.count, 0);
});

test('stale within the healthy grace: served at once, refreshed once behind', async () => {
  const h = await house();
  await h.fill('/a.jpg', { body: IMAGE, headers: TAGGED });
  h.clock.advance(64_000);
  for (let round = 0; round < 3; round += 1) {
    const stale = await h.get('/a.jpg');
    assert.equal(stale.headers.get('cache-status'), 'n1; hit; ttl=-4; detail=grace');
    assert.equal(stale.headers.get('age'), '64');
  }
  const refresh = await h.origin.next();
  assert.equal(refresh.header('if-none-match'), '"v1"');
  assert.equal(h.origin.untaken, 0);
  refresh.answer({ status: 304, headers: { 'cache-control': 'max-age=300', 'x-new': 'yes' }, body: '' });
  await until('it is fresh', () => h.flights.count === 0);
  const fresh = await h.get('/a.jpg');
  assert.equal(fresh.headers.get('cache-status'), 'n1; hit; ttl=300');
  assert.equal(fresh.headers.get('x-new'), 'yes');
  assert.equal(fresh.headers.get('age'), '0');
  assert.deepEqual(fresh.body, IMAGE);
  assert.equal(h.notes[0]!.result, 'miss');
  assert.deepEqual([h.notes[1]!.result, h.notes[1]!.reason], ['stale', 'grace']);
});

const EXPIRED_MS = 80_000;

for (const status of [500, 502, 503, 504]) {
  test(`expired, and the origin says ${status}: stale, and the good image stays`, async () => {
    const h = await house();
    await h.fill('/a.jpg', { body: IMAGE, headers: TAGGED });
    h.clock.advance(EXPIRED_MS);
    const stale = await h.fill('/a.jpg', { status, body: 'sorry', headers: { 'content-type': 'text/plain' } });
    assert.deepEqual([stale.status, stale.body], [200, IMAGE]);
    assert.equal(stale.headers.get('cache-status'), `n1; fwd=stale; fwd-status=${status}; detail=stale-if-error`);
    assert.equal((await h.fill('/a.jpg', { status: 304, body: '' })).status, 200);
  });
}

test('expired, and the origin cannot be reached: stale; without a stored image the fault', async () => {
  const h = await house();
  await h.fill('/a.jpg', { body: IMAGE, headers: TAGGED });
  h.clock.advance(EXPIRED_MS);
  const client = h.ask('/a.jpg');
  (await h.origin.next()).fail('DECKLE_ORIGIN_REFUSED');
  const stale = await client.done();
  assert.equal(stale.headers.get('cache-status'), 'n1; fwd=stale; detail=stale-if-error');
  const cold = h.ask('/b.jpg');
  (await h.origin.next()).fail('DECKLE_ORIGIN_TIMEOUT');
  const failed = await cold.done();
  assert.equal(failed.status, 504);
  assert.equal(failed.headers.get('cache-status'), 'n1; detail=origin-timeout');
  assert.match(failed.body.toString(), /^DECKLE_ORIGIN_TIMEOUT /);
});

test('stale_wait: an expired image does not wait for a slow revalidation, which goes on', async () => {
  const h = await house({ rules: { stale_wait: 0 } });
  await h.fill('/a.jpg', { body: IMAGE, headers: TAGGED });
  h.clock.advance(EXPIRED_MS);
  const stale = await h.get('/a.jpg');
  assert.equal(stale.headers.get('cache-status'), 'n1; fwd=stale; detail=stale-wait');
  assert.deepEqual(stale.body, IMAGE);
  (await h.origin.next()).answer({ body: jpeg(700, 2), headers: { etag: '"v2"' } });
  await until('the new one is stored', () => h.flights.count === 0);
  assert.equal((await h.get('/a.jpg')).headers.get('etag'), '"v2"');
});

test('must-revalidate and a bare s-maxage are never served stale', async () => {
  const h = await house({ rules: { stale_wait: 0 } });
  for (const [path, control] of [
    ['/a.jpg', 'max-age=60, must-revalidate'],
    ['/b.jpg', 's-maxage=60'],
    ['/c.jpg', 'no-cache'],
  ] as const) {
    await h.fill(path, { body: IMAGE, headers: { ...TAGGED, 'cache-control': control } });
    h.clock.advance(61_000);
    const client = h.ask(path);
    (await h.origin.next()).fail('DECKLE_ORIGIN_REFUSED');
    assert.equal((await client.done()).status, 502, control);
    const sick = await h.fill(path, { status: 503, body: 'no' });
    assert.equal(sick.status, 503, control);
    const validated = await h.fill(path, { status: 304, body: '' });
    assert.equal(validated.status, 200, control);
    assert.equal(validated.headers.get('cache-status'), 'n1; fwd=stale; fwd-status=304; stored');
    assert.deepEqual(validated.body, IMAGE);
  }
});

test('a 304 for another tag is asked again without conditions', async () => {
  const h = await house();
  await h.fill('/a.jpg', { body: IMAGE, headers: TAGGED });
  h.clock.advance(EXPIRED_MS);
  const client = h.ask('/a.jpg');
  const first = await h.origin.next();
  assert.equal(first.header('if-modified-since'), TAGGED['last-modified']);
  first.answer({ status: 304, headers: { etag: '"other"' }, body: '' });
  const again = await h.origin.next();
  assert.equal(again.header('if-none-match'), undefined);
  assert.equal(again.header('if-modified-since'), undefined);
  again.answer({ body: jpeg(400, 3), headers: { etag: '"other"' } });
  assert.deepEqual((await client.done()).body, jpeg(400, 3));
  const cold = h.ask('/cold.jpg');
  (await h.origin.next()).answer({ status: 304, body: '' });
  assert.equal((await cold.done()).status, 502, 'a 304 nobody asked for is no answer');
});

test('a 304 that forbids to keep the image: good for who asked, then gone', async () => {
  const h = await house();
  await h.fill('/a.jpg', { body: IMAGE, headers: TAGGED });
  h.clock.advance(EXPIRED_MS);
  const one = h.ask('/a.jpg');
  const ask = await h.origin.next();
  const follower = h.ask('/a.jpg');
  await h.get('/-no-path//');
  ask.answer({ status: 304, headers: { 'cache-control': 'private' }, body: '' });
  const answered = await one.done();
  assert.deepEqual(answered.body, IMAGE);
  assert.equal(answered.headers.get('cache-control'), 'private');
  assert.equal(answered.headers.get('cache-status'), 'n1; fwd=stale; fwd-status=304');
  (await h.origin.next()).answer({ body: jpeg(100, 9), headers: { 'cache-control': 'private' } });
  assert.deepEqual((await follower.done()).body, jpeg(100, 9));
  assert.equal(h.store?.counts().objects, 0);
});

for (const [what, headers, reason] of [
  ['no-store', { 'cache-control': 'no-store' }, 'no-store'],
  ['private', { 'cache-control': 'private' }, 'private'],
  ['set-cookie', { 'set-cookie': 'a=1' }, 'set-cookie'],
  ['Vary: *', { vary: '*' }, 'vary-star'],
] as const) {
  test(`${what}: those who wait are released at once, each to bytes of its own`, async () => {
    const h = await house();
    const first = h.ask('/a.jpg');
    const ask = await h.origin.next();
    const followers = Array.from({ length: 9 }, () => h.ask('/a.jpg'));
    // A barrier: this client came after the others and its answer shows that the story has seen them.
    await h.get('/-no-path//');
    const bodies = new Map<string, number>();
    let count = 1;
    h.origin.always = (late) => {
      count += 1;
      late.answer({ body: `body ${count}`, headers });
    };
    ask.answer({ body: 'body 1', headers });
    const answers = await Promise.all([first, ...followers].map((client) => client.done()));
    for (const answered of answers) bodies.set(answered.body.toString(), 1);
    assert.equal(bodies.size, 10, 'ten clients, ten bodies');
    assert.equal(answers[0]!.headers.get('cache-status'), `n1; fwd=uri-miss; fwd-status=200; detail=${reason}`);
    assert.equal(h.store?.counts().objects, 0);
    assert.equal(h.passes.why('all /a.jpg', h.clock.monoMs()), reason);
    assert(answers.every((answered) => answered.whole));
    assert(h.notes.filter((note) => note.reason === reason).every((note) => note.result === 'pass'));
  });
}

test('hit-for-miss: remembered for a while, not joined, and forgotten when an answer is kept', async () => {
  const h = await house();
  await h.fill('/a.jpg', { body: IMAGE, headers: { 'cache-control': 'no-store' } });
  const [one, two] = [h.ask('/a.jpg'), h.ask('/a.jpg')];
  const asks = [await h.origin.next(), await h.origin.next()];
  asks[0]!.answer({ body: IMAGE });
  asks[1]!.answer({ body: IMAGE });
  await Promise.all([one.done(), two.done()]);
  assert.equal(h.passes.why('all /a.jpg', h.clock.monoMs()), undefined);
  assert.equal((await h.get('/a.jpg')).headers.get('cache-status'), 'n1; hit; ttl=60');
});

test('a client that leaves stops the request that was for it alone', async () => {
  const h = await house();
  await h.fill('/a.jpg', { body: IMAGE, headers: { 'cache-control': 'no-store' } });
  const waiting = h.ask('/a.jpg');
  const ask = await h.origin.next();
  waiting.leave();
  await until('the request is stopped', () => ask.signal.aborted);
  const reading = h.ask('/a.jpg');
  const feed = (await h.origin.next())
    .answer({ length: 5_000, headers: { 'cache-control': 'no-store' } })
    .push(IMAGE.subarray(0, 10));
  await reading.receives(10);
  reading.leave();
  await until('the body is stopped', () => feed.aborted && h.flights.count === 0);
});

test('credentials that the site sends on: never stored, never shared, never answered from the store', async () => {
  const h = await house({ rules: { request_headers: ['*'] } });
  await h.fill('/a.jpg', { body: IMAGE });
  const headers = { Authorization: 'Basic x' };
  const [one, two] = [h.ask('/a.jpg', { headers }), h.ask('/a.jpg', { headers })];
  const asks = [await h.origin.next(), await h.origin.next()];
  assert.equal(asks[0]!.header('authorization'), 'Basic x');
  asks[0]!.answer({ body: 'first', headers: { 'cache-control': 'public, max-age=60' } });
  asks[1]!.answer({ body: 'other', headers: { 'cache-control': 'public, max-age=60' } });
  const answers = await Promise.all([one.done(), two.done()]);
  assert.deepEqual(answers.map((answered) => answered.body.toString()).sort(), ['first', 'other']);
  assert.equal(answers[0]!.headers.get('cache-status'), 'n1; fwd=bypass; fwd-status=200; detail=private');
  assert.deepEqual((await h.get('/a.jpg')).body, IMAGE);
  assert.equal(h.origin.asked, 3);
});

test('a cookie that the site does not send on changes nothing', async () => {
  const h = await house({ rules: { request_headers: ['*'] } });
  const filled = h.ask('/a.jpg', { headers: { Cookie: 'sid=1' } });
  const ask = await h.origin.next();
  assert.equal(ask.header('cookie'), undefined);
  ask.answer({ body: IMAGE });
  await filled.done();
  assert.equal((await h.get('/a.jpg', { headers: { Cookie: 'sid=2' } })).headers.get('cache-status'), 'n1; hit; ttl=60');
});

test('variants by Accept do not mix, not even in one flight', async () => {
  const h = await house();
  const webp = { headers: { Accept: 'image/webp' } };
  const plain = { headers: { Accept: '*/*' } };
  const one = h.ask('/a.jpg', webp);
  const ask = await h.origin.next();
  const others = [h.ask('/a.jpg', plain), h.ask('/a.jpg', plain), h.ask('/a.jpg', webp)];
  await h.get('/-no-path//');
  ask.answer({ body: IMAGE, headers: { vary: 'Accept' } });
  const second = await h.origin.next();
  assert.equal(second.header('accept'), '*/*');
  second.answer({ body: jpeg(900, 2), headers: { vary: 'Accept' } });
  assert.deepEqual((await one.done()).body, IMAGE);
  assert.deepEqual((await others[2]!.done()).body, IMAGE);
  assert.deepEqual((await others[0]!.done()).body, jpeg(900, 2));
  assert.deepEqual((await others[1]!.done()).body, jpeg(900, 2));
  assert.equal(h.origin.asked, 2);
  assert.deepEqual((await h.get('/a.jpg', plain)).body, jpeg(900, 2));
  assert.deepEqual((await h.get('/a.jpg', webp)).body, IMAGE);
  assert.equal(
    (await h.fill('/a.jpg', { body: IMAGE, headers: { vary: 'Accept' } }, { headers: { Accept: 'image/avif' } })).headers.get(
      'cache-status',
    ),
    'n1; fwd=vary-miss; fwd-status=200; stored',
  );
});

test('a revalidation of one variant is no answer for those who wait for another', async () => {
  const h = await house();
  const webp = { headers: { Accept: 'image/webp' } };
  const plain = { headers: { Accept: '*/*' } };
  await h.fill('/a.jpg', { body: IMAGE, headers: { ...TAGGED, vary: 'Accept' } }, webp);
  h.clock.advance(EXPIRED_MS);
  for (const status of [304, 503]) {
    const one = h.ask('/a.jpg', webp);
    const ask = await h.origin.next();
    const other = h.ask('/a.jpg', plain);
    await h.get('/-no-path//');
    ask.answer({ status, body: '' });
    const second = await h.origin.next();
    assert.equal(second.header('accept'), '*/*');
    assert.equal(second.header('if-none-match'), undefined);
    second.answer({ body: `plain ${status}`, headers: { vary: 'Accept', 'cache-control': 'no-store' } });
    assert.deepEqual((await one.done()).body, IMAGE);
    assert.equal((await other.done()).body.toString(), `plain ${status}`);
    h.clock.advance(EXPIRED_MS * 2);
  }
});

test('what cannot be kept passes with its reason and is not stored', async () => {
  const h = await house({ rules: { max_object: 4_000, ttl: { default: 60_000, min: 0, max: 1e9, status: {} } } });
  const none = { 'cache-control': 'max-age=0' };
  for (const [path, told, reason] of [
    ['/big.jpg', { body: IMAGE }, 'too-big'],
    ['/html.jpg', { body: 'x', headers: { 'content-type': 'text/html' } }, 'not-image'],
    ['/gzip.jpg', { body: 'x', headers: { 'content-encoding': 'gzip' } }, 'encoding'],
    ['/part.jpg', { status: 206, body: 'x' }, 'partial'],
    ['/zero.jpg', { body: jpeg(10), headers: none }, 'zero-ttl'],
    ['/moved', { status: 302, headers: { location: '/x.jpg' }, body: '' }, 'status'],
    ['/none', { status: 404, body: 'no' }, 'status'],
    ['/sick', { status: 500, body: 'no' }, 'status'],
  ] as const) {
    const answered = await h.fill(path, told);
    assert.equal(answered.status, 'status' in told ? told.status : 200);
    assert.equal(answered.headers.get('cache-status'), `n1; fwd=uri-miss; fwd-status=${answered.status}; detail=${reason}`, path);
    assert.deepEqual([h.notes.at(-1)!.result, h.notes.at(-1)!.reason], ['pass', reason]);
    assert.equal(answered.body.toString('latin1'), Buffer.from(told.body).toString('latin1'));
  }
  assert.equal((await h.get('/-no-path//')).status, 400);
  assert.equal(h.store?.counts().objects, 0);
  assert.equal(h.passes.why('all /sick', h.clock.monoMs()), undefined, 'a failure is not remembered');
});

test('redirects: 301 is kept, its Location with it', async () => {
  const h = await house();
  await h.fill('/old', { status: 301, headers: { location: '/new.jpg' }, body: '' });
  const hit = await h.get('/old');
  assert.deepEqual([hit.status, hit.headers.get('location')], [301, '/new.jpg']);
  assert.equal(hit.headers.get('cache-status'), 'n1; hit; ttl=60');
});

test('bytes that are not what their type says are passed on and not stored, and found out early', async () => {
  const h = await house();
  const page = `<!doctype html><script>alert(1)</script>${'x'.repeat(100)}`;
  assert.equal((await h.fill('/a.jpg', { body: page })).body.toString(), page);
  assert.equal(h.store?.counts().objects, 0);
  const long = Buffer.from(page.padEnd(5_000, 'x'));
  const client = h.ask('/b.jpg');
  const feed = (await h.origin.next()).answer({ length: 10_000 }).push(long);
  await client.receives(5_000);
  await until('nothing of it is kept', () => h.budget.used === 0);
  feed.push(long).end();
  assert.deepEqual((await client.done()).body, Buffer.concat([long, long]));
  assert.deepEqual(h.passed, ['not-image', 'not-image']);
});

test('an SVG is served as a picture and nothing else', async () => {
  const h = await house();
  const svg = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>';
  for (let round = 0; round < 2; round += 1) {
    const told = { body: svg, headers: { 'content-type': 'image/svg+xml; charset=utf-8' } };
    const answered = round === 0 ? await h.fill('/a.svg', told) : await h.get('/a.svg');
    assert.match(answered.headers.get('content-security-policy') ?? '', /sandbox/);
    assert.equal(answered.body.toString(), svg);
  }
  assert.equal(h.origin.asked, 1);
});

test('404 is kept for ttl.status, then asked for again', async () => {
  const h = await house();
  await h.fill('/none.jpg', { status: 404, body: 'no such image', headers: { 'content-type': 'text/plain' } });
  h.clock.advance(9_000);
  const hit = await h.get('/none.jpg');
  assert.equal(hit.status, 404);
  assert.equal(hit.headers.get('cache-status'), 'n1; hit; ttl=1');
  h.clock.advance(30_000);
  assert.deepEqual((await h.fill('/none.jpg', { body: IMAGE })).body, IMAGE);
});

test('what a failing refresh leaves of a good image', async () => {
  for (const [status, headers, stays] of [
    [403, {}, true],
    [429, {}, true],
    [500, {}, true],
    [200, { 'content-type': 'text/html' }, true],
    [206, {}, true],
    [404, { 'cache-control': 'no-store' }, false],
    [410, { 'cache-control': 'no-store' }, false],
    [200, { 'cache-control': 'no-store' }, false],
  ] as const) {
    const h = await house();
    await h.fill('/a.jpg', { body: IMAGE, headers: { ...TAGGED, 'cache-control': 'max-age=60, stale-if-error=3600' } });
    h.clock.advance(64_000);
    await h.get('/a.jpg');
    (await h.origin.next()).answer({ status, headers, body: 'x' });
    await until('the refresh has landed', () => h.flights.count === 0);
    h.clock.advance(60_000);
    const client = h.ask('/a.jpg');
    (await h.origin.next()).fail('DECKLE_ORIGIN_REFUSED');
    assert.equal((await client.done()).status, stays ? 200 : 502, `${status} ${JSON.stringify(headers)}`);
    open = undefined;
    await h.close();
  }
});

test('a body that breaks off is cut for every client and not stored', async () => {
  const h = await house();
  for (const [version, length] of [
    ['1.1', 5_000],
    ['1.1', null],
    ['1.0', 5_000],
    ['1.0', null],
  ] as const) {
    const first = h.ask('/a.jpg', { version });
    const feed = (await h.origin.next()).answer({ length }).push(IMAGE.subarray(0, 3_000));
    const follower = h.ask('/a.jpg', { version });
    await Promise.all([first.receives(3_000), follower.receives(3_000)]);
    feed.fail();
    for (const client of [first, follower]) {
      const answered = await client.done();
      assert.equal(answered.whole, false, `HTTP/${version}, length ${length}`);
      assert.deepEqual(answered.body, IMAGE.subarray(0, answered.body.length));
    }
    assert.equal(h.store?.counts().objects, 0);
  }
  assert(h.notes.every((note) => !note.clean));
});

test('a body without a length is whole in every framing', async () => {
  const h = await house();
  for (const version of ['1.0', '1.1'] as const) {
    const client = h.ask(`/${version}.jpg`, { version });
    (await h.origin.next()).answer({ length: null }).push(IMAGE.subarray(0, 1), IMAGE.subarray(1)).end();
    const answered = await client.done();
    assert.deepEqual([answered.whole, answered.body], [true, IMAGE]);
    assert.equal((await h.get(`/${version}.jpg`)).headers.get('content-length'), '5000');
  }
});

test('an origin that trickles is given up within bounded time', async () => {
  const h = await house();
  const client = h.ask('/a.jpg');
  const feed = (await h.origin.next()).answer({ length: 5_000 });
  await client.head();
  for (let at = 0; at < 100 && !feed.aborted; at += 1) {
    await until('the fill waits', () => feed.waiting || feed.aborted);
    h.clock.advance(1_000);
    feed.push(IMAGE.subarray(at * 10, at * 10 + 10));
  }
  assert.equal((await client.done()).whole, false);
  assert(h.clock.monoMs() < 20_000);
});

test('a purge during a fetch: what it brings is not kept, and newcomers start anew', async () => {
  const h = await house();
  const before = h.ask('/a.jpg');
  const old = await h.origin.next();
  h.purge('/a.jpg');
  const after = h.ask('/a.jpg');
  const anew = await h.origin.next();
  old.answer({ body: 'old old' });
  assert.equal((await before.done()).body.toString(), 'old old');
  assert.equal(h.store?.counts().objects, 0);
  anew.answer({ body: IMAGE });
  assert.deepEqual((await after.done()).body, IMAGE);
  assert.deepEqual((await h.get('/a.jpg')).body, IMAGE);
});

test('a purge during a body and during a revalidation; all variants go', async () => {
  const h = await house();
  const before = h.ask('/a.jpg');
  const feed = (await h.origin.next()).answer({ length: 5_000 }).push(IMAGE.subarray(0, 100));
  await before.receives(100);
  h.purge('/a.jpg');
  feed.push(IMAGE.subarray(100)).end();
  assert.deepEqual((await before.done()).body, IMAGE);
  assert.equal(h.store?.counts().objects, 0);
  assert.deepEqual(h.passed, ['purged']);
  for (const accept of ['a/b', 'c/d'])
    await h.fill('/a.jpg', { body: IMAGE, headers: { ...TAGGED, vary: 'Accept' } }, { headers: { Accept: accept } });
  h.clock.advance(EXPIRED_MS);
  const waiting = h.ask('/a.jpg', { headers: { Accept: 'a/b' } });
  const ask = await h.origin.next();
  h.purge('/a.jpg');
  assert.equal(h.store?.counts().objects, 0);
  ask.answer({ status: 304, body: '' });
  assert.equal((await waiting.done()).headers.get('cache-status'), 'n1; fwd=stale; fwd-status=304');
  assert.equal(h.store?.counts().objects, 0, 'a 304 does not bring it back');
});

test('fill memory all in use: a pass with that reason, and the next ones are kept again', async () => {
  const h = await house({ fillMemory: 6_000 });
  const first = h.ask('/a.jpg');
  const feed = (await h.origin.next()).answer({ length: 5_000 }).push(IMAGE.subarray(0, 100));
  await first.receives(100);
  const second = await h.fill('/b.jpg', { body: IMAGE });
  assert.equal(second.headers.get('cache-status'), 'n1; fwd=uri-miss; fwd-status=200; detail=fill-memory');
  assert.deepEqual(second.body, IMAGE);
  feed.push(IMAGE.subarray(100)).end();
  await first.done();
  assert.equal((await h.fill('/b.jpg', { body: IMAGE })).headers.get('cache-status'), 'n1; fwd=uri-miss; fwd-status=200; stored');
});

test('a body as large as the tier does not fit beside its head: too big, and it says so', async () => {
  const h = await house({ memory: 5_000, rules: { max_object: 5_000 } });
  const passed = await h.fill('/a.jpg', { body: IMAGE });
  assert.equal(passed.headers.get('cache-status'), 'n1; fwd=uri-miss; fwd-status=200; detail=too-big');
});

test('no tier at all: every answer passes, shared by those who wait', async () => {
  const h = await house({ memory: 0 });
  const first = h.ask('/a.jpg');
  const ask = await h.origin.next();
  const follower = h.ask('/a.jpg');
  await h.get('/-no-path//');
  ask.answer({ body: IMAGE });
  assert.deepEqual((await first.done()).body, IMAGE);
  assert.deepEqual((await follower.done()).body, IMAGE);
  assert.equal((await first.head()).headers.get('cache-status'), 'n1; fwd=uri-miss; fwd-status=200; detail=tier-off');
});

test('a body that outgrows max_object: whole for a lone reader, cut or whole for many, never short and clean', async () => {
  const size = 2_000_000;
  const big = jpeg(size);
  const h = await house({ rules: { max_object: 500_000 } });
  const clients = Array.from({ length: 60 }, () => h.ask('/a.jpg'));
  const ask = await h.origin.next();
  await h.get('/-no-path//');
  const leaver = clients.pop()!;
  for (const [at, client] of clients.entries()) if (at % 3 === 0) client.socket.pause();
  const feed = ask.answer({ length: null });
  let pushed = 0;
  for (; pushed < size; pushed += 50_000) {
    feed.push(big.subarray(pushed, pushed + 50_000));
    if (pushed === 300_000) leaver.leave();
    if (pushed === 1_000_000) for (const client of clients) client.socket.resume();
  }
  feed.end();
  for (const answered of await Promise.all(clients.map((client) => client.done()))) {
    assert.deepEqual([answered.whole, answered.body.equals(big)], [true, true]);
  }
  assert.equal(h.store?.counts().objects, 0);
  assert(h.passed.includes('too-big'));
});

test('response_headers: removed, replaced, added; on hits too', async () => {
  const rules = { response_headers: { add: { 'X-Robots-Tag': 'noindex' }, remove: ['server', 'x-powered-by'] } };
  const h = await house({ rules });
  const headers = { server: 'Apache', 'x-powered-by': 'PHP', 'x-robots-tag': 'all', 'x-deckle-result': 'hot', 'x-kept': '1' };
  await h.fill('/a.jpg', { body: IMAGE, headers });
  const hit = await h.get('/a.jpg');
  for (const name of ['server', 'x-powered-by', 'x-deckle-result']) assert.equal(hit.headers.get(name), undefined, name);
  assert.equal(hit.headers.get('x-robots-tag'), 'noindex');
  assert.equal(hit.headers.get('x-kept'), '1');
});

test('a front is told how long it may keep a copy, and from where in the purge log: of fresh 200s out of the store only', async () => {
  const h = await house({ peer: true });
  const said = async (path: string, headers = {}) => (await h.get(path, { headers })).headers.get('x-deckle-copy');
  const miss = await h.fill('/a.jpg', { body: IMAGE, headers: TAGGED });
  assert.equal(miss.headers.get('x-deckle-copy'), undefined);
  h.clock.advance(13_000);
  assert.equal(await said('/a.jpg'), `47000 ${'0'.repeat(48)}`);
  await h.fill('/gone.jpg', { status: 404, body: 'gone' });
  assert.equal(await said('/gone.jpg'), undefined);
  h.clock.advance(47_000);
  assert.equal(await said('/a.jpg'), undefined, 'stale');
  (await h.origin.next()).answer({ status: 304, body: '' });
});

test('a client that is no front of ours is told nothing of copies', async () => {
  const h = await house();
  await h.fill('/a.jpg', { body: IMAGE, headers: TAGGED });
  assert.equal((await h.get('/a.jpg')).headers.get('x-deckle-copy'), undefined);
});

test('what is fetched with credentials that the site sends on is never for a copy', async () => {
  const h = await house({ peer: true, rules: { request_headers: ['authorization'] } });
  await h.fill('/a.jpg', { body: IMAGE, headers: TAGGED });
  const client = h.ask('/a.jpg', { headers: { Authorization: 'Basic x' } });
  (await h.origin.next()).answer({ body: IMAGE, headers: TAGGED });
  assert.equal((await client.done()).headers.get('x-deckle-copy'), undefined);
});

test('what reaches the origin: the way, honestly, and nothing that a client made up', async () => {
  const h = await house({ rules: { request_headers: ['*'] } });
  const client = h.ask('/a.jpg', {
    headers: {
      'X-Deckle-From': 'me',
      'X-Deckle-Result': 'hot',
      'X-Forwarded-For': '6.6.6.6',
      'X-Forwarded-Host': 'evil',
      Forwarded: 'for=6.6.6.6',
      'X-Original-URL': '/admin',
      'X-Rewrite-URL': '/admin',
      'X-HTTP-Method-Override': 'DELETE',
      'X-Host': 'evil',
      Via: '1.1 proxy',
      'CDN-Loop': 'other',
      Range: 'bytes=0-1',
      'If-None-Match': '"x"',
      'Accept-Encoding': 'gzip',
      Connection: 'close, X-Hop',
      'X-Hop': '1',
      TE: 'trailers',
      'X-Custom': 'kept',
      'X-Request-Id': 'forged',
    },
  });
  const ask = await h.origin.next();
  assert.deepEqual(Object.fromEntries(ask.request.headers), {
    'x-custom': 'kept',
    via: '1.1 proxy, 1.1 deckle',
    'x-forwarded-for': '127.0.0.1',
    'cdn-loop': 'other, deckle',
    'x-request-id': 'id-1',
  });
  ask.answer({ body: IMAGE });
  await client.done();
  const loop = await h.get('/a.jpg', { headers: { 'CDN-Loop': 'other, deckle' } });
  assert.equal(loop.status, 508);
  assert.equal(loop.headers.get('cache-status'), 'n1; detail=loop');
});

test('a client that leaves while it waits leaves nothing behind, not even its stale_wait', async () => {
  const h = await house();
  await h.fill('/a.jpg', { body: IMAGE, headers: TAGGED });
  h.clock.advance(EXPIRED_MS);
  const client = h.ask('/a.jpg');
  const ask = await h.origin.next();
  client.leave();
  await until('the leaver is noted', () => h.notes.length === 2);
  ask.answer({ status: 304, body: '' });
  await until('the flight has landed', () => h.flights.count === 0);
  assert.equal(process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length, 0);
});
