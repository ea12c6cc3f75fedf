// HTTP dates (RFC 9110 §5.6.7): text to wall time and back.
// Promises: the three forms of the grammar are read whatever their case (RFC 9111 §4.2); what is written is IMF-fixdate.
// Refuses: any other zone, a day that no calendar has, a missing or doubled space, white space around the date.
// The day of the week must be one; whether it is the right one is not asked, since nothing is decided by it.

import type { WallMs } from '../base/units.ts';

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const MONTH = `(${MONTHS.join('|')})`;
const SHORT_DAY = '(?:mon|tue|wed|thu|fri|sat|sun)';
const LONG_DAY = '(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)';
const TIME = '(\\d\\d):(\\d\\d):(\\d\\d)';

const IMF_FIXDATE = new RegExp(`^${SHORT_DAY}, (\\d\\d) ${MONTH} (\\d{4}) ${TIME} gmt$`, 'i');
const RFC_850 = new RegExp(`^${LONG_DAY}, (\\d\\d)-${MONTH}-(\\d\\d) ${TIME} gmt$`, 'i');
const ASCTIME = new RegExp(`^${SHORT_DAY} ${MONTH} (\\d\\d| \\d) ${TIME} (\\d{4})$`, 'i');

/** `Wednesday, 06-Nov-94 08:49:37 GMT`: nothing longer is a date. */
const LONGEST = 33;
/** The pivot of two-digit years when the caller names no time: 1970 to 2069, as POSIX has it. */
const PIVOT_MS: WallMs = Date.UTC(2019, 11, 31, 23, 59, 59);
const EARLIEST_MS: WallMs = new Date(0).setUTCFullYear(0, 0, 1);
const LATEST_MS: WallMs = Date.UTC(9999, 11, 31, 23, 59, 59);

/** Wall time of a well-formed HTTP date. `nowMs` places the two-digit years of RFC 850 dates. */
export function parseHttpDate(text: string, nowMs: WallMs = PIVOT_MS): WallMs | undefined {
  if (text.length > LONGEST) return undefined;
  const imf = IMF_FIXDATE.exec(text);
  if (imf !== null) return wallMs(Number(imf[3]), imf[2]!, imf[1]!, imf[4]!, imf[5]!, imf[6]!);
  const asc = ASCTIME.exec(text);
  if (asc !== null) return wallMs(Number(asc[6]), asc[1]!, asc[2]!, asc[3]!, asc[4]!, asc[5]!);
  const old = RFC_850.exec(text);
  if (old === null) return undefined;
  // RFC 9110 §5.6.7: a two-digit year that "appears to be more than 50 years in the future" is "the most recent year in the
  // past that had the same last two digits".
  const horizonMs = new Date(nowMs).setUTCFullYear(new Date(nowMs).getUTCFullYear() + 50);
  let year = Math.floor(new Date(horizonMs).getUTCFullYear() / 100) * 100 + Number(old[3]);
  if (dayStartMs(year, monthOf(old[2]!), Number(old[1])) + timeOfDay(old[4]!, old[5]!, old[6]!) > horizonMs) year -= 100;
  return wallMs(year, old[2]!, old[1]!, old[4]!, old[5]!, old[6]!);
}

/** IMF-fixdate of a wall time; fractions of a second are cut, years before 0 and after 9999 have no such form and are clamped. */
export function httpDate(ms: WallMs): string {
  return new Date(Math.max(EARLIEST_MS, Math.min(LATEST_MS, Math.floor(ms / 1000) * 1000))).toUTCString();
}

function wallMs(year: number, month: string, day: string, hour: string, minute: string, second: string): WallMs | undefined {
  // §5.6.7: 00:00:00 to 23:59:60, the last for a leap second.
  if (hour > '23' || minute > '59' || second > '60' || (second === '60' && (hour !== '23' || minute !== '59'))) return undefined;
  const startMs = dayStartMs(year, monthOf(month), Number(day));
  if (new Date(startMs).getUTCDate() !== Number(day)) return undefined; // 31 April became 1 May
  return startMs + timeOfDay(hour, minute, second);
}

function monthOf(name: string): number {
  return MONTHS.indexOf(name.toLowerCase());
}

function dayStartMs(year: number, month: number, day: number): WallMs {
  return new Date(0).setUTCFullYear(year, month, day); // not Date.UTC, which takes the years 0 to 99 for 1900 to 1999
}

function timeOfDay(hour: string, minute: string, second: string): number {
  // RFC 9111 §4.2: what our resolution cannot hold becomes "the nearest time equal to or earlier": a leap second is second 59.
  return ((Number(hour) * 60 + Number(minute)) * 60 + Math.min(59, Number(second))) * 1000;
}
