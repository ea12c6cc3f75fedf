import assert from 'node:assert/strict';
import { test } from 'node:test';
import { copiedHead } from './copied-head.ts';

test('what is the same for every client stays, as it was written; what was of one answer goes', () => {
  const { head, ageSeconds } = copiedHead(
    'date: Tue, 01 Jan 2030 00:00:00 GMT\r\nVia: 1.0 a, 1.1 deckle\r\nX-Content-Type-Options: nosniff\r\nContent-Type: image/png\r\n' +
      'ETag: "x:y"\r\nLast-Modified: Mon, 31 Dec 2029 00:00:00 GMT\r\nX-Two: 1\r\nX-Two: 2\r\nAccept-Ranges: bytes\r\nContent-Length: 9\r\n' +
      'AGE: 12\r\nCache-Status: n1; hit; ttl=5\r\nX-Request-Id: id-1\r\n',
  );
  const common = 'date: Tue, 01 Jan 2030 00:00:00 GMT\r\nVia: 1.0 a, 1.1 deckle\r\nX-Content-Type-Options: nosniff\r\n';
  const validators = 'ETag: "x:y"\r\nLast-Modified: Mon, 31 Dec 2029 00:00:00 GMT\r\n';
  assert.equal(head.commonLines, common);
  assert.equal(head.notModifiedLines, common + validators);
  assert.equal(head.lines, `${common}Content-Type: image/png\r\n${validators}X-Two: 1\r\nX-Two: 2\r\n`);
  assert.deepEqual([head.contentType, head.etag, head.lastModified], ['image/png', '"x:y"', 'Mon, 31 Dec 2029 00:00:00 GMT']);
  assert.equal(head.date, 'Tue, 01 Jan 2030 00:00:00 GMT');
  assert.equal(head.upstreamStatus, '');
  assert.equal(ageSeconds, 12);
});

test('of Cache-Status the members before the node stay, over all lines', () => {
  const upstream = (text: string) => copiedHead(text).head.upstreamStatus;
  assert.equal(upstream(''), '');
  assert.equal(upstream('Cache-Status: n1; hit\r\n'), '');
  assert.equal(upstream('Cache-Status: "a, b"; hit; key=",", n1; hit\r\n'), '"a, b"; hit; key=",", ');
  assert.equal(upstream('Cache-Status: a; hit, b; fwd=miss\r\nCache-Status: n1; hit\r\n'), 'a; hit, b; fwd=miss, ');
});

test('an Age that is none counts as 0', () => {
  for (const age of ['', 'Age: \r\n', 'Age: -1\r\n', 'Age: 1.5\r\n', 'Age: 99999999999\r\n'])
    assert.equal(copiedHead(age).ageSeconds, 0, age);
});
