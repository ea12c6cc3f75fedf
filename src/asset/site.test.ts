import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseHost, type SiteIdentity, SiteTable } from './site.ts';

describe('a Host value', () => {
  const table: readonly (readonly [string, string | undefined, string?])[] = [
    ['example.com', 'example.com'],
    ['WWW.Example.COM', 'www.example.com'],
    ['example.com.', 'example.com'],
    ['example.com.:80', 'example.com', '80'],
    ['example.com:8080', 'example.com', '8080'],
    ['example.com:', 'example.com', ''],
    ['example.com:00080', 'example.com', '80'],
    ['example.com:65535', 'example.com', '65535'],
    ['example.com:0', 'example.com', '0'],
    ['a_b-c.d', 'a_b-c.d'],
    ['localhost', 'localhost'],
    ['127.0.0.1:1', '127.0.0.1', '1'],
    ['[::1]', '[::1]'],
    ['[::1]:443', '[::1]', '443'],
    ['[2001:DB8:0:0::1]', '[2001:db8::1]'],
    ['[::ffff:1.2.3.4]', '[::ffff:102:304]'],
    ['a'.repeat(255), 'a'.repeat(255)],
    [`${'a'.repeat(255)}.:65535`, 'a'.repeat(255), '65535'],
    ['a'.repeat(256), undefined],
    ['a'.repeat(100_000), undefined],
    ['', undefined],
    ['.', undefined],
    ['..', undefined],
    ['.example.com', undefined],
    ['example..com', undefined],
    ['example.com..', undefined],
    [':80', undefined],
    ['example.com:65536', undefined],
    ['example.com:123456', undefined],
    ['example.com:-1', undefined],
    ['example.com:8 0', undefined],
    ['example.com:80:80', undefined],
    ['example.com:80a', undefined],
    [' example.com', undefined],
    ['example.com ', undefined],
    ['exa mple.com', undefined],
    ['example.com\n', undefined],
    ['example.com\0', undefined],
    ['user@example.com', undefined],
    ['example.com/', undefined],
    ['example.com?x', undefined],
    ['example.com#x', undefined],
    ['http://example.com', undefined],
    ['ex%61mple.com', undefined],
    ['b\u00fccher.example', undefined],
    ['\u0130.example', undefined],
    ['example.com,example.org', undefined],
    ['*.example.com', undefined],
    ['*', undefined],
    ['::1', undefined],
    ['[]', undefined],
    ['[::1', undefined],
    ['::1]', undefined],
    ['[::1]x', undefined],
    ['[::1].', undefined],
    ['[::1%eth0]', undefined],
    ['[::1]:65536', undefined],
    ['[:::]', undefined],
    ['[1.2.3.4]', undefined],
    ['[v1.a]', undefined],
    ['[1:2:3:4:5:6:7:8:9]', undefined],
  ];
  for (const [value, name, port = ''] of table) {
    const shown = value.length > 40 ? `${value.slice(0, 20)}… (${value.length} characters)` : JSON.stringify(value);
    test(`${shown} is ${name === undefined ? 'refused' : 'a host'}`, () => {
      assert.deepEqual(parseHost(value), name === undefined ? undefined : { name, port });
    });
  }

  test('a parsed name is its own name', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ maxLength: 12 }),
          fc.domain(),
          fc.ipV4(),
          fc.ipV6().map((ip) => `[${ip}]`),
        ),
        (value) => {
          const parsed = parseHost(value);
          if (parsed === undefined) return;
          assert.deepEqual(parseHost(parsed.name), { name: parsed.name, port: '' });
          assert.match(parsed.name, /^[a-z0-9._-]+$|^\[[0-9a-f:]+\]$/);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('the site table', () => {
  const site = (name: string, hosts: readonly string[], path = '/'): SiteIdentity => ({ name, hosts, path });
  const found = (sites: readonly SiteIdentity[], host: string, path: string): string | undefined =>
    new SiteTable(sites).find(host, path)?.name;

  test('an exact host goes before a suffix, a longer suffix before a shorter one, `*` is last', () => {
    const sites = [
      site('any', ['*']),
      site('com', ['*.com']),
      site('wild', ['*.example.com']),
      site('exact', ['www.example.com']),
    ];
    assert.equal(found(sites, 'www.example.com', '/'), 'exact');
    assert.equal(found(sites, 'a.b.example.com', '/'), 'wild');
    assert.equal(found(sites, 'example.com', '/'), 'com');
    assert.equal(found(sites, 'com', '/'), 'any');
    assert.equal(found(sites, 'xexample.com', '/'), 'com');
    assert.equal(found(sites.slice(1), 'com', '/'), undefined);
    assert.equal(found([site('wild', ['*.example.com'])], 'example.com', '/'), undefined);
  });

  test('the longest prefix wins and ends at a segment border', () => {
    const sites = [site('root', ['h']), site('a', ['h'], '/a'), site('below', ['h'], '/a/'), site('ab', ['h'], '/a/b')];
    const expected = {
      '/': 'root',
      '/x': 'root',
      '/a': 'a',
      '/ab': 'root',
      '/a/': 'below',
      '/a/c': 'below',
      '/a/b': 'ab',
      '/a/b/c': 'ab',
      '/a/bc': 'below',
    };
    for (const [path, name] of Object.entries(expected)) assert.equal(found(sites, 'h', path), name, path);
    assert.equal(found([site('below', ['h'], '/a/')], 'h', '/a'), undefined);
  });

  test('a host without the path falls through to the next best host', () => {
    const sites = [
      site('exact', ['w.example.com'], '/e'),
      site('wild', ['*.example.com'], '/w'),
      site('com', ['*.com'], '/c'),
      site('any', ['*'], '/n'),
    ];
    for (const [path, name] of [
      ['/e', 'exact'],
      ['/w', 'wild'],
      ['/c', 'com'],
      ['/n', 'any'],
      ['/x', undefined],
    ] as const) {
      assert.equal(found(sites, 'w.example.com', path), name, path);
    }
  });

  test('hosts of the config are read as those of requests are', () => {
    const sites = [site('a', ['WWW.Example.com.', '*.Example.ORG', '[2001:DB8:0::1]'])];
    for (const host of ['www.example.com', 'x.example.org', '[2001:db8::1]']) assert.equal(found(sites, host, '/'), 'a', host);
  });

  test('names that objects are born with are hosts like others', () => {
    for (const host of ['constructor', '__proto__', 'tostring'])
      assert.equal(found([site('a', ['h'])], host, '/'), undefined, host);
  });

  const host = fc.array(fc.constantFrom('a', 'b', 'ab'), { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'));
  const path = fc
    .tuple(fc.array(fc.constantFrom('/a', '/b', '/ab'), { maxLength: 3 }), fc.constantFrom('', '/'))
    .map(([segments, end]) => segments.join('') + end || '/');
  const sites = fc.array(
    fc.record({
      name: fc.string({ maxLength: 3 }),
      hosts: fc.array(
        fc.oneof(
          host,
          host.map((name) => `*.${name}`),
          fc.constant('*'),
        ),
        { minLength: 1, maxLength: 3 },
      ),
      path,
    }),
    { maxLength: 12 },
  );

  /** Every pair of site and host that fits, the best first; a stable sort leaves the first of equals in front. */
  function oracle(list: readonly SiteIdentity[], wanted: string, at: string): SiteIdentity | undefined {
    const rank = (pattern: string): number => {
      if (pattern === wanted) return 1_000;
      if (pattern === '*') return 1;
      return pattern.startsWith('*.') && wanted.endsWith(pattern.slice(1)) && wanted.length > pattern.length - 1
        ? pattern.length
        : 0;
    };
    const covers = (prefix: string): boolean => at === prefix || at.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`);
    const fits = list.flatMap((each) => each.hosts.map((pattern) => ({ each, rank: rank(pattern) })));
    const best = fits.filter((fit) => fit.rank > 0 && covers(fit.each.path));
    return best.sort((one, two) => two.rank - one.rank || two.each.path.length - one.each.path.length)[0]?.each;
  }

  test('finds what a search through all sites finds', () => {
    fc.assert(
      fc.property(sites, host, path, (list, wanted, at) => {
        assert.equal(new SiteTable(list).find(wanted, at), oracle(list, wanted, at));
      }),
      { numRuns: 5_000 },
    );
  });
});
