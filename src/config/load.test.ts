// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the texts are YAML with variables of the config

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { notInEffect, UNBUILT } from './effect.ts';
import { type LoadResult, loadConfig, parseConfig, pathText, problemText, type Surroundings } from './load.ts';
import { shapeAt } from './schema.ts';

const SHIPPED = join(import.meta.dirname, '..', '..', 'config', 'deckle.yaml');

/** A disk of these files, by absolute path; a number is a file of that many bytes, a string that begins with ! the error of reading it. */
function disk(
  files: Readonly<Record<string, string | number | Uint8Array>>,
  env: Readonly<Record<string, string>> = {},
): Surroundings {
  const readFile = (path: string, most: number): Uint8Array => {
    const file = files[path] ?? '!ENOENT';
    if (typeof file === 'number') return Buffer.alloc(Math.min(file, most + 1), '#');
    if (typeof file !== 'string') return file;
    if (file.startsWith('!')) throw Object.assign(new Error(file), { code: file.slice(1) });
    return Buffer.from(file);
  };
  return { env, cwd: '/w', readFile };
}

function taken(result: LoadResult) {
  assert.ok(result.ok, result.ok ? '' : result.problems.map(problemText).join('\n'));
  return result;
}
const parse = (text: string, around = disk({})) => parseConfig(text, 'f.yaml', around);
const told = (result: LoadResult): readonly string[] => (result.ok ? [] : result.problems.map(problemText));

test('an empty file is all defaults, whatever it is empty of', () => {
  const empty = taken(parse('')).config;
  for (const text of ['\n', '# nothing\n', '---\n', '{}', 'null', '\ufeff', 'front:\nadmin:\n'])
    assert.deepEqual(taken(parse(text)).config, empty, JSON.stringify(text));
  assert.equal(empty.state, '/w/var');
  assert.deepEqual(
    empty.nodes.map(({ name, disk: { path } }) => [name, path]),
    [
      ['n1', '/w/var/n1'],
      ['n2', '/w/var/n2'],
    ],
  );
  assert.deepEqual(empty.origins, [{ kind: 'directory', name: 'samples', directory: '/w/samples' }]);
  assert.equal(empty.sites[0]?.name, 'all');
  assert.equal(empty.sites[0]?.origin, 'samples');
  assert.deepEqual(empty.sites[0]?.referers.deny, { status: 403, redirect: '', image: '' });
});

test('what is left out follows from what is given', () => {
  const { config } = taken(
    parse(`state: /s
health: {path: /up}
peers: {secret: x}
nodes:
  - {name: a, address: "c1:1", listen: ":1"}
  - {name: b, address: "[::1]:2", check: false, disk: {path: d}}
origins: {shop: {urls: ["HTTP://A.example.com:80/"]}}
sites:
  - {hosts: [Shop.Example.com], path: /a/, referers: {deny: {redirect: /no.png}}}
`),
  );
  assert.deepEqual(
    config.nodes.map(({ listen, check, disk: { path } }) => ({ listen, check, path })),
    [
      { listen: { host: '0.0.0.0', port: 1 }, check: '/up', path: '/s/a' },
      { listen: { host: '::1', port: 2 }, check: false, path: '/w/d' },
    ],
  );
  const origin = config.origins[0];
  assert.ok(origin?.kind === 'http');
  assert.deepEqual(origin.urls, ['http://a.example.com']);
  const site = config.sites[0];
  assert.equal(site?.name, 'shop.example.com/a/');
  assert.equal(site?.origin, 'shop');
  assert.equal(site?.referers.deny.status, 302);
});

test('the shipped file is good', () => {
  const result = taken(loadConfig(SHIPPED, { env: {}, cwd: '/w' }));
  assert.deepEqual(result.warnings, []);
  assert.ok(notInEffect(result.config).length <= 5);
  const { config } = taken(parse(''));
  assert.deepEqual(result.config, config);
});

test('any key of the shipped file with a slip of the finger is refused, and the right one named', () => {
  const text = readFileSync(SHIPPED, 'utf8').replaceAll(/^ *#.*$/gm, '');
  const keys = [...text.matchAll(/([a-z][a-z_]+):(?= |$)/gm)].filter(
    ({ index, 1: key }) => key !== 'samples' && text[index - 1] !== '"',
  );
  assert.ok(keys.length > 15);
  const slip = fc.tuple(fc.nat(keys.length - 1), fc.nat(20), fc.constantFrom('swap', 'drop', 'double', 'other'));
  fc.assert(
    fc.property(slip, ([which, where, how]) => {
      const match = keys[which];
      const key = match?.[1] ?? '';
      const at = where % key.length;
      const wrong = {
        swap: key.slice(0, at) + (key[at + 1] ?? '') + (key[at] ?? '') + key.slice(at + 2),
        drop: key.slice(0, at) + key.slice(at + 1),
        double: key.slice(0, at) + (key[at] ?? '') + key.slice(at),
        other: `${key.slice(0, at)}x${key.slice(at + 1)}`,
      }[how];
      fc.pre(wrong !== key && wrong !== '');
      const index = match?.index ?? 0;
      const result = parse(text.slice(0, index) + wrong + text.slice(index + key.length));
      assert.ok(
        told(result).some((line) => line.includes(`unknown key (did you mean "${key}"?)`)),
        `${wrong}: ${told(result).join('; ')}`,
      );
    }),
    { numRuns: 120 },
  );
});

test('variables and files stand for values, quoted or not', () => {
  const around = disk(
    { '/run/secret': 'hush\n', '/w/rel': 'x' },
    { SIZE: '5MB', N: '7', ON: 'false', EMPTY: '', NESTED: '${N}' },
  );
  const { config } = taken(
    parse(
      `front: {retries: "\${N}", hot: {size: "\${SIZE}"}}
admin:
  token: \${file:/run/secret}
peers: {secret: "a\${file:rel}-\${NONE:-b c}\${EMPTY:-d}"}
origins: {o: {urls: ["http://\${NONE:-h}"], tls: {verify: "\${ON}"}}}
log: {access: "$\${N}\${NESTED}"}
`,
      around,
    ),
  );
  assert.equal(config.front.retries, 7);
  assert.equal(config.front.hot.size, 5 * 1024 * 1024);
  assert.equal(config.admin.token, 'hush');
  assert.equal(config.peers.secret, 'ax-b cd');
  const origin = config.origins[0];
  assert.ok(origin?.kind === 'http' && origin.urls[0] === 'http://h' && !origin.tls.verify);
  assert.equal(config.log.access, '/w/${N}${N}');
});

test('a variable of the prototype is not set', () => {
  assert.match(told(parse('state: "${constructor}"')).join(), /constructor is not set/);
});

test('aliases and merge keys stand for what they name', () => {
  const { config } = taken(
    parse(`nodes:
  - &n {name: a, address: "localhost:1", memory: 1MB, disk: &d {size: 0}}
  - {<<: *n, name: b, address: "localhost:2"}
  - {<<: [{name: c}, *n], address: "localhost:3", disk: *d}
`),
  );
  assert.deepEqual(
    config.nodes.map(({ name, memory, disk: { size } }) => [name, memory, size]),
    [
      ['a', 1 << 20, 0],
      ['b', 1 << 20, 0],
      ['c', 1 << 20, 0],
    ],
  );
});

test('no file becomes longer than its bound by aliases, or ends the process by its depth', () => {
  const laughs = [
    'a: &a [x, x, x, x, x, x, x, x, x]',
    ...[...'bcdefghij'].map((c, at) => `${c}: &${c} [${Array(9).fill(`*${'abcdefghij'[at]}`).join(', ')}]`),
  ];
  assert.match(told(parse(laughs.join('\n'))).join('\n'), /has more than 50000 values/);
  for (const text of ['['.repeat(50_000), '{a: '.repeat(20_000), '- '.repeat(20_000), 'a: '.repeat(2)])
    assert.equal(parse(text).ok, false);
  const wide = parse(Array.from({ length: 40_000 }, (_, at) => `k${at}: 1`).join('\n'));
  assert.equal(told(wide).length, 100);
  assert.match(told(wide).at(-1) ?? '', /and 39901 more/);
});

test('a byte order mark moves no column, a carriage return no line', () => {
  assert.deepEqual(told(parse('\ufeffstat: x')), told(parse('stat: x')));
  assert.deepEqual(told(parse('log: {}\r\n\r\nstat: x\r\n')), ['f.yaml:3:1: stat: unknown key (did you mean "state"?)']);
});

test('the file is looked for at -c, DECKLE_CONFIG, config/deckle.yaml, /etc/deckle/deckle.yaml', () => {
  const files = {
    '/w/c.yaml': 'state: c',
    '/e.yaml': 'state: e',
    '/w/config/deckle.yaml': 'state: w',
    '/etc/deckle/deckle.yaml': 'state: etc',
  };
  const state = (result: LoadResult) => [taken(result).file, taken(result).config.state];
  assert.deepEqual(state(loadConfig('c.yaml', disk(files, { DECKLE_CONFIG: '/e.yaml' }))), ['c.yaml', '/w/c']);
  assert.deepEqual(state(loadConfig(undefined, disk(files, { DECKLE_CONFIG: '/e.yaml' }))), ['/e.yaml', '/w/e']);
  assert.deepEqual(state(loadConfig(undefined, disk(files, { DECKLE_CONFIG: '' }))), ['config/deckle.yaml', '/w/w']);
  const { '/w/config/deckle.yaml': _, ...rest } = files;
  assert.deepEqual(state(loadConfig(undefined, disk(rest))), ['/etc/deckle/deckle.yaml', '/w/etc']);
  assert.match(
    told(loadConfig(undefined, disk({}))).join(),
    /^config\/deckle.yaml: there is no such file, and no \/etc\/deckle\/deckle.yaml/,
  );
  // One that was named is not passed over, nor is one that is there and cannot be read.
  assert.deepEqual(told(loadConfig('no.yaml', disk(files))), ['no.yaml: there is no such file']);
  assert.deepEqual(told(loadConfig(undefined, disk({ ...files, '/w/config/deckle.yaml': '!EACCES' }))), [
    'config/deckle.yaml: may not be read by this user',
  ]);
});

test('a file that is no text of at most 1 MB', () => {
  const one = (file: string | number | Uint8Array): readonly string[] => told(loadConfig('f', disk({ '/w/f': file })));
  assert.deepEqual(one('!EISDIR'), ['f: is a directory, not a file']);
  assert.deepEqual(one('!EIO'), ['f: cannot be read (EIO)']);
  assert.deepEqual(one(1024 * 1024 + 1), ['f: is longer than 1048576 bytes']);
  assert.deepEqual(one(1024 * 1024), []);
  assert.deepEqual(one(Buffer.from([0x61, 0xff])), ['f: is not UTF-8 text']);
  assert.deepEqual(told(loadConfig(import.meta.dirname, { env: {}, cwd: '/' })), [
    `${import.meta.dirname}: is a directory, not a file`,
  ]);
});

test('doubts are warnings', () => {
  const { warnings } = taken(
    parse(
      'front: {trusted_proxies: [0.0.0.0/0, 10.0.0.1/8, 10.0.0.1, 10.0.0.0/8]}\nnodes: [{name: a, address: "localhost:1", memory: 0, disk: {size: 0}}]',
    ),
  );
  assert.deepEqual(
    warnings.map(({ path }) => path),
    ['front.trusted_proxies[0]', 'front.trusted_proxies[1]', 'nodes[0]'],
  );
});

test('nodes of different machines may have ports and folders alike', () => {
  taken(
    parse(
      'peers: {secret: s}\nnodes:\n  - {name: a, address: "c1:1", listen: ":1", disk: {path: /d}}\n  - {name: b, address: "c2:1", listen: ":1", disk: {path: /d}}\n',
    ),
  );
});

test('each key without effect is named once, and is a key', () => {
  for (const { key } of UNBUILT) assert.ok(shapeAt(key) !== undefined, key);
  const { config } = taken(
    parse(`front: {hot: {size: 0}, balance: {load_factor: 0, load_floor: 63}}
nodes: [{name: a, address: "localhost:1", disk: {size: 0}, check: /up}]
purge: {bans: 9}
origins: {a: {urls: ["http://a"]}, b: {urls: ["http://b"]}}
sites:
  - {origin: a, downstream: {cache_control: no-store, surrogate: drop}, request_directives: honour, referers: {allow: [a], deny: {image: x.png}}}
`),
  );
  assert.deepEqual(
    notInEffect(config).map((line) => line.split(': ')[0]),
    [
      'front.balance.load_floor',
      'health',
      'nodes[].check',
      'origins.*.cooldown',
      'sites[].downstream.cache_control',
      'sites[].downstream.surrogate',
      'sites[].request_directives',
      'sites[].referers.deny.image',
      'purge.bans',
    ],
  );
  // The denial itself is in effect.
  assert.equal(config.sites[0]?.referers.deny.status, 403);
});

test('any text at all gives problems or a config, never a throw', () => {
  const bits = fc.constantFrom(
    'front',
    'nodes',
    'sites',
    'origins',
    ': ',
    ':',
    '\n',
    '  ',
    '- ',
    '{',
    '}',
    '[',
    ']',
    '"',
    "'",
    '&a ',
    '*a',
    '<<',
    '${',
    '}',
    '#',
    '|',
    '>',
    '\t',
    '!',
    '%',
    '---',
    '0',
    '10s',
    'x',
    '\ufeff',
    '\0',
    '?',
    ',',
  );
  fc.assert(
    fc.property(fc.array(bits, { maxLength: 40 }), (parts) => {
      const result = parse(parts.join(''));
      if (result.ok) assert.ok(result.config.nodes.length > 0);
      else for (const { line, col } of result.problems) assert.ok((line >= 1 && col >= 1) || (line === 0 && col === 0));
    }),
    { numRuns: 400 },
  );
});

test('any tree of the right keys and wrong values gives problems or a config, never a throw', () => {
  const top = Object.keys(taken(parse('')).config);
  const keys = fc.constantFrom(
    ...top,
    'listen',
    'hot',
    'size',
    'name',
    'address',
    'urls',
    'directory',
    's3',
    'hosts',
    'path',
    'origin',
    'ttl',
    'status',
    'referers',
    'allow',
    'disk',
    'limits',
    'queue',
  );
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 5 },
      fc.constantFrom('', '*', 'none', '10s', '1MB', 'localhost:1', '/a', 'http://a', 0, -1, 1.5, true, null),
      fc.dictionary(keys, tie('tree'), { maxKeys: 5 }),
      fc.array(tie('tree'), { maxLength: 3 }),
    ),
  }));
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...top), tree), (given) => {
      const result = parse(JSON.stringify(given));
      if (!result.ok) assert.ok(result.problems.length > 0 && result.problems.every(({ message }) => message !== ''));
    }),
    { numRuns: 300 },
  );
});

test('paths are written as people write them', () => {
  assert.equal(pathText(['nodes', 0, 'disk', 'path']), 'nodes[0].disk.path');
  assert.equal(pathText(['ttl', 'status', '404']), 'ttl.status.404');
  assert.equal(pathText(['a b', 'c.d']), '"a b"."c.d"');
});
