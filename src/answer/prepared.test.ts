import assert from 'node:assert/strict';
import { test } from 'node:test';
import { prepareHead } from './prepared.ts';

const NOTHING = { add: {}, remove: [] };
const NOW = Date.UTC(2030, 0, 1);

function lines(text: string): string[] {
  assert(text === '' || text.endsWith('\r\n'));
  return text.split('\r\n').slice(0, -1);
}

test('the lines that every copy has: ours once, the origin’s as they came, those of the moment left out', () => {
  const head = prepareHead(
    [
      ['content-type', 'image/png'],
      ['etag', '"x"'],
      ['age', '5'],
      ['via', '1.0 a'],
      ['content-length', '10'],
      ['x-request-id', 'theirs'],
      ['x-deckle-site', '3'],
      ['x-two', '1'],
      ['x-two', '2'],
    ],
    NOTHING,
    NOW,
  );
  assert.deepEqual(lines(head.lines), [
    'Date: Tue, 01 Jan 2030 00:00:00 GMT',
    'Via: 1.0 a, 1.1 deckle',
    'X-Content-Type-Options: nosniff',
    'Content-Type: image/png',
    'ETag: "x"',
    'X-Two: 1',
    'X-Two: 2',
  ]);
  assert.deepEqual(lines(head.commonLines).length, 3);
  assert.deepEqual(lines(head.notModifiedLines), [...lines(head.commonLines), 'ETag: "x"']);
  assert.deepEqual([head.etag, head.lastModified, head.contentType, head.upstreamStatus], ['"x"', undefined, 'image/png', '']);
});

test('the origin’s Date stays, and its Cache-Status comes before ours', () => {
  const date = 'Mon, 31 Dec 2029 00:00:00 GMT';
  const head = prepareHead(
    [
      ['date', date],
      ['cache-status', 'a; hit'],
      ['cache-status', 'b; fwd=miss'],
    ],
    NOTHING,
    NOW,
  );
  assert.equal(lines(head.lines)[0], `Date: ${date}`);
  assert.equal(head.upstreamStatus, 'a; hit, b; fwd=miss, ');
});

test('a site’s rules: names in any case, an added field replaces, and is in a 304 where it belongs', () => {
  const rules = { add: { 'Cache-Control': 'max-age=1', 'X-A': 'b' }, remove: ['Server'] };
  const head = prepareHead(
    [
      ['server', 's'],
      ['cache-control', 'no-cache'],
    ],
    rules,
    NOW,
  );
  assert.deepEqual(lines(head.lines).slice(3), ['Cache-Control: max-age=1', 'X-A: b']);
  assert.deepEqual(lines(head.notModifiedLines).slice(3), ['Cache-Control: max-age=1']);
});

test('an SVG carries a policy that lets no script run, whatever its type is written like', () => {
  for (const type of ['image/svg+xml', 'IMAGE/SVG+XML; charset=utf-8'])
    assert.match(
      prepareHead([['content-type', type]], NOTHING, NOW).lines,
      /Content-Security-Policy: default-src 'none'.*sandbox\r\n/,
    );
  assert.doesNotMatch(prepareHead([['content-type', 'image/png']], NOTHING, NOW).lines, /Content-Security/);
});

test('a field of one value is sent once, as it was read', () => {
  const head = prepareHead(
    [
      ['content-type', 'image/png'],
      ['content-type', 'text/html'],
      ['etag', '"a"'],
      ['etag', '"b"'],
    ],
    NOTHING,
    NOW,
  );
  assert.deepEqual(lines(head.lines).slice(3), ['Content-Type: image/png', 'ETag: "a"']);
});
