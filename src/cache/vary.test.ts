import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { HeaderList } from '../wire/headers.ts';
import { conditionalHeaders, confirms, updatedHeaders, variantKey, varyNames } from './vary.ts';

function varyOf(...values: readonly string[]): readonly string[] | '*' {
  return varyNames(values.map((value) => ['vary', value] as const));
}

test('Vary: names in lower case, sorted, each once, over all lines', () => {
  assert.deepEqual(varyOf(), []);
  assert.deepEqual(varyOf(''), []);
  assert.deepEqual(varyOf(' , '), []);
  assert.deepEqual(varyOf('Accept'), ['accept']);
  assert.deepEqual(varyOf('User-Agent,accept ,\tACCEPT'), ['accept', 'user-agent']);
  assert.deepEqual(varyOf('b', 'a'), ['a', 'b']);
});

test('Vary: * alone, among others or on a line of its own, and what cannot be read', () => {
  for (const value of ['*', '*, *', ', *', '*, foo', 'foo, *', 'foo bar', 'accept;q=1', '"accept"', 'é', 'a\0b', 'foo\xa0'])
    assert.equal(varyOf(value), '*', value);
  assert.equal(varyOf('', '*'), '*');
});

test('Vary: more names than are kept are as good as everything', () => {
  const names = (count: number) => Array.from({ length: count }, (_, at) => `x-${at}`).join(',');
  assert.equal(varyOf(names(32)).length, 32);
  assert.equal(varyOf(names(33)), '*');
});

function keyOf(names: readonly string[], fields: Readonly<Record<string, string>>): string {
  return variantKey('site/a.jpg', names, (name) => (Object.hasOwn(fields, name) ? fields[name] : undefined));
}

test('equal fields make equal keys, white space around commas aside', () => {
  const names = ['accept'];
  const same = (a: string, b: string) => assert.equal(keyOf(names, { accept: a }), keyOf(names, { accept: b }), `${a} | ${b}`);
  const other = (a: string, b: string) =>
    assert.notEqual(keyOf(names, { accept: a }), keyOf(names, { accept: b }), `${a} | ${b}`);
  same('1,2', ' 1 ,\t2 ');
  same('a;q="x , y", b', 'a;q="x , y",b');
  other('1,2', '2,1');
  other('a b', 'ab');
  other('a;q="x , y"', 'a;q="x,y"');
  other('a;q="\\" , y"', 'a;q="\\",y"');
  other('image/webp', 'Image/webp');
  same('"a\\', '"a\\');
});

test('an absent field, an empty one and another field differ', () => {
  const keys = [
    keyOf([], {}),
    keyOf(['a'], {}),
    keyOf(['a'], { a: '' }),
    keyOf(['b'], { b: '' }),
    keyOf(['a', 'b'], {}),
    keyOf(['a', 'b'], { a: '' }),
    keyOf(['a', 'b'], { b: '' }),
    keyOf(['a', 'b'], { a: '', b: '' }),
  ];
  assert.equal(new Set(keys).size, keys.length);
  assert.equal(keyOf([], {}), 'site/a.jpg');
});

test('no value can pose as another set of fields', () => {
  assert.notEqual(keyOf(['a'], { a: 'x\0b=y' }), keyOf(['a', 'b'], { a: 'x', b: 'y' }));
  assert.notEqual(keyOf(['a'], { a: 'x\0b=1:y' }), keyOf(['a', 'b'], { a: 'x', b: 'y' }));
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '=', ':', '1', '\0', ','), maxLength: 6 });
  const request = fc.dictionary(fc.constantFrom('a', 'b'), text, { noNullPrototype: true });
  const names = fc.constantFrom<readonly string[]>(['a'], ['a', 'b'], ['b']);
  fc.assert(
    fc.property(names, request, names, request, (n1, r1, n2, r2) => {
      const chosen = (list: readonly string[], fields: Readonly<Record<string, string>>) =>
        JSON.stringify(list.map((name) => [name, fields[name] ?? null]));
      assert.equal(keyOf(n1, r1) === keyOf(n2, r2), chosen(n1, r1) === chosen(n2, r2));
    }),
    { numRuns: 1000 },
  );
});

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
