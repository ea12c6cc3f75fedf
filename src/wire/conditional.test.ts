import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { etagInList, notModified, rangeConditionHolds, sameEtag } from './conditional.ts';

test('RFC 9110 §8.8.3.2: the table of comparisons', () => {
  const rows: readonly (readonly [a: string, b: string, strong: boolean, weak: boolean])[] = [
    ['W/"1"', 'W/"1"', false, true],
    ['W/"1"', 'W/"2"', false, false],
    ['W/"1"', '"1"', false, true],
    ['"1"', '"1"', true, true],
    ['""', '""', true, true],
    ['"\xfc,"', '"\xfc,"', true, true],
    ['w/"1"', 'w/"1"', false, false],
    ['1', '1', false, false],
    ['"a b"', '"a b"', false, false],
    ['"1', '"1', false, false],
    ['"1"x', '"1"x', false, false],
    ['*', '*', false, false],
  ];
  for (const [a, b, strong, weak] of rows) {
    assert.equal(sameEtag(a, b, 'strong'), strong, `${a} ${b} strong`);
    assert.equal(sameEtag(a, b, 'weak'), weak, `${a} ${b} weak`);
    assert.equal(sameEtag(b, a, 'weak'), weak, `${b} ${a} weak`);
  }
});

test('a list matches by member, and commas inside quotes do not part members', () => {
  const rows: readonly (readonly [list: string, etag: string, found: boolean])[] = [
    ['"a"', '"a"', true],
    ['"a","b" ,\t"c"', '"c"', true],
    ['"a", W/"b"', '"b"', true],
    [', ,"a",,', '"a"', true],
    ['"x, "b", y"', '"b"', false],
    ['"a,b"', '"a,b"', true],
    ['"a,b"', '"b"', false],
    ['"a"x', '"a"', false],
    ['x"a"', '"a"', false],
    ['"b" "a"', '"a"', false],
    ['w/"a"', '"a"', false],
    ['a', '"a"', false],
    ['a, "a"', '"a"', true],
    ['*', '"a"', false],
    ['', '"a"', false],
    ['"a"', 'a', false],
  ];
  for (const [list, etag, found] of rows) assert.equal(etagInList(list, etag, 'weak'), found, list);
  assert.equal(etagInList('W/"a"', '"a"', 'strong'), false);
  assert.equal(etagInList('W/"a", "a"', '"a"', 'strong'), true);
});

const OLD = 'Sun, 06 Nov 1994 08:49:36 GMT';
const AT = 'Sun, 06 Nov 1994 08:49:37 GMT';
const AT_850 = 'Sunday, 06-Nov-94 08:49:37 GMT';
const LATER = 'Sun, 06 Nov 1994 08:49:38 GMT';

test('RFC 9110 §13.2.2: If-None-Match goes before If-Modified-Since', () => {
  const stored = { etag: '"a"', lastModified: AT, date: LATER };
  const rows: readonly (readonly [request: Parameters<typeof notModified>[0], answer: boolean])[] = [
    [{}, false],
    [{ ifNoneMatch: '"a"' }, true],
    [{ ifNoneMatch: 'W/"a"' }, true],
    [{ ifNoneMatch: '*' }, true],
    [{ ifNoneMatch: '"b"' }, false],
    [{ ifNoneMatch: '' }, false],
    [{ ifNoneMatch: '"b"', ifModifiedSince: LATER }, false],
    [{ ifNoneMatch: '"a"', ifModifiedSince: OLD }, true],
    [{ ifModifiedSince: OLD }, false],
    [{ ifModifiedSince: AT }, true],
    [{ ifModifiedSince: AT_850 }, true],
    [{ ifModifiedSince: LATER }, true],
    [{ ifModifiedSince: 'yesterday' }, false],
    [{ ifModifiedSince: '' }, false],
  ];
  for (const [request, answer] of rows) assert.equal(notModified(request, stored), answer, JSON.stringify(request));
});

test('what is stored without a validator is never "not modified", but for * and its Date', () => {
  assert.equal(notModified({ ifNoneMatch: '"a"' }, {}), false);
  assert.equal(notModified({ ifNoneMatch: '*' }, {}), true);
  assert.equal(notModified({ ifModifiedSince: AT }, {}), false);
  assert.equal(notModified({ ifModifiedSince: AT }, { date: AT }), true);
  assert.equal(notModified({ ifModifiedSince: AT }, { date: LATER }), false);
  assert.equal(notModified({ ifModifiedSince: AT }, { lastModified: LATER, date: OLD }), false);
});

test('RFC 9110 §13.1.5: If-Range holds by a strong validator only', () => {
  const stored = { etag: '"a"', lastModified: AT, date: LATER };
  const rows: readonly (readonly [ifRange: string | undefined, holds: boolean])[] = [
    [undefined, true],
    ['"a"', true],
    ['"b"', false],
    ['W/"a"', false],
    ['"a", "b"', false],
    ['a', false],
    ['*', false],
    ['', false],
    [AT, true],
    [AT_850, true],
    [OLD, false],
    [LATER, false],
    ['yesterday', false],
  ];
  for (const [ifRange, holds] of rows) assert.equal(rangeConditionHolds(ifRange, stored), holds, String(ifRange));
  assert.equal(rangeConditionHolds('W/"a"', { etag: 'W/"a"' }), false);
  assert.equal(rangeConditionHolds('"a"', {}), false);
});

test('a Last-Modified of the same second as Date is weak, and so is one without a Date', () => {
  assert.equal(rangeConditionHolds(AT, { lastModified: AT, date: AT }), false);
  assert.equal(rangeConditionHolds(AT, { lastModified: AT, date: OLD }), false);
  assert.equal(rangeConditionHolds(AT, { lastModified: AT }), false);
  assert.equal(rangeConditionHolds(AT, { date: LATER }), false);
});

const opaque = fc
  .string({ unit: fc.constantFrom('a', 'b', ',', 'W', '/', '!', '\xff'), maxLength: 4 })
  .map((text) => `"${text}"`);
const tag = fc.tuple(fc.boolean(), opaque).map(([weak, text]) => (weak ? `W/${text}` : text));

test('a list of tags is searched as each of them would be', () => {
  const lists = fc.array(tag, { maxLength: 5 });
  fc.assert(
    fc.property(lists, tag, fc.constantFrom('strong' as const, 'weak' as const), (list, etag, how) => {
      assert.equal(
        etagInList(list.join(', '), etag, how),
        list.some((one) => sameEtag(one, etag, how)),
      );
    }),
  );
});

test('no text throws', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
      assert.equal(typeof etagInList(a, b, 'weak'), 'boolean');
      assert.equal(typeof notModified({ ifNoneMatch: a, ifModifiedSince: b }, { etag: b, lastModified: a }), 'boolean');
      assert.equal(typeof rangeConditionHolds(a, { etag: b, lastModified: a, date: b }), 'boolean');
    }),
  );
});
