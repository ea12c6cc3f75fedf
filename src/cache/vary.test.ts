import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { HeaderList } from '../wire/headers.ts';
import { conditionalHeaders, confirms, updatedHeaders } from './vary.ts';

const MODIFIED = 'Sun, 06 Nov 1994 08:49:37 GMT';

test('RFC 9111 §4.3.1: a revalidation sends every validator there is', () => {
  assert.deepEqual(conditionalHeaders([]), []);
  assert.deepEqual(conditionalHeaders([['etag', '']]), []);
  assert.deepEqual(conditionalHeaders([['last-modified', 'once']]), []);
  assert.deepEqual(
    conditionalHeaders([
      ['etag', 'W/"a"'],
      ['last-modified', MODIFIED],
    ]),
    [
      ['if-none-match', 'W/"a"'],
      ['if-modified-since', MODIFIED],
    ],
  );
});

test('RFC 9111 §4.3.4: a 304 with another validator speaks of another answer', () => {
  const stored: HeaderList = [
    ['etag', '"a"'],
    ['last-modified', MODIFIED],
  ];
  const rows: readonly (readonly [from304: HeaderList, yes: boolean])[] = [
    [[], true],
    [[['etag', '"a"']], true],
    [[['etag', 'W/"a"']], true],
    [[['etag', '"b"']], false],
    [[['last-modified', MODIFIED]], true],
    [[['last-modified', 'Sunday, 06-Nov-94 08:49:37 GMT']], true],
    [[['last-modified', 'Sun, 06 Nov 1994 08:49:38 GMT']], false],
    [
      [
        ['etag', '"a"'],
        ['last-modified', 'Sun, 06 Nov 1994 08:49:38 GMT'],
      ],
      true,
    ],
  ];
  for (const [from304, yes] of rows) assert.equal(confirms(stored, from304), yes, JSON.stringify(from304));
  assert.equal(confirms([['etag', 'bare']], [['etag', 'bare']]), true);
  assert.equal(confirms([['last-modified', MODIFIED]], [['etag', '"a"']]), true);
  assert.equal(confirms([], [['last-modified', MODIFIED]]), true);
});

test('RFC 9111 §3.2: the fields of a 304 replace, but not those of the body', () => {
  const stored: HeaderList = [
    ['content-type', 'image/png'],
    ['content-length', '3'],
    ['x-a', '1'],
    ['x-a', '2'],
    ['x-b', '3'],
    ['cache-control', 'max-age=1'],
    ['date', 'then'],
    ['age', '50'],
  ];
  const from304: HeaderList = [
    ['x-a', '9'],
    ['cache-control', 'max-age=60'],
    ['cache-control', 'public'],
    ['date', 'now'],
    ['content-type', 'text/html'],
    ['content-length', '0'],
    ['content-encoding', 'gzip'],
    ['content-range', 'bytes 0-0/1'],
    ['content-location', '/b'],
  ];
  assert.deepEqual(updatedHeaders(stored, from304), [
    ['content-type', 'image/png'],
    ['content-length', '3'],
    ['x-b', '3'],
    ['x-a', '9'],
    ['cache-control', 'max-age=60'],
    ['cache-control', 'public'],
    ['date', 'now'],
    ['content-location', '/b'],
  ]);
});

test('Date and Age of the stored answer do not outlive its revalidation', () => {
  const stored: HeaderList = [
    ['date', MODIFIED],
    ['age', '50'],
    ['x', 'y'],
  ];
  assert.deepEqual(updatedHeaders(stored, []), [['x', 'y']]);
  assert.deepEqual(updatedHeaders(stored, [['age', '3']]), [
    ['x', 'y'],
    ['age', '3'],
  ]);
});

test('an update neither changes its arguments nor depends on being made once', () => {
  const pair = fc.tuple(fc.constantFrom('a', 'b', 'date', 'age', 'etag', 'content-type'), fc.string({ maxLength: 3 }));
  const list = fc.array(pair, { maxLength: 6 });
  fc.assert(
    fc.property(list, list, (stored, from304) => {
      const before = JSON.stringify([stored, from304]);
      const once = updatedHeaders(stored, from304);
      assert.deepEqual(updatedHeaders(once, from304), once);
      assert.equal(JSON.stringify([stored, from304]), before);
    }),
  );
});
