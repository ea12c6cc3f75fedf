import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { LogEntry } from './log.ts';
import { decodeEntry, encodeEntry } from './target.ts';

const good: LogEntry = { kind: 'purge', id: 'p-1', target: { kind: 'url', key: 'all /a.jpg' }, soft: false };

test('an entry comes back from JSON as it went', () => {
  const key = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(key, fc.boolean(), (text, soft) => {
      const entry: LogEntry = { ...good, target: { kind: 'url', key: text }, soft };
      assert.deepEqual(decodeEntry(JSON.parse(JSON.stringify(encodeEntry(entry)))), { ok: true, entry });
    }),
  );
});

test('an encoded entry is a copy', () => {
  const target = { kind: 'url' as const, key: 'all /a.jpg' };
  const copy = encodeEntry({ ...good, target });
  target.key = 'all /b.jpg';
  assert.equal(copy.target.key, 'all /a.jpg');
});

const refused: readonly (readonly [string, unknown, RegExp])[] = [
  ['no object', 'purge', /object/],
  ['an array', [], /object/],
  ['null', null, /object/],
  ['an unknown kind', { ...good, kind: 'drain' }, /kind of entry/],
  ['an unknown key', { ...good, hard: true }, /exactly/],
  ['a missing key', { kind: 'purge', id: 'p', soft: true }, /exactly/],
  [
    'a key inherited only',
    Object.assign(Object.create({ soft: true }), { kind: 'purge', id: 'p', target: good.target }),
    /exactly/,
  ],
  ['an empty id', { ...good, id: '' }, /id/],
  ['an id with a line feed', { ...good, id: 'a\n' }, /id/],
  ['a long id', { ...good, id: 'a'.repeat(65) }, /id/],
  ['soft as a text', { ...good, soft: 'yes' }, /soft/],
  ['an unknown target', { ...good, target: { kind: 'tag', tag: 'x' } }, /kind of target/],
  ['a target with more', { ...good, target: { kind: 'url', key: 'k', host: 'h' } }, /exactly/],
  ['an empty key', { ...good, target: { kind: 'url', key: '' } }, /key/],
  ['a huge key', { ...good, target: { kind: 'url', key: 'k'.repeat(65_537) } }, /key/],
  ['half a character', { ...good, target: { kind: 'url', key: 'k\ud800' } }, /well-formed/],
];

for (const [name, value, why] of refused) {
  test(`refused: ${name}`, () => {
    const decoded = decodeEntry(value);
    assert.equal(decoded.ok, false);
    assert.match(decoded.ok ? '' : decoded.why, why);
    assert.throws(() => encodeEntry(value as LogEntry), why);
  });
}

test('any JSON is an entry or refused, never a throw', () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => assert.equal(typeof decodeEntry(value).ok, 'boolean')));
});
