import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { targetedControl } from './targeted.ts';

const NAMES = ['deckle-cache-control', 'cdn-cache-control'];

function control(value: string): string | undefined {
  return targetedControl([['cdn-cache-control', value]], NAMES);
}

test('the first field of the list that says something is the one that counts', () => {
  const cdn = ['cdn-cache-control', 'max-age=60'] as const;
  assert.equal(targetedControl([cdn, ['deckle-cache-control', 'no-store']], NAMES), 'no-store');
  assert.equal(targetedControl([cdn, ['deckle-cache-control', '']], NAMES), 'max-age=60', 'empty is not there');
  assert.equal(targetedControl([cdn, ['deckle-cache-control', 'max-age=60,']], NAMES), 'max-age=60', 'broken is not there');
  assert.equal(targetedControl([['cache-control', 'max-age=1']], NAMES), undefined);
  assert.equal(targetedControl([['surrogate-control', 'max-age=1']], NAMES), undefined);
});

test('a dictionary of structured fields', () => {
  const rows: readonly (readonly [value: string, directives: string | undefined])[] = [
    ['max-age=600, must-revalidate', 'max-age=600, must-revalidate'],
    ['  max-age=600 ,\tno-cache  ', 'max-age=600, no-cache'],
    ['max-age=1, max-age=2', 'max-age=2'],
    ['no-store=?1, private=?0', 'no-store'],
    ['max-age=60;x="a, b"; y', 'max-age=60'],
    ['ext="a \\"b\\", c", max-age=5', 'ext="a \\"b\\", c", max-age=5'],
    ['ext=(a "b" 1);p=2, max-age=5', 'ext=(a "b" 1), max-age=5'],
    ['max-age=1.5', 'max-age=1.5'],
    ['', undefined],
    [',', undefined],
    ['max-age=60,', undefined],
    ['max-age=60,,no-store', undefined],
    ['max-age = 60', undefined],
    ['Max-Age=60', undefined],
    ['max-age="60', undefined],
    ['max-age=6 0', undefined],
    ['max-age=60 no-store', undefined],
    ["ext='a', max-age=60", undefined],
    ['max-age=1234567890123456', undefined],
    [`x="${'a'.repeat(5000)}"`, undefined],
  ];
  for (const [value, directives] of rows) assert.equal(control(value), directives, value);
});

test('fields of several lines are one dictionary', () => {
  const headers = [
    ['cdn-cache-control', 'max-age=60'],
    ['cdn-cache-control', 'no-cache'],
  ] as const;
  assert.equal(targetedControl(headers, NAMES), 'max-age=60, no-cache');
});

test('any text gives an answer at once, and a second reading of it the same', () => {
  const text = fc.string({
    unit: fc.constantFrom('a', '=', '"', '\\', ',', ' ', ';', '(', ')', '1', '.', '?', ':'),
    maxLength: 200,
  });
  fc.assert(
    fc.property(text, (value) => {
      const directives = control(value);
      if (directives !== undefined && directives !== '') assert.equal(control(directives), directives);
    }),
  );
});
