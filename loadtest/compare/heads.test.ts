import assert from 'node:assert/strict';
import test from 'node:test';
import { HeadScanner } from '../../src/wire/scanner.ts';
import { HOST, headFields, requestFor } from './heads.ts';

test('every connection has heads of its own, and other ones each turn', () => {
  const heads = new Set<string>();
  for (let connection = 0; connection < 64; connection++) {
    for (let turn = 0; turn < 100; turn++) heads.add(headFields(connection, turn));
  }
  // Two may fall together by chance; a repetition by rule would show.
  assert.ok(heads.size > 6390, `${heads.size} of 6400`);
  assert.equal(headFields(3, 4), headFields(3, 4));
});

test('a head is one that a strict server takes, with a referer that the guard lets in and nothing that forbids a cached answer', () => {
  for (let connection = 0; connection < 64; connection++) {
    const bytes = Buffer.from(requestFor('/16k/0/picture-0.jpg', headFields(connection, connection)), 'latin1');
    const scanner = new HeadScanner('request', { maxBytes: 32 * 1024, maxFields: 100 });
    assert.equal(scanner.scan(bytes, 0, bytes.length), 'done', bytes.toString());
    assert.equal(scanner.length, bytes.length);
    const text = bytes.toString();
    assert.ok(text.includes(`\r\nHost: ${HOST}\r\n`));
    assert.match(text, /\r\nReferer: https:\/\/www\.example\.com\//);
    assert.doesNotMatch(text, /\r\n(?:cookie|authorization|cache-control|pragma|range|if-[a-z-]+):/i);
    assert.ok(bytes.length > 350 && bytes.length < 1024);
  }
});
