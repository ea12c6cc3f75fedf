import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyHash } from '../asset/key.ts';
import type { Position } from '../base/position.ts';
import { formatPosition } from '../base/position.ts';
import { HeadScanner } from '../wire/scanner.ts';
import { HotCopies, type HotCopy } from './hot.ts';
import type { Taking } from './taking.ts';

const KB = 1024;
const MB = 1024 * KB;
const SENT_ON = ['accept', 'accept-language', 'user-agent'];

function at(low: number, epoch = '00000000000000aa'): Position {
  return { epoch, high: 0n, low: BigInt(low) };
}

function scanned(kind: 'request' | 'response', text: string): HeadScanner {
  const scanner = new HeadScanner(kind, { maxBytes: 8192, maxFields: 50 });
  const bytes = Buffer.from(text, 'latin1');
  assert.equal(scanner.scan(bytes, 0, bytes.length), 'done');
  return scanner;
}

function request(lines = '', method = 'GET'): HeadScanner {
  return scanned('request', `${method} / HTTP/1.1\r\nHost: a\r\n${lines}\r\n`);
}

interface Answered {
  readonly body?: string | Buffer;
  /** What the node lets us keep it for; undefined: it says nothing. */
  readonly lifetimeMs?: number | undefined;
  readonly position?: Position;
  readonly lines?: string;
  readonly status?: number;
  readonly askedMs?: number;
}

/** A front's hot copies under a clock of their own. */
class House {
  nowMs = 1_000_000;
  readonly hot: HotCopies;

  constructor(options: { maxBytes?: number; ttlMs?: number } = {}) {
    this.hot = new HotCopies({ maxBytes: 4 * MB, ttlMs: 10_000, position: at(5), nowMs: this.nowMs, ...options });
  }

  find(key: string, head = PLAIN): HotCopy | undefined {
    return this.hot.find(key, keyHash(key), head, this.nowMs);
  }

  take(key: string, answered: Answered = {}, head = PLAIN, sentOn = SENT_ON): Taking | undefined {
    const body = Buffer.from(answered.body ?? 'hello');
    const { lifetimeMs = 60_000, position = at(5) } = answered;
    const lines = `Date: Tue, 01 Jan 2030 00:00:00 GMT\r\nVia: 1.1 deckle\r\nContent-Type: image/png\r\nETag: "x"\r\n${answered.lines ?? ''}`;
    const word =
      'lifetimeMs' in answered && answered.lifetimeMs === undefined
        ? ''
        : `X-Deckle-Copy: ${lifetimeMs} ${formatPosition(position)}\r\n`;
    const answer = scanned(
      'response',
      `HTTP/1.1 ${answered.status ?? 200} OK\r\n${lines}${word}Content-Length: ${body.length}\r\n\r\n`,
    );
    const asked = { key, hash: keyHash(key), head, sentOn, askedMs: answered.askedMs ?? this.nowMs };
    return this.hot.take(asked, answer, lines, this.nowMs);
  }

  /** A request that goes to the node, whose whole answer passes. Whether there is a copy afterwards. */
  pass(key: string, answered: Answered = {}, head = PLAIN, sentOn = SENT_ON): boolean {
    const taking = this.take(key, answered, head, sentOn);
    taking?.add(Buffer.from(answered.body ?? 'hello'));
    taking?.done();
    return taking !== undefined;
  }

  /** Asked for often enough, and passed. */
  warm(key: string, answered: Answered = {}, head = PLAIN, sentOn = SENT_ON): boolean {
    for (let asked = 0; asked < 3; asked += 1) this.find(key, head);
    return this.pass(key, answered, head, sentOn);
  }
}

const PLAIN = request();

test('a key that was asked for often is copied, one that was not is not', () => {
  const house = new House();
  for (let asked = 1; asked <= 2; asked += 1) {
    assert.equal(house.find('a'), undefined);
    assert.equal(house.pass('a'), false);
  }
  assert.equal(house.find('a'), undefined);
  assert.equal(house.pass('a'), true);
  assert.equal(house.find('a')?.body.toString(), 'hello');
  assert.equal(house.find('b'), undefined);
});

test('a copy lives for the ttl, from when the node was asked', () => {
  const house = new House();
  house.warm('a', { askedMs: house.nowMs - 400 });
  const endMs = house.nowMs - 400 + 10_000;
  const conditional = request('If-None-Match: "x"\r\n');
  house.nowMs = endMs - 1;
  assert.ok(house.find('a', conditional));
  house.nowMs = endMs;
  assert.equal(house.find('a', conditional), undefined);
  assert.deepEqual(house.hot.counts(), { bytes: 0, objects: 0, evictions: 0 });
});

test('and never longer than the node calls it fresh', () => {
  const house = new House();
  house.warm('a', { lifetimeMs: 1_500 });
  const conditional = request('If-None-Match: "x"\r\n');
  house.nowMs += 1_499;
  assert.ok(house.find('a', conditional));
  house.nowMs += 1;
  assert.equal(house.find('a', conditional), undefined);
  assert.equal(house.pass('a', { lifetimeMs: 0 }), false);
  assert.equal(house.pass('a', { lifetimeMs: 800, askedMs: house.nowMs - 800 }), false);
});

test('what makes no copy: another status, no word of the node, a word that is none, HEAD, no body', () => {
  const house = new House();
  assert.equal(house.warm('a', { status: 206 }), false);
  assert.equal(house.warm('a', { status: 404 }), false);
  assert.equal(house.warm('a', { lifetimeMs: undefined }), false);
  assert.equal(house.warm('a', { lifetimeMs: undefined, lines: `X-Deckle-Copy: 1e3 ${'0'.repeat(48)}\r\n` }), false);
  assert.equal(house.warm('a', { body: '' }), false);
  assert.equal(house.warm('a', {}, request('', 'HEAD')), false);
  assert.equal(house.warm('a'), true);
});

test('an answer from before our place in the purge log, or of another epoch, is not kept', () => {
  const house = new House();
  assert.equal(house.warm('a', { position: at(4) }), false);
  assert.equal(house.warm('a', { position: at(9, '00000000000000bb') }), false);
  house.hot.apply('other', at(7));
  assert.equal(house.warm('a', { position: at(6) }), false);
  assert.equal(house.warm('a', { position: at(7) }), true);
  assert.equal(house.warm('b', { position: at(8) }), true);
});

test('a purge removes the copies of its key at once, all variants and no other key', () => {
  const house = new House();
  const vary = { lines: 'Vary: Accept\r\n' };
  house.warm('a', vary, request('Accept: x\r\n'));
  house.warm('a', vary, request('Accept: y\r\n'));
  house.warm('b');
  assert.equal(house.hot.apply('a', at(6)), 2);
  assert.equal(house.find('a', request('Accept: x\r\n')), undefined);
  assert.ok(house.find('b'));
  assert.equal(house.hot.apply('a', at(7)), 0);
});

test('a purge between the head and the end of the body: nothing is kept', () => {
  const house = new House();
  for (let asked = 0; asked < 3; asked += 1) house.find('a');
  const taking = house.take('a')!;
  taking.add(Buffer.from('hel'));
  assert.equal(house.hot.apply('a', at(6)), 0);
  taking.add(Buffer.from('lo'));
  taking.done();
  assert.equal(house.find('a'), undefined);
  assert.equal(house.hot.counts().bytes, 0);
  // A purge of something else does no harm.
  const another = house.take('a', { position: at(6) })!;
  house.hot.apply('b', at(7));
  another.add(Buffer.from('hello'));
  another.done();
  assert.ok(house.find('a'));
});

test('a record of another epoch removes everything: what went before it is not known', () => {
  const house = new House();
  house.warm('a');
  house.warm('b');
  assert.equal(house.hot.apply('c', at(1, '00000000000000bb')), 2);
  assert.equal(house.find('a'), undefined);
  assert.equal(house.warm('a', { position: at(1, '00000000000000bb') }), true);
});

test('a body that is too short, too long or broken off makes no copy', () => {
  const house = new House();
  for (let asked = 0; asked < 3; asked += 1) house.find('a');
  const short = house.take('a')!;
  short.add(Buffer.from('hell'));
  short.done();
  const long = house.take('a')!;
  long.add(Buffer.from('hello!'));
  long.done();
  const broken = house.take('a')!;
  broken.add(Buffer.from('hello'));
  broken.drop();
  broken.done();
  assert.deepEqual(house.hot.counts(), { bytes: 0, objects: 0, evictions: 0 });
});

test('the bytes are copied: what passes may change afterwards', () => {
  const house = new House();
  for (let asked = 0; asked < 3; asked += 1) house.find('a');
  const taking = house.take('a')!;
  const passing = Buffer.from('hello');
  taking.add(passing);
  passing.fill(0);
  taking.done();
  assert.equal(house.find('a')?.body.toString(), 'hello');
});

test('near its end one request at a time renews the copy, and the others go on using it', () => {
  const house = new House();
  house.warm('a', { body: 'one' });
  house.nowMs += 8_999;
  assert.ok(house.find('a'));
  house.nowMs += 1;
  for (const other of ['If-None-Match: "y"\r\n', 'If-Modified-Since: x\r\n', 'Range: bytes=0-1\r\n'])
    assert.ok(house.find('a', request(other)), 'its answer might be no whole one');
  assert.equal(house.find('a'), undefined, 'this one goes');
  for (let others = 0; others < 100; others += 1) assert.ok(house.find('a'));
  house.pass('a', { body: 'two' });
  assert.equal(house.find('a')?.body.toString(), 'two');
  assert.equal(house.hot.counts().objects, 1);
  house.nowMs += 8_999;
  assert.ok(house.find('a'));
});

test('a renewal that brings nothing is tried again after a while, until the end', () => {
  const house = new House();
  house.warm('a');
  house.nowMs += 9_000;
  let relayed = 0;
  for (; house.nowMs < 1_010_000; house.nowMs += 10) if (house.find('a') === undefined) relayed += 1;
  assert.ok(relayed >= 4 && relayed <= 6, `${relayed}`);
  assert.equal(house.find('a'), undefined);
});

test('variants: by the fields that Vary names and the site sends on', () => {
  const house = new House();
  const vary = { lines: 'Vary: Accept, X-Other\r\n' };
  house.warm('a', { ...vary, body: 'webp' }, request('Accept: image/webp\r\n'));
  house.warm('a', { ...vary, body: 'none' }, request());
  assert.equal(house.find('a', request('Accept: image/webp\r\nX-Other: 1\r\n'))?.body.toString(), 'webp');
  assert.equal(house.find('a', request('X-Other: 2\r\n'))?.body.toString(), 'none');
  assert.equal(house.find('a', request('Accept: image/png\r\n')), undefined);
  assert.equal(house.find('a', request('Accept:\r\n')), undefined);
});

test('variants: a field that Connection names does not reach the node, so such a request neither uses nor makes a copy', () => {
  const house = new House();
  const vary = { lines: 'Vary: Accept\r\n' };
  assert.equal(house.warm('a', vary, request('Accept: x\r\nConnection: accept\r\n')), false);
  assert.equal(house.warm('a', vary, request('Accept: x\r\nConnection: keep-alive\r\n')), true);
  assert.ok(house.find('a', request('Accept: x\r\n')));
  assert.equal(house.find('a', request('Accept: x\r\nConnection: Accept\r\n')), undefined);
});

test('variants: none of an answer that varies on what differs by client', () => {
  const house = new House();
  for (const name of ['*', 'Cookie', 'Authorization', 'X-Forwarded-For', 'Via', 'X-Request-Id', 'X-Deckle-From', 'Host', 'b a d'])
    assert.equal(house.warm('a', { lines: `Vary: Accept, ${name}\r\n` }, PLAIN, ['*']), false, name);
});

test('variants: each must be asked for itself, and there are never more than a few', () => {
  const house = new House();
  const vary = { lines: 'Vary: User-Agent\r\n' };
  house.warm('a', vary, request('User-Agent: 0\r\n'));
  for (let agent = 1; agent < 100; agent += 1) {
    const head = request(`User-Agent: ${agent}\r\n`);
    house.find('a', head);
    assert.equal(house.pass('a', vary, head), false);
  }
  for (let agent = 1; agent < 40; agent += 1) house.warm('a', vary, request(`User-Agent: ${agent}\r\n`));
  assert.equal(house.hot.counts().objects, 16);
});

test('variants: the first of a source finds room among colder copies', () => {
  const house = new House({ maxBytes: 1 * MB });
  const body = Buffer.alloc(60 * KB);
  for (let key = 0; key < 20; key += 1) house.warm(`${key}`, { body });
  const head = request('Accept: x\r\n');
  for (let asked = 0; asked < 10; asked += 1) house.find('a', head);
  assert.ok(house.pass('a', { body, lines: 'Vary: Accept\r\n' }, head));
  assert.ok(house.find('a', head));
  assert.equal(house.hot.counts().evictions, 1);
});

test('variants: another Vary makes the old copies go', () => {
  const house = new House();
  house.warm('a', { lines: 'Vary: Accept\r\n' }, request('Accept: x\r\n'));
  house.warm('a');
  assert.equal(house.hot.counts().objects, 1);
  assert.ok(house.find('a', request('Accept: x\r\n')));
});

test('Age and Cache-Status as time goes by, with the members before the node', () => {
  const house = new House();
  house.warm('a', { lines: 'Age: 7\r\nCache-Status: origin; hit, n1; hit; ttl=50\r\n', askedMs: house.nowMs - 100 });
  const said = () => house.hot.said(house.find('a', request('Range: x\r\n'))!, house.nowMs).text;
  const text = (age: number, ttl: number) => `Age: ${age}\r\nCache-Status: origin; hit, front; hit; ttl=${ttl}; detail=hot\r\n`;
  assert.equal(said(), text(7, 9));
  house.nowMs += 899;
  assert.equal(said(), text(7, 9));
  house.nowMs += 1;
  assert.equal(said(), text(8, 9));
  house.nowMs += 1;
  assert.equal(said(), text(8, 8));
  house.nowMs += 8_998;
  assert.equal(said(), text(16, 0));
});

test('one taking of a key at a time; one that goes at the pace of a slow client gives way', () => {
  const house = new House();
  for (let asked = 0; asked < 3; asked += 1) house.find('a');
  const slow = house.take('a')!;
  assert.equal(house.take('a'), undefined);
  house.nowMs += 1_000;
  assert.ok(house.pass('a', { body: 'quick' }));
  slow.add(Buffer.from('hello'));
  slow.done();
  assert.equal(house.find('a')?.body.toString(), 'quick');
});

test('takings in flight hold a quarter of the room at most, and an object a sixteenth', () => {
  const house = new House({ maxBytes: 1 * MB });
  const takings: (Taking | undefined)[] = [];
  for (let key = 0; key < 20; key += 1) {
    for (let asked = 0; asked < 3; asked += 1) house.find(`${key}`);
    takings.push(house.take(`${key}`, { body: Buffer.alloc(30 * KB) }));
  }
  assert.equal(takings.filter((taking) => taking !== undefined).length, 8);
  assert.ok(house.hot.counts().bytes <= 256 * KB);
  house.nowMs += 1_000;
  assert.ok(house.take('19', { body: Buffer.alloc(30 * KB) }), 'the oldest gives way');
  assert.ok(house.hot.counts().bytes <= 256 * KB);
  for (const taking of takings) taking?.drop();
  assert.equal(house.warm('big', { body: Buffer.alloc(64 * KB + 1) }), false);
  assert.equal(house.warm('big', { body: Buffer.alloc(64 * KB) }), true);
});

/** Repeatable numbers from 0 to 1. */
function randomness(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

test('a scan of 100,000 keys that are asked for once takes no room from the hot ones', () => {
  const house = new House({ maxBytes: 1 * MB });
  const body = Buffer.alloc(20 * KB);
  for (let round = 0; round < 10; round += 1)
    for (let key = 0; key < 30; key += 1) if (house.find(`hot${key}`) === undefined) house.pass(`hot${key}`, { body });
  assert.equal(house.hot.counts().objects, 30);
  for (let key = 0; key < 100_000; key += 1) {
    if (house.find(`scan${key}`) === undefined && key % 10 === 0) house.pass(`scan${key}`, { body });
  }
  assert.deepEqual({ ...house.hot.counts(), bytes: 0 }, { bytes: 0, objects: 30, evictions: 0 });
  for (let key = 0; key < 30; key += 1) assert.ok(house.find(`hot${key}`));
});

test('more hot images than there is room for: near the best choice, without taking turns, and never above the room', () => {
  const maxBytes = 8 * MB;
  const house = new House({ maxBytes });
  const random = randomness(7);
  const images = Array.from({ length: 500 }, (_, rank) => {
    const body = Buffer.alloc(4 * KB + Math.floor(random() * 120 * KB));
    return { key: `all /${rank}.jpg`, body, share: 1 / (rank + 1) ** 0.9 };
  });
  const total = images.reduce((sum, image) => sum + image.share, 0);
  let room = maxBytes;
  let best = 0;
  const worthiest = images.toSorted(
    (a, b) => (b.share * (b.body.length + 32 * KB)) / b.body.length - (a.share * (a.body.length + 32 * KB)) / a.body.length,
  );
  for (const image of worthiest) {
    if (image.body.length > room) continue;
    room -= image.body.length;
    best += image.share / total;
  }
  const draw = () => {
    let left = random() * total;
    for (const image of images) {
      left -= image.share;
      if (left <= 0) return image;
    }
    return images[0]!;
  };
  let hits = 0;
  const rounds = 60_000;
  let evictionsBefore = 0;
  for (let asked = 0; asked < 2 * rounds; asked += 1) {
    house.nowMs += 1;
    const { key, body } = draw();
    if (asked === rounds) evictionsBefore = house.hot.counts().evictions;
    if (house.find(key) !== undefined) {
      if (asked >= rounds) hits += 1;
    } else house.pass(key, { body });
    assert.ok(house.hot.counts().bytes <= maxBytes);
  }
  const evictions = house.hot.counts().evictions - evictionsBefore;
  assert.ok(hits / rounds > 0.85 * best, `${hits / rounds} of ${best}`);
  assert.ok(evictions < rounds / 20, `${evictions} evictions`);
});

test('an answer is worth reading when a copy may come of it', () => {
  const house = new House();
  const wants = (key: string, length = 5) => house.hot.wants(key, keyHash(key), length, house.nowMs);
  assert.equal(wants('a'), false, 'nobody asked');
  for (let asked = 0; asked < 2; asked += 1) house.find('a');
  assert.equal(wants('a'), false);
  house.find('a');
  assert.equal(wants('a'), true);
  assert.equal(wants('a', 4 * MB), false, 'it is too large');
  assert.equal(house.pass('a'), true);
  assert.equal(wants('a'), true, 'the next copy is made of it');
});

test('who was refused room speaks for all of no more worth, for a moment', () => {
  const house = new House({ maxBytes: 64 * KB });
  const body = Buffer.alloc(3 * KB);
  const wants = (key: string) => house.hot.wants(key, keyHash(key), body.length, house.nowMs);
  const ask = (key: string, times: number) => {
    for (let asked = 0; asked < times; asked += 1) house.find(key);
  };
  for (let at = 0; at < 40; at += 1) {
    ask(`kept ${at}`, 20);
    house.pass(`kept ${at}`, { body });
  }
  house.nowMs += 20;
  ask('mild', 4);
  ask('mild too', 4);
  ask('great', 100);
  assert.equal(wants('mild'), true, 'nothing is known yet');
  assert.equal(house.pass('mild', { body }), false);
  assert.equal(wants('mild'), false);
  assert.equal(wants('mild too'), false);
  assert.equal(wants('great'), true);
  const kept = Array.from({ length: 40 }, (_, at) => `kept ${at}`).find((key) => house.find(key) !== undefined)!;
  assert.equal(wants(kept), true, 'it has room');
  house.nowMs += 20;
  assert.equal(wants('mild'), true, 'others may be worth less by now');
});
