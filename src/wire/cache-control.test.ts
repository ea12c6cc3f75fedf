import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type CacheControl, deltaSeconds, MOST_SECONDS, parseCacheControl } from './cache-control.ts';

const SILENT = parseCacheControl(undefined);

/** What `value` says beside nothing. */
const CASES: readonly (readonly [value: string, says: Partial<CacheControl>])[] = [
  ['', {}],
  [',', {}],
  ['max-age=60', { maxAge: 60 }],
  ['MAX-AGE=60, No-Store', { maxAge: 60, noStore: true }],
  ['max-age=003600', { maxAge: 3600 }],
  ['max-age="60"', { maxAge: 60 }],
  ['max-age="6\\0"', { maxAge: 60 }],
  ['public,max-age=60\t, ,s-maxage=5', { public: true, maxAge: 60, sMaxage: 5 }],
  ['must-revalidate, proxy-revalidate, immutable', { mustRevalidate: true, proxyRevalidate: true, immutable: true }],
  ['only-if-cached, no-transform, must-understand', { onlyIfCached: true, noTransform: true, mustUnderstand: true }],
  ['stale-while-revalidate=30, stale-if-error=86400', { staleWhileRevalidate: 30, staleIfError: 86400 }],
  ['min-fresh=3, max-stale=4', { minFresh: 3, maxStale: 4 }],
  ['max-stale', { maxStale: MOST_SECONDS }],
  ['max-stale=', {}],
  ['max-stale=x', {}],
  // extensions are nothing, and what stands in their quotes is nothing too
  ['foo, bar=1, baz="no-store, max-age=1"', {}],
  ['max-age=1, ext="max-age=3600"', { maxAge: 1 }],
  ['ext="a\\", no-store, \\"b", max-age=2', { maxAge: 2 }],
  // a field list means the whole answer
  ['no-cache="set-cookie, x"', { noCache: true }],
  ['private=authorization', { private: true }],
  ['private="x", max-age=9', { private: true, maxAge: 9 }],
  // too large, unreadable, missing
  ['max-age=2147483648', { maxAge: MOST_SECONDS }],
  [`max-age=${'9'.repeat(400)}`, { maxAge: MOST_SECONDS }],
  ['max-age=-1', { maxAge: 0 }],
  ['max-age=+1', { maxAge: 0 }],
  ['max-age=3600.0', { maxAge: 0 }],
  ['max-age=1e3', { maxAge: 0 }],
  ['max-age=0x10', { maxAge: 0 }],
  ['max-age=a60', { maxAge: 0 }],
  ['max-age=60a', { maxAge: 0 }],
  ["max-age='60'", { maxAge: 0 }],
  ['max-age', { maxAge: 0 }],
  ['max-age=', { maxAge: 0 }],
  ['max-age=""', { maxAge: 0 }],
  ['max-age =60', { maxAge: 0 }],
  ['max-age= 60', { maxAge: 0 }],
  ['max-age=60 70', { maxAge: 0 }],
  ['max-age=60"', { maxAge: 0 }],
  ['s-maxage=oops', { sMaxage: 0 }],
  ['stale-while-revalidate=oops, stale-if-error', {}],
  // twice
  ['max-age=1800, max-age=1', { maxAge: 1 }],
  ['max-age=1, max-age=1800', { maxAge: 1 }],
  ['max-age=60, max-age=oops', { maxAge: 0 }],
  ['s-maxage=7, S-MAXAGE=5', { sMaxage: 5 }],
  ['stale-if-error=7, stale-if-error=5', { staleIfError: 7 }],
  // broken members: what restricts is heard, what loosens is not
  ['max-age=60; private', { maxAge: 0, private: true }],
  ['public no-store', { noStore: true }],
  ['foo="bar, no-store', { noStore: true }],
  ['max-age="60, no-cache', { maxAge: 0, noCache: true }],
  ['x{y max-age=60', { maxAge: 0 }],
  ['foo max-age=60', { maxAge: 0 }],
  ['foo max-stale', {}],
  ['x{y stale-while-revalidate=60, max-age=5', { maxAge: 5 }],
  ['immutable;public', {}],
];

test('a directive is read as written, or more restrictively', () => {
  for (const [value, says] of CASES) assert.deepEqual(parseCacheControl(value), { ...SILENT, ...says }, value);
});

test('delta-seconds are digits and nothing else', () => {
  assert.equal(deltaSeconds('0'), 0);
  assert.equal(deltaSeconds('2147483649'), MOST_SECONDS);
  for (const text of [undefined, '', ' 1', '1 ', '-1', '1.0', '١']) assert.equal(deltaSeconds(text), undefined, String(text));
});

const piece = fc.constantFrom(
  'max-age',
  's-maxage',
  'no-store',
  'no-cache',
  'private',
  'stale-if-error',
  'max-stale',
  'x',
  '=',
  ',',
  '"',
  '\\',
  ' ',
  ';',
  '60',
  '-1',
  '\u00ff',
  '\0',
);
const hostile = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join('')),
);

test('no text throws, spans stay within bounds, and case says nothing', () => {
  fc.assert(
    fc.property(hostile, (value) => {
      const found = parseCacheControl(value);
      for (const said of Object.values(found))
        assert.ok(
          typeof said === 'boolean' || said === undefined || (Number.isInteger(said) && said >= 0 && said <= MOST_SECONDS),
        );
      assert.deepEqual(parseCacheControl(asciiUpper(value)), found);
    }),
  );
});

test('a member added to any value restricts as much as it does alone', () => {
  fc.assert(
    fc.property(hostile, (value) => {
      assert.equal(parseCacheControl(`no-store, ${value}`).noStore, true);
      assert.equal(parseCacheControl(`max-age=5, ${value}`).maxAge! <= 5, true);
    }),
  );
});

test('white space around commas and empty members say nothing', () => {
  const member = fc.constantFrom(
    'max-age=60',
    'no-cache',
    'private="a, b"',
    's-maxage="7"',
    'foo=bar',
    'stale-if-error=9',
    'public',
  );
  const gap = fc.constantFrom(',', ', ', ' ,\t', ', , ', ',,');
  fc.assert(
    fc.property(fc.array(fc.tuple(member, gap), { maxLength: 8 }), (members) => {
      const spaced = members.map(([text, comma]) => text + comma).join('');
      assert.deepEqual(parseCacheControl(spaced), parseCacheControl(members.map(([text]) => text).join(',')));
    }),
  );
});

test('a restriction is heard behind hostile repetition', () => {
  for (const unit of ['a="', 'a="\\', '"', ' ', 'a ', '\\"', '="', 'max-age=1 '])
    assert.equal(parseCacheControl(`${unit.repeat(10_000)}, no-store`).noStore, true, unit);
});

function asciiUpper(text: string): string {
  return text.replace(/[a-z]/g, (char) => char.toUpperCase());
}
