import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FillBody, FillBudget, PASS_WINDOW } from './fill-body.ts';

const KB = 1024;

function numbered(from: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let at = 0; at < length; at += 1) bytes[at] = ((from + at) * 31 + ((from + at) >> 8)) & 0xff;
  return bytes;
}

function readAll(body: FillBody, reader: { position: number }, end = Number.POSITIVE_INFINITY): void {
  for (let bytes = body.at(reader.position, end); bytes !== undefined; bytes = body.at(reader.position, end)) {
    assert(bytes.equals(numbered(reader.position, bytes.length)), `wrong bytes at ${reader.position}`);
    reader.position += bytes.length;
  }
}

test('a declared length is reserved at once, and the whole body is that very buffer', () => {
  const budget = new FillBudget(1_000);
  const body = new FillBody(budget);
  assert.equal(body.keep(600, 800), undefined);
  assert.equal(budget.used, 600);
  assert.equal(body.push(numbered(0, 250)), undefined);
  assert.equal(body.push(numbered(250, 350)), undefined);
  const whole = body.whole();
  assert(whole.equals(numbered(0, 600)));
  assert.equal(whole.buffer.byteLength, 600);
  body.release(whole);
  assert.equal(budget.used, 0);
});

test('refusals: a declared length above the limit, a budget that is all in use', () => {
  const budget = new FillBudget(1_000);
  assert.equal(new FillBody(budget).keep(801, 800), 'too-big');
  assert.equal(new FillBody(budget).keep(800, 800), undefined);
  const late = new FillBody(budget);
  assert.equal(late.keep(300, 800), 'fill-memory');
  assert.equal(late.keeping, false);
  assert.equal(budget.used, 800);
});

test('an unknown length grows, keeps every byte, and a slow reader pins nothing twice', () => {
  const budget = new FillBudget(8 * 1024 * KB);
  const body = new FillBody(budget);
  const slow = { position: 0 };
  body.keep(undefined, 6 * 1024 * KB);
  body.addReader(slow);
  let filled = 0;
  while (filled < 5_000_000) {
    assert.equal(body.push(numbered(filled, 33_333)), undefined);
    filled += 33_333;
    assert(budget.used >= filled && budget.used <= 6 * 1024 * KB);
  }
  readAll(body, slow);
  const whole = body.whole();
  assert(whole.equals(numbered(0, filled)));
  assert.equal(whole.buffer.byteLength, filled);
  body.release(whole);
  assert.equal(budget.used, 0, 'what was stored is counted by the store');
});

test('a body that is over but not stored stays reserved for as long as a reader holds it', () => {
  const budget = new FillBudget(1024 * KB);
  const body = new FillBody(budget);
  const slow = { position: 0 };
  body.keep(undefined, 1024 * KB);
  body.addReader(slow);
  for (let at = 0; at < 8; at += 1) body.push(numbered(at * 64 * KB, 64 * KB));
  const held = budget.used;
  body.release(undefined);
  assert.equal(budget.used, held);
  slow.position = 300 * KB;
  body.trim();
  assert(budget.used < held, 'what it has read is free');
  readAll(body, slow);
  body.removeReader(slow);
  assert.equal(budget.used, 0);
});

test('outgrown: it turns to pass in the middle, readers lose nothing, the window holds', () => {
  const budget = new FillBudget(10 * 1024 * KB);
  const body = new FillBody(budget);
  const [quick, slow] = [{ position: 0 }, { position: 0 }];
  body.keep(undefined, 200 * KB);
  body.addReader(quick);
  body.addReader(slow);
  let filled = 0;
  const push = (): string | undefined => {
    const refusal = body.push(numbered(filled, 30 * KB));
    filled += 30 * KB;
    readAll(body, quick);
    body.trim();
    return refusal;
  };
  const refusals: (string | undefined)[] = [];
  while (body.room) refusals.push(push());
  assert.deepEqual(
    refusals.filter((each) => each !== undefined),
    ['too-big'],
  );
  assert(filled - slow.position >= PASS_WINDOW && filled - slow.position < PASS_WINDOW + 30 * KB);
  readAll(body, slow, 100 * KB);
  assert.equal(body.room, true);
  readAll(body, slow);
  body.trim();
  assert.equal(budget.used, 0);
  body.removeReader(slow);
  body.removeReader(quick);
  push();
  assert.equal(body.at(0, filled), undefined, 'nobody reads: nothing is held');
});

test('many tiny parts behind a slow reader are gathered', () => {
  const body = new FillBody(new FillBudget(0));
  const slow = { position: 0 };
  body.addReader(slow);
  for (let at = 0; at < 20_000; at += 1) body.push(numbered(at, 1));
  let pieces = 0;
  for (let bytes = body.at(slow.position, 20_000); bytes !== undefined; bytes = body.at(slow.position, 20_000)) {
    assert(bytes.equals(numbered(slow.position, bytes.length)));
    slow.position += bytes.length;
    pieces += 1;
  }
  assert.equal(slow.position, 20_000);
  assert(pieces <= 4, `${pieces} pieces`);
});

const step = fc.oneof(
  fc.record({
    kind: fc.constant('push' as const),
    size: fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 90_000 })),
  }),
  fc.record({ kind: fc.constant('join' as const) }),
  fc.record({ kind: fc.constant('read' as const), who: fc.nat(9), size: fc.integer({ min: 1, max: 120_000 }) }),
  fc.record({ kind: fc.constant('leave' as const), who: fc.nat(9) }),
  fc.record({ kind: fc.constant('pass' as const) }),
);

test('any order of pushes, joins, reads and leaves: right bytes, and the budget is given back', () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60 }),
      fc.option(fc.integer({ min: 0, max: 400_000 }), { nil: undefined }),
      fc.integer({ min: 1, max: 500_000 }),
      fc.integer({ min: 0, max: 600_000 }),
      fc.boolean(),
      (steps, length, maxKeep, maxBytes, stored) => {
        const budget = new FillBudget(maxBytes);
        const body = new FillBody(budget);
        body.keep(length, maxKeep);
        let readers: { position: number }[] = [{ position: 0 }];
        body.addReader(readers[0]!);
        let filled = 0;
        for (const each of steps) {
          if (each.kind === 'push') {
            body.push(numbered(filled, each.size));
            filled += each.size;
          } else if (each.kind === 'join') {
            if (!body.keeping) continue;
            const reader = { position: 0 };
            readers.push(reader);
            body.addReader(reader);
          } else if (each.kind === 'pass') body.turnToPass();
          else {
            const reader = readers[each.who % Math.max(1, readers.length)];
            if (reader === undefined) continue;
            if (each.kind === 'leave') {
              readers = readers.filter((other) => other !== reader);
              body.removeReader(reader);
            } else {
              readAll(body, reader, Math.min(filled, reader.position + each.size));
              body.trim();
            }
          }
          assert.equal(budget.used, body.reserved);
          assert(budget.used <= maxBytes);
          assert.equal(body.filled, filled);
          if (body.keeping) assert(body.filled <= body.reserved && body.reserved <= maxKeep);
        }
        if (body.keeping && stored) {
          const whole = body.whole();
          assert(whole.equals(numbered(0, filled)));
          body.release(whole);
          assert.equal(budget.used, 0);
        } else body.release(undefined);
        for (const reader of readers) {
          readAll(body, reader);
          assert.equal(reader.position, filled);
          body.removeReader(reader);
        }
        assert.equal(budget.used, 0);
      },
    ),
    { numRuns: 300 },
  );
});
