import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeadScanner } from '../wire/scanner.ts';
import { forwardedFields, ownFields } from './forward.ts';

function head(...lines: readonly string[]): HeadScanner {
  const scanner = new HeadScanner('request', { maxBytes: 8192, maxFields: 50 });
  const bytes = Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`, 'latin1');
  assert.equal(scanner.scan(bytes, 0, bytes.length), 'done');
  return scanner;
}

test('only what the site names, in its order, lines of one name joined', () => {
  const asked = head('User-Agent: ua', 'Accept: a/b', 'X-Other: 1', 'accept: c/d');
  assert.deepEqual(forwardedFields(asked, ['accept', 'accept-language', 'user-agent']), [
    ['accept', 'a/b, c/d'],
    ['user-agent', 'ua'],
  ]);
});

test('a field that Connection names is of one connection; a name that only begins so is not', () => {
  const asked = head('Connection: keep-alive, X-Hop', 'X-Hop: 1', 'X-Hop-Not: 2');
  assert.deepEqual(forwardedFields(asked, ['*']), [['x-hop-not', '2']]);
});

test('what would change the meaning of the fill is not sent on even when a site names it', () => {
  const asked = head('Range: bytes=0-1', 'If-None-Match: "x"', 'If-Range: "x"', 'X-Forwarded-For: 6.6.6.6', 'Accept: a/b');
  const names = ['range', 'if-none-match', 'if-range', 'x-forwarded-for', 'accept'];
  assert.deepEqual(forwardedFields(asked, names), [['accept', 'a/b']]);
});

test('our own fields: appended to what came, never in its place', () => {
  const passage = { forwardedFor: '10.0.0.1', requestId: 'id', via: undefined, cdnLoop: undefined };
  assert.deepEqual(Object.fromEntries(ownFields(passage)), {
    via: '1.1 deckle',
    'x-forwarded-for': '10.0.0.1',
    'cdn-loop': 'deckle',
    'x-request-id': 'id',
  });
  const through = Object.fromEntries(ownFields({ ...passage, via: '1.1 a', cdnLoop: 'a; b=c' }));
  assert.deepEqual([through['via'], through['cdn-loop']], ['1.1 a, 1.1 deckle', 'a; b=c, deckle']);
});
