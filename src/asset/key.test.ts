import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { keptQuery, originTarget, type QueryMode, sourceKey, splitKey } from './key.ts';
import { canonicalTarget } from './path.ts';
import { parseHost } from './site.ts';

describe('the kept query', () => {
  const table: readonly (readonly [QueryMode, string, string])[] = [
    ['ignore', 'a=1', ''],
    [[], 'a=1', ''],
    ['all', '', ''],
    ['all', 'b=2&a=1', 'a=1&b=2'],
    ['all', '&&a&&b&', 'a&b'],
    ['all', '&', ''],
    ['all', 'a=2&b&a=1', 'a=2&a=1&b'],
    ['all', 'a-b=1&a=2&B&b', 'B&a=2&a-b=1&b'],
    ['all', '=1&a', '=1&a'],
    ['all', 'a==1&a=', 'a==1&a='],
    [['w', 'h'], 'w=200&utm=x&h=100', 'h=100&w=200'],
    [['w'], 'ww=1&w&w=&W=3', 'w&w='],
    [['w'], 'x=w=1', ''],
    [['all'], 'all=1&b', 'all=1'],
    [['size[]'], 'size%5B%5D=2&size[]=1&size=3', 'size%5B%5D=2&size[]=1'],
    [['size%5b%5d'], 'size[]=1', 'size[]=1'],
    [['%77'], 'w=1', 'w=1'],
    [['gr\u00f6\u00dfe'], 'gr%C3%B6%C3%9Fe=1', 'gr%C3%B6%C3%9Fe=1'],
    [['100%'], '100%25=1', '100%25=1'],
    [['a b'], 'a%20b=1&a+b=2', 'a%20b=1'],
    [['\ud800'], '%FF=1&%EF%BF%BD=2', '%EF%BF%BD=2'],
  ];
  for (const [mode, query, kept] of table) {
    test(`${JSON.stringify(mode)} of ${query === '' ? 'nothing' : query} is ${kept === '' ? 'nothing' : kept}`, () => {
      assert.equal(keptQuery(mode, query), kept);
    });
  }

  const query = fc
    .array(fc.constantFrom('a', 'b', 'aa', '=', '&', '&', '1', '2', '%5B', '['), { maxLength: 14 })
    .map((parts) => parts.join(''));

  test('all keeps every parameter once, in one order for every order of the names', () => {
    fc.assert(
      fc.property(query, (text) => {
        const kept = keptQuery('all', text);
        const bag = (of: string): readonly string[] =>
          of
            .split('&')
            .filter((each) => each !== '')
            .sort();
        assert.deepEqual(bag(kept), bag(text));
        assert.equal(keptQuery('all', kept), kept);
        const turned = text.split('&').reverse();
        const names = turned.map((each) => each.split('=')[0]);
        if (new Set(names).size === names.length) assert.equal(keptQuery('all', turned.join('&')), kept);
      }),
    );
  });

  test('a list keeps what it names, and what it keeps is what all would keep of it', () => {
    fc.assert(
      fc.property(query, fc.subarray(['a', 'b', 'aa', '', '1']), (text, names) => {
        const filtered = text.split('&').filter((each) => names.includes(each.split('=')[0] ?? ''));
        assert.equal(keptQuery(names, text), keptQuery('all', filtered.join('&')));
      }),
    );
  });
});

describe('the source key', () => {
  test('reads as site, host, path and query', () => {
    assert.equal(sourceKey('all', undefined, '/a.jpg', ''), 'all /a.jpg');
    assert.equal(sourceKey('shop', 'www.example.com', '/a.jpg', 'w=1'), 'shop www.example.com/a.jpg?w=1');
    assert.equal(sourceKey('my site 100%', '[::1]:8080', '/', ''), 'my%u0020site%u0020100%u0025 [::1]:8080/');
  });

  test('what is not a key has no parts', () => {
    for (const text of ['', 'a', 'a b', '/a', 'a%20b /c', 'a%u0041 /b', '\u00e9 /a', 'a\nb /c'])
      assert.equal(splitKey(text), undefined, text);
  });

  test('the origin is asked for the end of the key', () => {
    assert.equal(originTarget('/a', ''), '/a');
    assert.equal(originTarget('/a', 'b=1'), '/a?b=1');
  });

  const site = fc.oneof(
    fc.constantFrom('a', 'a b', 'a /b', '*.example.com/a', '', '%u0020', 'a%'),
    fc.string({ unit: 'binary', maxLength: 6 }),
  );
  const host = fc
    .oneof(fc.constantFrom('a', 'b.a', '[::1]', 'a:80', 'A.'), fc.string({ maxLength: 6 }))
    .map((value) => parseHost(value))
    .map((parsed) => (parsed === undefined ? undefined : parsed.port === '' ? parsed.name : `${parsed.name}:${parsed.port}`));
  const target = fc
    .oneof(
      fc
        .array(fc.constantFrom('/', 'a', '?', '&', '%20', '%3F', '.b', ' '), { maxLength: 8 })
        .map((parts) => `/${parts.join('')}`),
      fc.string({ maxLength: 8 }).map((text) => `/${text}`),
    )
    .map((raw) => canonicalTarget(raw) ?? { path: '/', query: '' });
  const parts = fc
    .tuple(site, host, target)
    .map(([name, at, of]) => ({ site: name, host: at, path: of.path, query: keptQuery('all', of.query) }));

  test('is one visible line and gives back exactly what went in, so that no two images share it', () => {
    fc.assert(
      fc.property(parts, (image) => {
        const key = sourceKey(image.site, image.host, image.path, image.query);
        assert.match(key, /^[!-~]* [!-~]+$/);
        assert.deepEqual(splitKey(key), image);
        assert.ok(key.endsWith(originTarget(image.path, image.query)));
      }),
      { numRuns: 3_000 },
    );
  });
});
