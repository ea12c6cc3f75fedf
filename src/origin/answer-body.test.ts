import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Fault } from '../base/fault.ts';
import { AnswerBody } from './answer-body.ts';

const RESET = new Fault('DECKLE_ORIGIN_RESET');

function body(length: number | undefined): { body: AnswerBody; calls: string[] } {
  const calls: string[] = [];
  return {
    body: new AnswerBody(length, 1_000, { resume: () => void calls.push('resume'), stop: () => void calls.push('stop') }),
    calls,
  };
}

async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const mark = {};
  return (await Promise.race([promise, Promise.resolve(mark)])) === mark;
}

test('the last bytes wait for the end, whatever the pieces, and never come when it failed', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 8 }),
      fc.boolean(),
      fc.boolean(),
      async (sizes, known, good) => {
        const length = sizes.reduce((sum, size) => sum + size, 0);
        const { body: subject } = body(known ? length : undefined);
        let read = 0;
        let pending = subject.read();
        for (const size of sizes) {
          subject.push(Buffer.alloc(size));
          while (!(await isPending(pending))) {
            const part = await pending;
            assert.ok(part.kind === 'data');
            read += part.bytes.length;
            pending = subject.read();
          }
        }
        assert.ok(read <= length - (sizes.at(-1) as number), 'the last piece is kept back');
        if (good) subject.end();
        else subject.fail(RESET);
        for (;;) {
          const part = await pending;
          if (part.kind !== 'data') {
            assert.equal(part.kind, good ? 'end' : 'failed');
            break;
          }
          read += part.bytes.length;
          pending = subject.read();
        }
        assert.equal(read === length, good);
        assert.equal((await subject.read()).kind, good ? 'end' : 'failed');
      },
    ),
  );
});

test('asks to pause at 64 KB unread and to resume when they are read', async () => {
  const { body: subject, calls } = body(1_000_000);
  assert.equal(subject.push(Buffer.alloc(64 * 1024 - 1)), true);
  assert.equal(subject.push(Buffer.alloc(1)), false);
  assert.equal(calls.length, 0);
  await subject.read();
  assert.deepEqual(calls, ['resume']);
});

test('a timer runs while a read waits, starts anew with each piece, and at no other time', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { body: subject, calls } = body(undefined);
  subject.push(Buffer.from('a'));
  t.mock.timers.tick(10_000);
  const first = subject.read();
  t.mock.timers.tick(999);
  subject.push(Buffer.from('b'));
  assert.deepEqual(await first, { kind: 'data', bytes: Buffer.from('a') });
  t.mock.timers.tick(10_000);
  const second = subject.read();
  t.mock.timers.tick(1_000);
  const part = await second;
  assert.ok(part.kind === 'failed' && part.fault.code === 'DECKLE_ORIGIN_TIMEOUT');
  assert.ok(calls.includes('stop'));
});

test('abort drops what is unread, fails a pending read, stops the source once', async () => {
  const { body: subject, calls } = body(10);
  subject.push(Buffer.from('abc'));
  subject.abort();
  subject.abort();
  assert.equal((await subject.read()).kind, 'failed');
  assert.deepEqual(calls, ['stop']);
  const { body: other } = body(10);
  const pending = other.read();
  other.abort();
  assert.equal((await pending).kind, 'failed');
  assert.equal(other.push(Buffer.from('late')), true);
  assert.equal((await other.read()).kind, 'failed');
});

test('one read at a time', () => {
  const { body: subject } = body(10);
  void subject.read();
  assert.throws(() => subject.read(), /one read/);
  subject.abort();
});
