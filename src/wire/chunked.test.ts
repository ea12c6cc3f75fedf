import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ChunkReader } from './chunked.ts';

function read(text: string, splits: readonly number[] = []) {
  const bytes = Buffer.from(text, 'latin1');
  const reader = new ChunkReader();
  let body = '';
  let from = 0;
  for (const end of [...splits, bytes.length]) {
    const result = reader.read(bytes.subarray(from, end), (data) => {
      body += data.toString('latin1');
    });
    if (result === 'broken') return { result, body };
    if (result === 'done') return { result, body, used: from + reader.used };
    from = end;
  }
  return { result: 'more', body };
}

const GOOD: readonly (readonly [text: string, body: string])[] = [
  ['0\r\n\r\n', ''],
  ['5\r\nhello\r\n0\r\n\r\n', 'hello'],
  ['05\r\nhello\r\n000\r\n\r\n', 'hello'],
  ['A\r\n0123456789\r\n1\r\n\r\r\n0\r\n\r\n', '0123456789\r'],
  ['5;a=b;c="d e"\r\nhello\r\n0;x\r\n\r\n', 'hello'],
  ['0\r\nTrailer: x\r\nAnother:\t\xff\r\n\r\n', ''],
  ['2\r\n\r\n\r\n0\r\n\r\n', '\r\n'],
];
const BROKEN: readonly string[] = [
  '\r\n',
  ' 5\r\n',
  '5 \r\n',
  '5x\r\n',
  '0x5\r\n',
  '-5\r\n',
  '+5\r\n',
  '5\n',
  '5\r5',
  '5;\r\n',
  '5;a\n',
  '5;a\rb',
  '5;\0',
  '5;a\x7f',
  'FFFFFFFFFFFFF\r\n',
  '5\r\nhello!',
  '5\r\nhello\n',
  '5\r\nhello\r\r',
  '0\r\n\n',
  '0\r\n\rx',
  '0\r\n x: y\r\n',
  '0\r\n: y\r\n',
  '0\r\nx\r\n',
  '0\r\nx y: z\r\n',
  '0\r\nx: a\n',
  '0\r\nx: a\0',
  `5;${'a'.repeat(9000)}`,
  `0\r\n${'x: a\r\n'.repeat(5000)}`,
];

test('chunks are read, and what lies behind them is left', () => {
  for (const [text, body] of GOOD) {
    assert.deepEqual(read(text), { result: 'done', body, used: text.length }, text);
    assert.deepEqual(read(`${text}0\r\n\r\n`), { result: 'done', body, used: text.length }, text);
    assert.equal(read(text.slice(0, -1)).result, 'more', text);
  }
});

test('what is refused', () => {
  for (const text of BROKEN) assert.equal(read(text).result, 'broken', text);
});

test('what was refused or has ended reads nothing more', () => {
  const reader = new ChunkReader();
  const sink = () => assert.fail('a byte came out');
  assert.equal(reader.read(Buffer.from('x'), sink), 'broken');
  assert.equal(reader.read(Buffer.from('5\r\nhello'), sink), 'broken');
  const ended = new ChunkReader();
  assert.equal(ended.read(Buffer.from('0\r\n\r\n'), sink), 'done');
  assert.equal(ended.read(Buffer.from('5\r\nhello'), sink), 'done');
  assert.equal(ended.used, 0);
});

test('extensions are bounded by the line, not by the message', () => {
  const text = `${'1;ext="some text"\r\nx\r\n'.repeat(2_000)}0\r\n\r\n`;
  assert.deepEqual(read(text), { result: 'done', body: 'x'.repeat(2_000), used: text.length });
});

test('where it is split says nothing', () => {
  for (const text of [...GOOD.map(([each]) => each), ...BROKEN.filter((each) => each.length < 100)]) {
    const whole = read(text);
    assert.deepEqual(
      read(
        text,
        Array.from(text, (_, at) => at),
      ),
      whole,
      text,
    );
    for (let at = 0; at < text.length; at += 1) assert.deepEqual(read(text, [at]), whole, `${text} at ${at}`);
  }
});

test('any body comes out as it went in', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 40 }), { maxLength: 8 }),
      fc.array(fc.nat(200), { maxLength: 5 }),
      (chunks, cuts) => {
        const text = `${chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('')}0\r\n\r\n`;
        const splits = cuts.filter((cut) => cut < text.length).sort((one, two) => one - two);
        assert.deepEqual(read(text, splits), { result: 'done', body: chunks.join(''), used: text.length });
      },
    ),
  );
});
