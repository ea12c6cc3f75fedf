import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { variantKey, varyNames } from './variant.ts';

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
