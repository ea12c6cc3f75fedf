// What passes through the front, line by line, in both directions.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeadScanner } from '../wire/scanner.ts';
import { RequestHeads, responseLines } from './heads.ts';

function scan(kind: 'request' | 'response', first: string, lines: readonly string[]): HeadScanner {
  const scanner = new HeadScanner(kind, { maxBytes: 64 * 1024, maxFields: 256 });
  const bytes = Buffer.from(`${first}\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`, 'latin1');
  assert.equal(scanner.scan(bytes, 0, bytes.length), 'done');
  return scanner;
}

const WORDS = {
  isHead: false,
  target: '/a.jpg?w=1',
  authority: 'img.example.com:8080',
  forwardedFor: '198.51.100.7',
  id: 'id-1',
};
const HEADS = new RequestHeads('front-1', 'X-Deckle-Peer: s3cret\r\n');

/** The request's lines behind those that the front writes itself. */
function passed(...lines: readonly string[]): readonly string[] {
  const text = HEADS.of(scan('request', 'GET /raw HTTP/1.1', ['Host: client.example', ...lines]), WORDS);
  assert.ok(text.endsWith('\r\n\r\n'));
  return text.slice(0, -4).split('\r\n').slice(6);
}

function answered(...lines: readonly string[]): readonly string[] {
  const text = responseLines(scan('response', 'HTTP/1.1 200 OK', lines));
  return text.split('\r\n').filter((line) => line !== '');
}

test('the front writes the first lines of a request itself', () => {
  const text = HEADS.of(scan('request', 'GET /raw HTTP/1.0', ['Host: client.example', 'Accept: */*']), WORDS);
  assert.equal(
    text,
    'GET /a.jpg?w=1 HTTP/1.1\r\nHost: img.example.com:8080\r\nX-Forwarded-For: 198.51.100.7\r\nX-Request-Id: id-1\r\n' +
      'X-Deckle-From: front-1\r\nX-Deckle-Peer: s3cret\r\nAccept: */*\r\n\r\n',
  );
  assert.ok(HEADS.of(scan('request', 'HEAD / HTTP/1.1', ['Host: a']), { ...WORDS, isHead: true }).startsWith('HEAD /a.jpg'));
});

test('what a client says of the deckle inside does not reach it, in any spelling', () => {
  for (const name of ['X-Deckle-Peer', 'x-deckle-from', 'X-DECKLE-RESULT', 'X-Deckle-Site', 'x-Deckle-Position', 'X-Deckle-'])
    assert.deepEqual(passed(`${name}: forged`, 'Accept: image/webp'), ['Accept: image/webp'], name);
});

test('what a node says to the front does not reach the client', () => {
  for (const name of ['X-Deckle-Result', 'x-deckle-site', 'X-DECKLE-PEER', 'X-Deckle-Later'])
    assert.deepEqual(answered(`${name}: memory`, 'ETag: "1"'), ['ETag: "1"'], name);
});

const OF_THE_CONNECTION = [
  'Keep-Alive: timeout=5',
  'Proxy-Connection: keep-alive',
  'TE: trailers',
  'Trailer: Expires',
  'Upgrade: h2c',
  'Proxy-Authorization: Basic eA==',
  'Proxy-Authenticate: Basic',
];

test('fields of one connection stay on it', () => {
  for (const line of [...OF_THE_CONNECTION, 'Connection: keep-alive']) {
    assert.deepEqual(passed(line, 'Range: bytes=0-1'), ['Range: bytes=0-1'], line);
    assert.deepEqual(answered(line, 'Age: 1'), ['Age: 1'], line);
  }
  assert.deepEqual(answered('Transfer-Encoding: chunked', 'Age: 1'), ['Age: 1']);
});

test('fields that Connection names stay on it too, in any case, over several lines', () => {
  const lines = ['Connection: X-One, x-TWO', 'X-One: 1', 'X-Two: 2', 'Connection: keep-alive, Cookie', 'Cookie: c', 'X-Three: 3'];
  assert.deepEqual(passed(...lines), ['X-Three: 3']);
  assert.deepEqual(answered(...lines), ['X-Three: 3']);
});

test('a Connection line cannot take away what says what a message is', () => {
  const lines = [
    'Connection: Content-Type, Content-Length, Cache-Control, Content-Encoding',
    'Content-Length: 3',
    'Content-Type: image/png',
    'Cache-Control: no-store',
    'Content-Encoding: gzip',
  ];
  assert.deepEqual(answered(...lines), lines.slice(1));
});

test('what the client claims of forwarding, its request id, its length and its expectation are not passed on', () => {
  assert.deepEqual(
    passed('X-Forwarded-For: 1.2.3.4', 'X-Request-Id: forged', 'Content-Length: 0', 'Expect: 100-continue', 'If-None-Match: "1"'),
    ['If-None-Match: "1"'],
  );
});

test('all else passes as it was written: order, case, doubles, bytes above ASCII', () => {
  const lines = ['aCCept: a', 'X-Name: caf\xe9', 'Accept: b', 'Set-Cookie: a=1', 'Set-Cookie: b=2'];
  assert.deepEqual(passed(...lines), lines);
  assert.deepEqual(answered(...lines), lines);
});

/** What a node of ours is sent of the client's lines. */
function lean(sentOn: readonly string[], heads: RequestHeads, ...lines: readonly string[]): readonly string[] {
  const text = heads.lean(scan('request', 'GET /raw HTTP/1.1', ['Host: client.example', ...lines]), WORDS, sentOn);
  assert.ok(text.endsWith('\r\n\r\n'));
  const all = text.slice(0, -4).split('\r\n');
  assert.deepEqual(
    all.slice(0, 6),
    HEADS.of(scan('request', 'GET / HTTP/1.1', ['Host: a']), WORDS)
      .split('\r\n')
      .slice(0, 6),
  );
  return all.slice(6);
}

const BROWSER = [
  'User-Agent: Mozilla/5.0',
  'accept: image/avif,*/*',
  'Accept-Language: de',
  'Accept-Encoding: br',
  'Referer: https://page.example/',
  'Cookie: session=1',
  'Sec-Fetch-Dest: image',
  'X-Deckle-Peer: forged',
  'TE: trailers',
];
const UNLOGGED = new RequestHeads('front-1', 'X-Deckle-Peer: s3cret\r\n', false);

test('a node of ours gets what it reads, what it logs, and what the site sends on', () => {
  assert.deepEqual(lean([], HEADS, ...BROWSER), ['User-Agent: Mozilla/5.0', 'Referer: https://page.example/']);
  assert.deepEqual(lean([], UNLOGGED, ...BROWSER), []);
  assert.deepEqual(lean(['accept', 'x-tint'], UNLOGGED, ...BROWSER, 'X-TINT: red'), ['accept: image/avif,*/*', 'X-TINT: red']);
  assert.deepEqual(lean(['cookie'], UNLOGGED, ...BROWSER), ['Cookie: session=1']);
  const read = [
    'Range: bytes=0-1',
    'IF-RANGE: "1"',
    'If-None-Match: "1"',
    'If-Modified-Since: Tue, 01 Jan 2030 00:00:00 GMT',
    'Cache-Control: no-cache',
    'Pragma: no-cache',
    'Via: 1.1 cdn',
    'CDN-Loop: cdn',
  ];
  assert.deepEqual(lean([], UNLOGGED, ...BROWSER, ...read), read);
});

test('where the site sends on all, a node of ours gets all', () => {
  assert.deepEqual(lean(['*'], UNLOGGED, ...BROWSER), passed(...BROWSER));
});

test('what must not pass does not pass because a site names it', () => {
  const named = ['x-deckle-peer', 'te', 'host', 'x-forwarded-for', 'x-request-id', 'x-hop'];
  const lines = ['Connection: X-Hop', 'X-Hop: 1', 'X-Forwarded-For: 1.2.3.4', 'X-Request-Id: forged', ...BROWSER];
  assert.deepEqual(lean(named, UNLOGGED, ...lines), []);
});

test('on one connection each site and each change of the fields has lines of its own', () => {
  const scanner = new HeadScanner('request', { maxBytes: 64 * 1024, maxFields: 256 });
  const read = (accept: string) => {
    scanner.reset();
    const bytes = Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\nAccept: ${accept}\r\nX-Tint: red\r\n\r\n`);
    assert.equal(scanner.scan(bytes, 0, bytes.length), 'done');
  };
  const sites = [['accept'], ['x-tint'], []] as const;
  const said = (site: readonly string[]) => UNLOGGED.lean(scanner, WORDS, site).split('\r\n').slice(6, -2);
  for (const accept of ['a', 'a', 'b', 'a']) {
    read(accept);
    for (let round = 0; round < 2; round += 1) {
      assert.deepEqual(said(sites[0]), [`Accept: ${accept}`]);
      assert.deepEqual(said(sites[1]), ['X-Tint: red']);
      assert.deepEqual(said(sites[2]), []);
    }
  }
});
