import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { type AnswerHead, HeadScan, type ScanStep } from './answer-head.ts';

function parse(text: string): AnswerHead {
  const step = new HeadScan().push(Buffer.from(text, 'latin1'));
  assert.ok(step.kind === 'head', text);
  return step.head;
}

function scan(bytes: Buffer, cuts: readonly number[]): { step: ScanStep; used: number } {
  const scanner = new HeadScan();
  let from = 0;
  let step: ScanStep = { kind: 'more' };
  for (const to of [...new Set([...cuts, bytes.length])].sort((a, b) => a - b)) {
    if (to <= from) continue;
    // A copy each, so that nothing leans on what lies behind a piece.
    step = scanner.push(Buffer.from(bytes.subarray(from, to)));
    from = to;
    if (step.kind !== 'more') break;
  }
  return { step, used: from };
}

test('a good head: end-to-end fields in lower case, in order, values trimmed', () => {
  const head = parse(
    'HTTP/1.1 200 \r\nContent-Type:image/png \t\r\nX-A:\r\nContent-Length: 007\r\nConnection: x-hop, Keep-Alive\r\n' +
      'X-Hop: 1\r\nKeep-Alive: timeout=5, max=9\r\nset-cookie: a=\xff\r\nSet-Cookie: b\r\nProxy-Authenticate: x\r\n\r\n',
  );
  assert.deepEqual(head, {
    status: 200,
    headers: [
      ['content-type', 'image/png'],
      ['x-a', ''],
      ['set-cookie', 'a=\xff'],
      ['set-cookie', 'b'],
    ],
    framing: { kind: 'length', bytes: 7 },
    persistent: true,
    keepAliveSeconds: 5,
  });
});

test('Connection takes away what is its own, not what decides about keeping', () => {
  const head = parse(
    'HTTP/1.1 200 OK\r\nConnection: close, Cache-Control, Set-Cookie, x\r\nCache-Control: no-store\r\nX: 1\r\nContent-Length: 0\r\n\r\n',
  );
  assert.ok(!head.persistent);
  assert.deepEqual(head.headers, [['cache-control', 'no-store']]);
});

test('where the body ends and whether the connection lives on', () => {
  const rows: readonly (readonly [text: string, framing: string, persistent: boolean])[] = [
    ['HTTP/1.1 200 OK\r\nContent-Length: 5', 'length', true],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked', 'chunked', true],
    ['HTTP/1.1 200 OK', 'close', false],
    ['HTTP/1.0 200 OK\r\nContent-Length: 5', 'length', false],
    ['HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive', 'length', true],
    ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: x\r\nConnection: Close', 'length', false],
    ['HTTP/1.1 304 Not Modified', 'none', true],
    ['HTTP/1.1 304 Not Modified\r\nContent-Length: 5', 'none', true],
    ['HTTP/1.1 204 No Content', 'none', true],
  ];
  for (const [text, framing, persistent] of rows) {
    const head = parse(`${text}\r\n\r\n`);
    assert.deepEqual([head.framing.kind, head.persistent], [framing, persistent], text);
  }
});

test('right at every split, interim answers dropped', () => {
  const final = 'HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 4\r\n\r\n';
  const line = fc.constantFrom(
    'HTTP/1.1 102 Processing\r\n\r\n',
    'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n',
    'HTTP/1.1 100 \r\n\r\n',
  );
  const cuts = fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 30 });
  fc.assert(
    fc.property(fc.array(line, { maxLength: 8 }), cuts, fc.constantFrom('', 'bo', 'body'), (interim, where, body) => {
      const bytes = Buffer.from(interim.join('') + final + body, 'latin1');
      const { step, used } = scan(bytes, where);
      assert.ok(step.kind === 'head');
      assert.equal(step.bytes.toString('latin1', 0, step.bodyAt), final);
      assert.equal(step.bytes.toString('latin1', step.bodyAt) + bytes.toString('latin1', used), body);
    }),
  );
});

test('whatever comes, in whatever pieces: no throw, one verdict, and a head that passes has no two readings', () => {
  const base = 'HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 4\r\nX-A: b\r\n\r\nbody';
  const mutation = fc.tuple(
    fc.integer({ min: 0, max: base.length }),
    fc.integer({ min: 0, max: 3 }),
    fc.constantFrom('', '\r', '\n', '\r\n', '\0', ' ', '\t', ':', 'x', '\r\n ', 'HTTP/1.1 ', '\xff', '5', ','),
  );
  fc.assert(
    fc.property(
      fc.array(mutation, { minLength: 1, maxLength: 4 }),
      fc.array(fc.integer({ min: 1, max: 90 })),
      (mutations, cuts) => {
        let text = base;
        for (const [at, drop, put] of mutations) text = text.slice(0, at) + put + text.slice(at + drop);
        const bytes = Buffer.from(text, 'latin1');
        const whole = scan(bytes, []);
        const split = scan(bytes, cuts);
        assert.equal(split.step.kind, whole.step.kind, 'the split decides nothing');
        if (whole.step.kind !== 'head') return;
        const head = whole.step.bytes.toString('latin1', 0, whole.step.bodyAt);
        assert.doesNotMatch(head.replaceAll('\r\n', ''), /[\r\n\0]/);
        assert.doesNotMatch(head, /\r\n[ \t]/);
        assert.ok((head.match(/\r\ncontent-length/gi) ?? []).length <= 1);
      },
    ),
    { numRuns: 500 },
  );
});

test('limits are exact', () => {
  const start = 'HTTP/1.1 200 OK\r\n';
  const filled = (size: number): string => `${start}X: ${'a'.repeat(size - start.length - 7)}\r\n\r\n`;
  assert.equal(filled(32 * 1024).length, 32 * 1024);
  assert.equal(scan(Buffer.from(filled(32 * 1024)), []).step.kind, 'head');
  assert.equal(scan(Buffer.from(filled(32 * 1024 + 1)), []).step.kind, 'broken');
  assert.equal(scan(Buffer.from(filled(40 * 1024)), [1, 9_000, 32 * 1024]).step.kind, 'broken');
  const lines = (count: number): Buffer => Buffer.from(`${start}${'X: y\r\n'.repeat(count)}\r\n`);
  assert.equal(scan(lines(256), []).step.kind, 'head');
  assert.equal(scan(lines(257), []).step.kind, 'broken');
});

test('what is kept of a head does not hold what was dropped of it', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const kept: unknown[] = [];
  const dropped = `Proxy-Authenticate: ${'x'.repeat(30_000)}\r\n`;
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let at = 0; at < 500; at += 1)
    kept.push(parse(`HTTP/1.1 200 OK\r\n${dropped}content-type: image/png; of=${at}\r\nContent-Length: 0\r\n\r\n`).headers);
  collect();
  const held = process.memoryUsage().heapUsed - before;
  assert(held < 3_000_000, `${held} bytes held by ${kept.length} small heads`);
});
