// What may be finished by another node, and what is taken for the rest.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeadScanner } from '../wire/scanner.ts';
import { after, askingLines, isRemainder, promised } from './remainder.ts';

function head(status: number, ...lines: readonly string[]): HeadScanner {
  const scanner = new HeadScanner('response', { maxBytes: 64 * 1024, maxFields: 64 });
  const bytes = Buffer.from(`HTTP/1.1 ${status} X\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`, 'latin1');
  assert.equal(scanner.scan(bytes, 0, bytes.length), 'done');
  return scanner;
}

const TAG = 'ETag: "a"';

test('a whole answer and one range of one can be finished', () => {
  assert.deepEqual(promised(head(200, TAG, 'Content-Length: 9')), { etag: '"a"', first: 0, last: 8, total: 9 });
  assert.deepEqual(promised(head(206, TAG, 'Content-Length: 3', 'Content-Range: bytes 2-4/9')), {
    etag: '"a"',
    first: 2,
    last: 4,
    total: 9,
  });
});

/** Answers that nobody can go on with. */
const ALONE: readonly [name: string, status: number, lines: readonly string[]][] = [
  ['no tag', 200, ['Content-Length: 9']],
  ['a weak tag', 200, ['ETag: W/"a"', 'Content-Length: 9']],
  ['a tag that is none', 200, ['ETag: a', 'Content-Length: 9']],
  ['two tags', 200, [TAG, 'ETag: "b"', 'Content-Length: 9']],
  ['a tag with a quote inside', 200, ['ETag: "a"b"', 'Content-Length: 9']],
  ['no length', 200, [TAG]],
  ['a length of 0', 200, [TAG, 'Content-Length: 0']],
  ['chunks', 200, [TAG, 'Transfer-Encoding: chunked']],
  ['another status', 404, [TAG, 'Content-Length: 9']],
  ['several ranges', 206, [TAG, 'Content-Length: 300', 'Content-Type: multipart/byteranges; boundary=x']],
  ['a range of unknown whole', 206, [TAG, 'Content-Length: 3', 'Content-Range: bytes 2-4/*']],
  ['a range of another length', 206, [TAG, 'Content-Length: 4', 'Content-Range: bytes 2-4/9']],
  ['a range beyond the whole', 206, [TAG, 'Content-Length: 3', 'Content-Range: bytes 7-9/9']],
];

for (const [name, status, lines] of ALONE) {
  test(`cannot be finished: ${name}`, () => assert.equal(promised(head(status, ...lines)), undefined));
}

test('what is missing is asked for by range, on the condition of its tag', () => {
  const whole = promised(head(206, TAG, 'Content-Length: 6', 'Content-Range: bytes 2-7/9'))!;
  const missing = after(whole, 4);
  assert.equal(askingLines(missing), 'Range: bytes=6-7\r\nIf-Range: "a"\r\n');
  assert.equal(isRemainder(head(206, TAG, 'Content-Length: 2', 'Content-Range: bytes 6-7/9'), missing), true);
  assert.equal(isRemainder(head(206, TAG, 'Transfer-Encoding: chunked', 'Content-Range: bytes 6-7/9'), missing), true);
});

/** Answers to `bytes=6-7` of 9 that are not the rest. */
const OTHERS: readonly [name: string, status: number, lines: readonly string[]][] = [
  ['the whole', 200, [TAG, 'Content-Length: 9']],
  ['another tag', 206, ['ETag: "b"', 'Content-Length: 2', 'Content-Range: bytes 6-7/9']],
  ['the tag, but weak', 206, ['ETag: W/"a"', 'Content-Length: 2', 'Content-Range: bytes 6-7/9']],
  ['no tag', 206, ['Content-Length: 2', 'Content-Range: bytes 6-7/9']],
  ['another range', 206, [TAG, 'Content-Length: 2', 'Content-Range: bytes 5-6/9']],
  ['less', 206, [TAG, 'Content-Length: 1', 'Content-Range: bytes 6-6/9']],
  ['of another whole', 206, [TAG, 'Content-Length: 2', 'Content-Range: bytes 6-7/10']],
  ['another length than its range', 206, [TAG, 'Content-Length: 3', 'Content-Range: bytes 6-7/9']],
  ['no range', 206, [TAG, 'Content-Length: 2']],
  ['not satisfiable', 416, [TAG, 'Content-Length: 0', 'Content-Range: bytes */9']],
];

for (const [name, status, lines] of OTHERS) {
  test(`not the rest: ${name}`, () => {
    assert.equal(isRemainder(head(status, ...lines), { etag: '"a"', first: 6, last: 7, total: 9 }), false);
  });
}
