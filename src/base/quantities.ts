// Sizes and durations as people write them, the other direction of sizeText and durationText in units.ts.
// Promises: what those write is read back exactly. Refuses (undefined): a bare number as a duration (seconds to one, milliseconds to
// the next), parts of a byte, signs, anything beyond 2^53.

import type { Bytes, Ms } from './units.ts';

const SIZE_UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };
const SIZE = /^(\d{1,16}(?:\.\d{1,6})?) ?([kmgt]?)i?b?$/i;
const SPAN_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
const SPAN = /^(?:\d{1,16}(?:\.\d{1,6})?(?:ms|s|m|h|d|w))+$/;
const SPAN_PART = /([\d.]+)(ms|s|m|h|d|w)/g;

/** `64MB` as bytes; undefined when it is none, has a broken byte or is beyond 2^53. */
export function parseSize(given: unknown): Bytes | undefined {
  if (typeof given === 'number') return Number.isSafeInteger(given) && given >= 0 ? given : undefined;
  const match = typeof given === 'string' ? SIZE.exec(given) : null;
  if (match === null) return undefined;
  const bytes = Number(match[1]) * (SIZE_UNITS[(match[2] ?? '').toLowerCase()] ?? Number.NaN);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** `1h30m` as milliseconds; a bare number is one only when it is 0. */
export function parseDuration(given: unknown): Ms | undefined {
  if (given === 0 || given === '0') return 0;
  if (typeof given !== 'string' || given.length > 100 || !SPAN.test(given)) return undefined;
  let ms = 0;
  for (const [, count = '', unit = ''] of given.matchAll(SPAN_PART)) {
    const part = Number(count) * (SPAN_UNITS[unit] ?? Number.NaN);
    // A fraction is rounded to the microsecond, or 0.1s would not be a whole 100 ms.
    ms += count.includes('.') ? Math.round(part * 1000) / 1000 : part;
  }
  return Number.isSafeInteger(ms) ? ms : undefined;
}
