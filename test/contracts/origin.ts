// What every origin must do, whatever stands behind it (src/origin/origin.ts): one suite, run by the tests of each implementation.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import type { BodyPart, Origin, OriginAnswer, OriginBody, OriginRequest } from '../../src/origin/origin.ts';
import { firstValue, type HeaderList } from '../../src/wire/headers.ts';

export interface OriginLimits {
  /** Requests that hold a connection or a file at one time. */
  readonly busy: number;
  readonly queue: { readonly max: number; readonly timeoutMs: number };
}

/** A store with known contents, and ways to open origins on it. */
export interface OriginStore {
  put(path: string, bytes: Buffer): Promise<void>;
  origin(limits: OriginLimits): Origin;
  /** Bytes that have been taken out of the store since the start, as far as it can tell. */
  taken(): number;
  /** What a reader who does not read may cost, in bytes taken out of the store. */
  readonly slack: number;
  close(): Promise<void>;
}

const LIMITS: OriginLimits = { busy: 4, queue: { max: 8, timeoutMs: 5_000 } };
const LARGE = 5 * 1024 * 1024 + 17;
const HUGE = 48 * 1024 * 1024;

export function asked(target: string, headers: HeaderList = []): OriginRequest {
  return { method: 'GET', target, clientHost: 'images.example', headers };
}

export function never(): AbortSignal {
  return new AbortController().signal;
}

/** All of a body, and how it ended. */
export async function readAll(body: OriginBody): Promise<{ bytes: Buffer; end: Exclude<BodyPart, { kind: 'data' }> }> {
  const parts: Buffer[] = [];
  for (;;) {
    const part = await body.read();
    if (part.kind !== 'data') return { bytes: Buffer.concat(parts), end: part };
    assert.ok(part.bytes.length > 0, 'a part of a body holds bytes');
    parts.push(part.bytes);
  }
}

export function mustAnswer(answer: OriginAnswer): Extract<OriginAnswer, { kind: 'answer' }> {
  if (answer.kind === 'failed') throw answer.fault;
  return answer;
}

export function mustFail(answer: OriginAnswer | BodyPart): string {
  assert.equal(answer.kind, 'failed');
  return answer.kind === 'failed' ? answer.fault.code : '';
}

/** Turns of the event loop until it holds; fails after five seconds of them. */
export async function eventually(holds: () => boolean, what: string): Promise<void> {
  const untilMs = performance.now() + 5_000;
  while (!holds()) {
    assert.ok(performance.now() < untilMs, `never: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function seeded(seed: string, size: number): Buffer {
  return createHash('shake256', { outputLength: size }).update(seed).digest();
}

export function originContract(name: string, open: () => Promise<OriginStore>): void {
  describe(`the contract of an origin: ${name}`, () => {
    let store: OriginStore;
    const bodies = new Map<string, Buffer>([
      ['/empty.jpg', Buffer.alloc(0)],
      ['/one.jpg', Buffer.from([0xff])],
      ['/small.jpg', seeded('small', 20_000)],
      ['/piece.jpg', seeded('piece', 256 * 1024)],
      ['/piece-and-one.jpg', seeded('piece', 256 * 1024 + 1)],
      ['/large.jpg', seeded('large', LARGE)],
    ]);

    before(async () => {
      store = await open();
      for (const [path, bytes] of bodies) await store.put(path, bytes);
      await store.put('/huge.jpg', Buffer.alloc(HUGE, 'deckle'));
    });
    after(() => store.close());

    async function withOrigin(limits: OriginLimits, use: (origin: Origin) => Promise<void>): Promise<void> {
      const origin = store.origin(limits);
      try {
        await use(origin);
      } finally {
        await origin.close();
        assert.deepEqual(origin.counts(), { busy: 0, waiting: 0 });
      }
    }

    test('hands out every byte and says how many', () =>
      withOrigin(LIMITS, async (origin) => {
        for (const [path, bytes] of bodies) {
          const { head, body } = mustAnswer(await origin.fetch(asked(path), never()));
          assert.equal(head.status, 200, path);
          assert.equal(head.length, bytes.length, path);
          const read = await readAll(body);
          assert.deepEqual(read.end, { kind: 'end' }, path);
          assert.equal(sha256(read.bytes), sha256(bytes), path);
          assert.deepEqual(await body.read(), { kind: 'end' }, 'end is said for ever');
          assert.ok(
            head.headers.every(
              ([field]) => field === field.toLowerCase() && !/^(content-length|transfer-encoding|connection)$/.test(field),
            ),
          );
        }
        await eventually(() => origin.counts().busy === 0, 'all is given back after the last byte');
      }));

    test('answers 404 for what is not there', () =>
      withOrigin(LIMITS, async (origin) => {
        const { head, body } = mustAnswer(await origin.fetch(asked('/nothing.jpg'), never()));
        assert.equal(head.status, 404);
        assert.equal((await readAll(body)).end.kind, 'end');
      }));

    test('revalidates by the tag it gave', () =>
      withOrigin(LIMITS, async (origin) => {
        const first = mustAnswer(await origin.fetch(asked('/large.jpg'), never()));
        const etag = firstValue(first.head.headers, 'etag') as string;
        assert.match(etag, /^"[^"]+"$/);
        first.body.abort();
        const second = mustAnswer(await origin.fetch(asked('/large.jpg', [['if-none-match', etag]]), never()));
        assert.equal(second.head.status, 304);
        assert.equal(firstValue(second.head.headers, 'etag'), etag);
        assert.deepEqual(await readAll(second.body), { bytes: Buffer.alloc(0), end: { kind: 'end' } });
        const third = mustAnswer(await origin.fetch(asked('/large.jpg', [['if-none-match', '"other"']]), never()));
        assert.equal(third.head.status, 200);
        third.body.abort();
      }));

    test('gives up before the head when it is told to', () =>
      withOrigin(LIMITS, async (origin) => {
        assert.equal(mustFail(await origin.fetch(asked('/large.jpg'), AbortSignal.abort())), 'DECKLE_ORIGIN_RESET');
        for (let i = 0; i < 20; i += 1) {
          const leaving = new AbortController();
          const pending = origin.fetch(asked('/large.jpg'), leaving.signal);
          for (let turn = 0; turn < i; turn += 1) await new Promise((resolve) => setImmediate(resolve));
          leaving.abort();
          const answer = await pending;
          // Which of the two was first depends on the turn; neither may leave anything behind.
          if (answer.kind === 'answer') answer.body.abort();
          else assert.equal(answer.fault.code, 'DECKLE_ORIGIN_RESET');
        }
        await eventually(() => origin.counts().busy === 0, 'the slots are free again');
      }));

    test('gives up in mid-body when it is told to, and a pending read fails', () =>
      withOrigin(LIMITS, async (origin) => {
        for (let i = 0; i < LIMITS.busy * 3; i += 1) {
          const { body } = mustAnswer(await origin.fetch(asked('/large.jpg'), never()));
          assert.equal((await body.read()).kind, 'data');
          let pending = body.read();
          body.abort();
          body.abort();
          // What was at hand may have been handed out already.
          if ((await pending).kind === 'data') pending = body.read();
          assert.equal(mustFail(await pending), 'DECKLE_ORIGIN_RESET');
          assert.equal(mustFail(await body.read()), 'DECKLE_ORIGIN_RESET');
        }
        await eventually(() => origin.counts().busy === 0, 'the slots are free again');
      }));

    test('holds so many at one time, lets so many wait in order, and refuses the rest', () =>
      withOrigin({ busy: 2, queue: { max: 3, timeoutMs: 5_000 } }, async (origin) => {
        const held = await Promise.all([1, 2].map(() => origin.fetch(asked('/large.jpg'), never())));
        const order: number[] = [];
        const waiting = [0, 1, 2].map(async (place) => {
          const answer = mustAnswer(await origin.fetch(asked('/large.jpg'), never()));
          order.push(place);
          const read = await readAll(answer.body);
          assert.equal(sha256(read.bytes), sha256(bodies.get('/large.jpg') as Buffer));
        });
        await eventually(() => origin.counts().waiting === 3, 'three wait');
        assert.equal(origin.counts().busy, 2);
        assert.equal(mustFail(await origin.fetch(asked('/small.jpg'), never())), 'DECKLE_ORIGIN_BUSY');
        const leaving = new AbortController();
        mustAnswer(held[0] as OriginAnswer).body.abort();
        await waiting[0];
        leaving.abort();
        mustAnswer(held[1] as OriginAnswer).body.abort();
        await Promise.all(waiting);
        assert.equal(order[0], 0);
      }));

    test('lets nobody wait for longer than the limit', () =>
      withOrigin({ busy: 1, queue: { max: 3, timeoutMs: 30 } }, async (origin) => {
        const held = mustAnswer(await origin.fetch(asked('/large.jpg'), never()));
        assert.equal(mustFail(await origin.fetch(asked('/small.jpg'), never())), 'DECKLE_ORIGIN_BUSY');
        assert.equal(origin.counts().waiting, 0);
        held.body.abort();
        await eventually(() => origin.counts().busy === 0, 'the slot is free');
        mustAnswer(await origin.fetch(asked('/small.jpg'), never())).body.abort();
      }));

    test('takes no more out of the store than the reader reads', () =>
      withOrigin(LIMITS, async (origin) => {
        const before = store.taken();
        const { body } = mustAnswer(await origin.fetch(asked('/huge.jpg'), never()));
        let last = -1;
        for (let still = 0; still < 1_000; still = store.taken() === last ? still + 1 : 0) {
          last = store.taken();
          await new Promise((resolve) => setImmediate(resolve));
        }
        assert.ok(last - before <= store.slack, `${last - before} bytes were taken for nobody`);
        const read = await readAll(body);
        assert.equal(read.end.kind, 'end');
        assert.equal(read.bytes.length, HUGE);
      }));

    test('after close nothing is left and everybody was told', async () => {
      const before = resources();
      const origin = store.origin({ busy: 1, queue: { max: 3, timeoutMs: 5_000 } });
      const held = mustAnswer(await origin.fetch(asked('/huge.jpg'), never()));
      const waiting = origin.fetch(asked('/large.jpg'), never());
      await eventually(() => origin.counts().waiting === 1, 'one waits');
      await origin.close();
      assert.equal(mustFail(await waiting), 'DECKLE_STOPPING');
      const { end } = await readAll(held.body);
      assert.equal(end.kind, 'failed');
      assert.equal(mustFail(await origin.fetch(asked('/large.jpg'), never())), 'DECKLE_STOPPING');
      assert.deepEqual(origin.counts(), { busy: 0, waiting: 0 });
      await eventually(() => resources() <= before, 'handles are closed');
    });
  });
}

/** Open sockets, running file calls and timers of this process. */
function resources(): number {
  return process.getActiveResourcesInfo().filter((kind) => /TCPSocket|TLS|FSReq|Timeout/.test(kind)).length;
}
