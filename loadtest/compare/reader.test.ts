import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { AnswerReader } from './reader.ts';

const BODY: Buffer = Buffer.from('0123456789'.repeat(300));
const HEAD = `HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: ${BODY.length}\r\nAge: 3\r\n\r\n`;

/** Feeds the parts through one buffer that is used again, as the generator does; what the last one said. */
function feed(reader: AnswerReader, bytes: Buffer, cuts: readonly number[] = []): boolean {
  const shared = Buffer.alloc(bytes.length + 16, '\r\n\r\nHTTP/1.1 200 stale bytes ');
  const ends = [...new Set([...cuts.map((cut) => cut % bytes.length), bytes.length])]
    .filter((at) => at > 0)
    .sort((a, b) => a - b);
  let from = 0;
  let ended = false;
  for (const to of ends) {
    assert.ok(!ended, 'ended before the last byte');
    bytes.copy(shared, 0, from, to);
    ended = reader.take(shared, to - from);
    from = to;
  }
  return ended;
}

test('an answer ends with its last byte, wherever it is split, and another may follow', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(), { maxLength: 12 }), fc.boolean(), (cuts, compare) => {
      const reader = new AnswerReader();
      for (let i = 0; i < 2; i++) {
        reader.expect(BODY, compare);
        const ended = feed(reader, Buffer.concat([Buffer.from(HEAD), BODY]), cuts);
        assert.deepEqual([ended, reader.fault], [true, undefined]);
      }
    }),
  );
});

test('a wrong byte is found anywhere where bodies are compared, and only there', () => {
  fc.assert(
    fc.property(fc.nat(BODY.length - 1), fc.array(fc.nat(), { maxLength: 6 }), (at, cuts) => {
      const wrong = Buffer.from(BODY);
      wrong[at]! ^= 1;
      const bytes = Buffer.concat([Buffer.from(HEAD), wrong]);
      const strict = new AnswerReader();
      strict.expect(BODY, true);
      assert.equal(feed(strict, bytes, cuts), false);
      assert.equal(strict.fault, 'a wrong body');
      const light = new AnswerReader();
      light.expect(BODY, false);
      assert.equal(feed(light, bytes, cuts), true);
    }),
  );
});

test('what is not a whole 200 of that length is refused with its reason', () => {
  const n = BODY.length;
  const refused: readonly (readonly [head: string, fault: RegExp])[] = [
    [`HTTP/1.1 404 Not Found\r\nContent-Length: ${n}\r\n\r\n`, /404/],
    [`HTTP/1.1 2000 OK\r\nContent-Length: ${n}\r\n\r\n`, /2000/],
    [`HTTP/1.0 200 OK\r\nContent-Length: ${n}\r\n\r\n`, /1\.0/],
    [`HTTP/1.1 200 OK\r\nContent-Length: ${n - 1}\r\n\r\n`, /length "2999", not 3000/],
    ['HTTP/1.1 200 OK\r\n\r\n', /length ""/],
    [`HTTP/1.1 200 OK\r\nContent-Length: ${n}\r\ncontent-length: ${n}\r\n\r\n`, /two lengths/],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', /chunks/],
    [`HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${n}\r\n\r\n`, /to close/],
    [`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(20_000)}`, /without end/],
  ];
  for (const [head, fault] of refused) {
    const reader = new AnswerReader();
    reader.expect(BODY, false);
    assert.equal(feed(reader, Buffer.from(head)), false);
    assert.match(reader.fault ?? 'no fault', fault);
  }
});

test('bytes behind a body, and bytes that nobody asked for', () => {
  const behind = new AnswerReader();
  behind.expect(BODY, false);
  assert.equal(feed(behind, Buffer.concat([Buffer.from(HEAD), BODY, Buffer.from('H')])), false);
  assert.equal(behind.fault, 'bytes behind the body');

  const idle = new AnswerReader();
  assert.equal(feed(idle, Buffer.from(HEAD)), false);
  assert.equal(idle.fault, 'bytes that nobody asked for');
});
