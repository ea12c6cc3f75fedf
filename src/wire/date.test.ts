import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { httpDate, parseHttpDate } from './date.ts';

const NOV_1994 = Date.UTC(1994, 10, 6, 8, 49, 37);
const NOW = Date.UTC(2026, 10, 22, 12, 0, 0);

const GOOD: readonly (readonly [text: string, ms: number])[] = [
  ['Sun, 06 Nov 1994 08:49:37 GMT', NOV_1994],
  ['Sunday, 06-Nov-94 08:49:37 GMT', NOV_1994],
  ['Sun Nov  6 08:49:37 1994', NOV_1994],
  ['Wed Nov 16 08:49:37 1994', Date.UTC(1994, 10, 16, 8, 49, 37)],
  ['sUN, 06 nOV 1994 08:49:37 gmt', NOV_1994],
  ['Mon, 06 Nov 1994 08:49:37 GMT', NOV_1994], // it was a Sunday
  ['Thu, 29 Feb 2024 00:00:00 GMT', Date.UTC(2024, 1, 29)],
  ['Sat, 31 Dec 2016 23:59:60 GMT', Date.UTC(2016, 11, 31, 23, 59, 59)], // a leap second
  ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
  ['Wed, 31 Dec 1969 23:59:59 GMT', -1000],
  ['Fri, 31 Dec 9999 23:59:59 GMT', Date.UTC(9999, 11, 31, 23, 59, 59)],
  ['Sat, 01 Jan 0050 00:00:00 GMT', new Date(0).setUTCFullYear(50, 0, 1)],
];

const BAD: readonly string[] = [
  '',
  '0',
  '-1',
  'now',
  ' Sun, 06 Nov 1994 08:49:37 GMT',
  'Sun, 06 Nov 1994 08:49:37 GMT ',
  'Sun, 06 Nov 1994 08:49:37 UTC',
  'Sun, 06 Nov 1994 08:49:37 AEST',
  'Sun, 06 Nov 1994 08:49:37 +0000',
  'Sun, 06 Nov 1994 08:49:37',
  'Sun 06 Nov 1994 08:49:37 GMT',
  'Sun, 06  Nov  1994 08:49:37 GMT',
  'Sun, 06-Nov-1994 08:49:37 GMT',
  'Sun, 06 Nov 94 08:49:37 GMT',
  'Sun, 6 Nov 1994 08:49:37 GMT',
  'Sun, 06 Nov 1994 8:49:37 GMT',
  'Sun, 06 Nov 1994 08.49.37 GMT',
  'Sun, 06 Nov 1994 24:00:00 GMT',
  'Sun, 06 Nov 1994 08:60:00 GMT',
  'Sun, 06 Nov 1994 08:49:60 GMT',
  'Sun, 06 Nov 1994 08:49:61 GMT',
  'Sun, 31 Apr 1994 08:49:37 GMT',
  'Sun, 29 Feb 2023 08:49:37 GMT',
  'Sun, 00 Nov 1994 08:49:37 GMT',
  'Sun, 06 Nox 1994 08:49:37 GMT',
  'Son, 06 Nov 1994 08:49:37 GMT',
  'Sun, 06-Nov-94 08:49:37 GMT',
  'Sunday, 06 Nov 1994 08:49:37 GMT',
  'Sun Nov 6 08:49:37 1994',
  'Sun Nov 06 08:49:37 1994 GMT',
  'Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT',
  '1994-11-06T08:49:37Z',
];

test('the three forms of RFC 9110 §5.6.7 are read, in any case', () => {
  for (const [text, ms] of GOOD) assert.equal(parseHttpDate(text, NOW), ms, text);
});

test('anything else is no date', () => {
  for (const text of BAD) assert.equal(parseHttpDate(text, NOW), undefined, text);
});

test('a two-digit year is never more than 50 years ahead of now', () => {
  const year = (text: string, nowMs?: number) => new Date(parseHttpDate(text, nowMs) ?? Number.NaN).getUTCFullYear();
  assert.equal(year('Sunday, 22-Nov-76 12:00:00 GMT', NOW), 2076); // 50 years to the second
  assert.equal(year('Sunday, 22-Nov-76 12:00:01 GMT', NOW), 1976);
  assert.equal(year('Sunday, 06-Nov-26 08:49:37 GMT', NOW), 2026);
  assert.equal(year('Sunday, 06-Nov-99 08:49:37 GMT', NOW), 1999);
  assert.equal(year('Sunday, 06-Nov-10 08:49:37 GMT', Date.UTC(2095, 0, 1)), 2110);
  assert.equal(year('Sunday, 06-Nov-69 08:49:37 GMT'), 2069);
  assert.equal(year('Sunday, 06-Nov-70 08:49:37 GMT'), 1970);
});

test('29 February of a two-digit year belongs to the year it falls in', () => {
  assert.equal(parseHttpDate('Tuesday, 29-Feb-00 00:00:00 GMT', NOW), Date.UTC(2000, 1, 29));
  assert.equal(parseHttpDate('Tuesday, 29-Feb-01 00:00:00 GMT', NOW), undefined);
});

test('what is written is IMF-fixdate, to the second, and within the years that have one', () => {
  assert.equal(httpDate(NOV_1994 + 999), 'Sun, 06 Nov 1994 08:49:37 GMT');
  assert.equal(httpDate(-1), 'Wed, 31 Dec 1969 23:59:59 GMT');
  assert.equal(httpDate(Number.POSITIVE_INFINITY), 'Fri, 31 Dec 9999 23:59:59 GMT');
  assert.equal(httpDate(Number.NEGATIVE_INFINITY), 'Sat, 01 Jan 0000 00:00:00 GMT');
});

test('what is written is read back', () => {
  const seconds = fc.integer({ min: -62_167_219_200, max: 253_402_300_799 });
  fc.assert(fc.property(seconds, (second) => parseHttpDate(httpDate(second * 1000)) === second * 1000));
});

test('the old forms of a date say the same as the new one', () => {
  const seconds = fc.integer({ min: Date.UTC(1980, 0, 1) / 1000, max: Date.UTC(2060, 0, 1) / 1000 });
  fc.assert(
    fc.property(seconds, (second) => {
      const [, day, month, year, time] = /, (\d\d) (\w{3}) (\d{4}) (\S+)/.exec(httpDate(second * 1000))!;
      assert.equal(parseHttpDate(`Monday, ${day}-${month}-${year!.slice(2)} ${time} GMT`, NOW), second * 1000);
      assert.equal(parseHttpDate(`Mon ${month} ${day!.replace(/^0/, ' ')} ${time} ${year}`, NOW), second * 1000);
    }),
  );
});

test('no text throws, and what is read is a whole second', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 40 }), (text) => {
      const ms = parseHttpDate(text, NOW);
      assert.ok(ms === undefined || ms % 1000 === 0);
    }),
  );
});
