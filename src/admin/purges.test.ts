import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ParsedPurge, parsePurge } from './purges.ts';

function parse(value: unknown): ParsedPurge {
  return parsePurge(Buffer.from(JSON.stringify(value)));
}

test('urls and a wait become a request; the rest has its defaults', () => {
  assert.deepEqual(parse({ urls: ['http://a.example/x.jpg', '/y.jpg'], wait: '1m' }), {
    kind: 'request',
    request: {
      urls: ['http://a.example/x.jpg', '/y.jpg'],
      prefix: '',
      tags: [],
      hosts: [],
      all: false,
      soft: false,
      waitMs: 60_000,
    },
  });
  const short = parse({ urls: ['/y.jpg'] });
  assert.equal(short.kind === 'request' && short.request.waitMs, 1_000);
  const none = parse({ urls: ['/y.jpg'], wait: '0s' });
  assert.equal(none.kind === 'request' && none.request.waitMs, 0);
});

test('every key may be written with the value that means nothing', () => {
  assert.equal(parse({ urls: ['/y.jpg'], prefix: '', tags: [], hosts: [], all: false, soft: false, wait: '1s' }).kind, 'request');
});

const bad: readonly (readonly [unknown, RegExp])[] = [
  [null, /object/],
  [[], /object/],
  ['/a.jpg', /object/],
  [{}, /names nothing/],
  [{ urls: [], soft: false }, /names nothing/],
  [{ url: ['/a'] }, /"url" is not a key.*did you mean "urls"/],
  [{ urls: ['/a'], sotf: true }, /did you mean "soft"/],
  [{ urls: ['/a'], constructor: 1 }, /"constructor" is not a key/],
  [{ urls: '/a' }, /urls is not a list/],
  [{ urls: ['/a', 3] }, /urls\[1\]/],
  [{ urls: [''] }, /urls\[0\]/],
  [{ urls: ['/a\nb'] }, /urls\[0\]/],
  [{ urls: ['x'.repeat(32_769)] }, /urls\[0\]/],
  [{ urls: Array.from({ length: 100_001 }, () => '/') }, /more than/],
  [{ tags: [{}] }, /tags\[0\]/],
  [{ hosts: null }, /hosts/],
  [{ prefix: 'gallery/' }, /prefix/],
  [{ prefix: 'ftp://h/x/' }, /prefix/],
  [{ all: 'true' }, /all is not true or false/],
  [{ urls: ['/a'], soft: 1 }, /soft is not/],
  [{ urls: ['/a'], wait: 5 }, /wait/],
  [{ urls: ['/a'], wait: '61s' }, /wait is not a duration from 0s to 1m/],
  [{ urls: ['/a'], wait: '-1s' }, /wait/],
  [{ urls: ['/a'], wait: 'soon' }, /wait/],
  [{ urls: ['/a'], wait: null }, /wait/],
];

for (const [value, why] of bad) {
  test(`refused: ${JSON.stringify(value).slice(0, 60)}`, () => {
    const parsed = parse(value);
    assert.match(parsed.kind === 'bad' ? parsed.why : parsed.kind, why);
  });
}

test('a key named __proto__ is a key like any other: refused', () => {
  assert.equal(parsePurge(Buffer.from('{"__proto__": {"urls": ["/a"]}}')).kind, 'bad');
  assert.equal(parsePurge(Buffer.from('{"urls": ["/a"], "__proto__": {"all": true}}')).kind, 'bad');
});

test('what is valid but not built is named, not dropped', () => {
  for (const value of [
    { prefix: '/gallery/' },
    { prefix: 'http://h.example/x/' },
    { tags: ['t'] },
    { hosts: ['h'] },
    { all: true },
  ]) {
    assert.deepEqual(parse(value), { kind: 'unbuilt', what: Object.keys(value)[0] });
  }
  assert.deepEqual(parse({ urls: ['/a'], soft: true, tags: ['t'] }), { kind: 'unbuilt', what: 'tags, soft' });
});

test('bytes that are no JSON in UTF-8 are refused', () => {
  for (const body of [Buffer.alloc(0), Buffer.from('{'), Buffer.from([0x22, 0xff, 0x22]), Buffer.from('{"urls":["/a"]} x')]) {
    assert.equal(parsePurge(body).kind, 'bad');
  }
});

test('any bytes and any JSON give a verdict, never a throw', () => {
  const kinds = ['request', 'bad', 'unbuilt'];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => assert.ok(kinds.includes(parsePurge(Buffer.from(bytes)).kind))),
  );
  const field = fc.dictionary(fc.constantFrom('urls', 'prefix', 'tags', 'hosts', 'all', 'soft', 'wait'), fc.jsonValue());
  fc.assert(fc.property(field, (value) => assert.ok(kinds.includes(parse(value).kind))));
});
