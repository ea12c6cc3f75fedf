import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { derived, either, forms, list, read, record, required, section } from './knobs.ts';
import { choice, duration, flag, secret, size, text, whole } from './leaves.ts';
import { nearest } from './nearest.ts';
import { parseDuration, parseSize } from './quantities.ts';
import { durationText, sizeText } from './units.ts';

const form = section({
  size: size('1MB', ''),
  wait: duration('1s', '', { min: '1ms', max: '1h' }),
  on: flag(true, ''),
  names: list(text(required(''), ''), ['a'], '', { lone: true }),
  byKey: record(whole(0, 9, required(0), ''), { x: 1 }, '', { key: 'K', keyPattern: /^[a-z]$/, keyWords: 'a letter' }),
  kind: forms({ a: section({ a: text(required(''), '') }), b: section({ b: whole(0, 9, 1, '') }) }, ''),
  either: either(choice(['all', 'none'], 'all', ''), list(text(required(''), ''), [], ''), ''),
  later: derived(text(required(''), ''), 'the rest'),
});

test('sizes and durations read back what they are written as', () => {
  fc.assert(fc.property(fc.maxSafeNat(), (bytes) => assert.equal(parseSize(sizeText(bytes)), bytes)));
  fc.assert(fc.property(fc.maxSafeNat(), (ms) => assert.equal(parseDuration(durationText(ms)), ms)));
});

test('sizes', () => {
  const good: readonly (readonly [unknown, number])[] = [
    ['64MB', 67108864],
    ['2GiB', 2147483648],
    ['1.5k', 1536],
    ['10B', 10],
    ['7', 7],
    [0, 0],
    [12, 12],
    ['1 KB', 1024],
  ];
  for (const [given, bytes] of good) assert.equal(parseSize(given), bytes, String(given));
  for (const given of [
    '',
    'MB',
    '-1',
    '1.3B',
    '1e3',
    '1MBB',
    '1 MB ',
    ' 1',
    '0x10',
    '9007199254740993',
    '9999TB9',
    -1,
    1.5,
    Number.NaN,
    null,
  ]) {
    assert.equal(parseSize(given), undefined, String(given));
  }
});

test('durations', () => {
  const good: readonly (readonly [unknown, number])[] = [
    ['500ms', 500],
    ['0.1s', 100],
    ['1h30m', 5_400_000],
    ['30d', 2_592_000_000],
    ['2w', 1_209_600_000],
    [0, 0],
    ['0', 0],
  ];
  for (const [given, ms] of good) assert.equal(parseDuration(given), ms, String(given));
  for (const given of ['', '10', '-1s', '1 s', 's', '1x', '0.0001s', '1s ', 5, null, '9999999999999999d'])
    assert.equal(parseDuration(given), undefined, String(given));
});

test('nothing given is all defaults', () => {
  const all = section({
    size: size('1MB', ''),
    names: list(text(required(''), ''), ['a'], ''),
    deep: section({ on: flag(true, '') }),
  });
  for (const given of [undefined, null, {}])
    assert.deepEqual(read(all, given), { value: { size: 1048576, names: ['a'], deep: { on: true } }, issues: [] });
});

test('what is wrong is named, what is right is kept', () => {
  const { value, issues } = read(form, {
    sise: 1,
    size: 'x',
    wait: '2h',
    names: 'b',
    byKey: { y: 2, ZZ: 3 },
    kind: { a: 'c' },
    either: ['d'],
  });
  assert.equal(value.size, 1048576);
  assert.equal(value.wait, 1000);
  assert.deepEqual(value.names, ['b']);
  assert.deepEqual({ ...value.byKey }, { y: 2 });
  assert.deepEqual(value.kind, { kind: 'a', a: 'c' });
  assert.deepEqual(value.either, ['d']);
  const told = issues.map(({ path, onKey }) => `${path.join('.')}${onKey ? ' key' : ''}`);
  assert.deepEqual(told.toSorted(), ['byKey.ZZ key', 'sise key', 'size', 'wait']);
});

test('a secret is no part of a message', () => {
  const { issues } = read(section({ token: secret('', '') }), { token: 123456 });
  const messages = issues.map(({ message }) => message);
  assert.deepEqual(messages, ['expected text, found a number (put it in quotes)']);
});

test('anything at all gives a whole value and issues, never a throw', () => {
  const keys = fc.constantFrom(...Object.keys(form.shape.fields), 'a', 'b', '__proto__', 'constructor', 'x');
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      fc.jsonValue(),
      fc.anything({ maxDepth: 1 }),
      fc.dictionary(keys, tie('tree')),
      fc.array(tie('tree'), { maxLength: 3 }),
    ),
  }));
  fc.assert(
    fc.property(tree, (given) => {
      const { value, issues } = read(form, given);
      assert.equal(typeof value.size, 'number');
      assert.ok(Array.isArray(value.names));
      assert.ok(value.kind.kind === 'a' || value.kind.kind === 'b');
      assert.ok(value.wait >= 1 && value.wait <= 3_600_000 && typeof value.on === 'boolean');
      const map = typeof given === 'object' && given !== null && !Array.isArray(given) ? given : undefined;
      const stray = map !== undefined && Object.keys(map).some((key) => !Object.hasOwn(form.shape.fields, key));
      if (stray) assert.ok(issues.some(({ onKey }) => onKey));
    }),
    { numRuns: 300 },
  );
});

test('the nearest name is one slip away, or two of a long one', () => {
  const known = ['retries', 'queue', 'timeouts', 'hot'];
  assert.equal(nearest('retires', known), 'retries');
  assert.equal(nearest('hots', known), 'hot');
  assert.equal(nearest('HOT', known), 'hot');
  assert.equal(nearest('time-outs', known), 'timeouts');
  assert.equal(nearest('colour', known), undefined);
  assert.equal(nearest('x'.repeat(100_000), known), undefined);
});
