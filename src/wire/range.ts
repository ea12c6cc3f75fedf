// Byte ranges (RFC 9110 §14): what a Range field asks of a body whose length is known, and how several parts are framed.
// Promises: every range handed out lies inside the body, ranges come in the order asked for and share no byte, and their sum
// never exceeds the length: nobody gets more bytes out of a range than out of the whole.
// Refuses (by answering whole, as RFC 9110 §14.2 lets any server do): other units, broken syntax, too many ranges, more than
// two that overlap, sums above the length (§17.15, denial of service using Range).

import type { Bytes } from '../base/units.ts';

/** Both ends belong to the range. */
export interface ByteRange {
  readonly first: Bytes;
  readonly last: Bytes;
}

export type RangeAnswer =
  | { readonly kind: 'whole' }
  | { readonly kind: 'one'; readonly first: Bytes; readonly last: Bytes }
  | { readonly kind: 'many'; readonly ranges: readonly ByteRange[] }
  | { readonly kind: 'unsatisfiable' };

export interface RangeLimits {
  readonly maxRanges: number;
}

const DEFAULT_RANGE_LIMITS: RangeLimits = Object.freeze({ maxRanges: 16 });

const WHOLE: RangeAnswer = Object.freeze({ kind: 'whole' });
const UNSATISFIABLE: RangeAnswer = Object.freeze({ kind: 'unsatisfiable' });
/** §14.1: "Range units are ... case-insensitive". */
const BYTES_UNIT = /^bytes=/i;
const RANGE_SPEC = /^[ \t]*(\d*)-(\d*)[ \t]*$/;
const MOST_OVERLAPPING = 2;

/** What `value`, a Range field, asks of a body of `length` bytes. If-Range is judged before (`rangeConditionHolds`). */
export function parseRange(value: string | undefined, length: Bytes, limits: RangeLimits = DEFAULT_RANGE_LIMITS): RangeAnswer {
  if (value === undefined || !BYTES_UNIT.test(value)) return WHOLE;
  const asked: ByteRange[] = [];
  let specs = 0;
  for (let at = 'bytes='.length; at <= value.length; ) {
    const comma = value.indexOf(',', at);
    const end = comma < 0 ? value.length : comma;
    const spec = value.slice(at, end);
    at = end + 1;
    if (isBlank(spec)) continue; // §5.6.1.2: "MUST parse and ignore a reasonable number of empty list elements"
    if (++specs > limits.maxRanges) return WHOLE;
    const range = resolve(spec, length);
    if (range === 'invalid' || range === 'empty') return WHOLE;
    if (range !== 'beyond') asked.push(range);
  }
  if (specs === 0) return WHOLE;
  // §14.1.2: a set is satisfiable when one of its specs is; those that are not are left out of the answer (§15.3.7).
  if (asked.length === 0) return UNSATISFIABLE;
  if (sumOf(asked) > length || overlapping(asked) > MOST_OVERLAPPING) return WHOLE;
  const ranges = coalesce(asked);
  return ranges.length === 1 ? { kind: 'one', ...ranges[0]! } : { kind: 'many', ranges };
}

/** `Content-Range` of a 206 (RFC 9110 §14.4). */
export function contentRange(range: ByteRange, length: Bytes): string {
  return `bytes ${range.first}-${range.last}/${length}`;
}

/** `Content-Range` of a 416. */
export function unsatisfiedRange(length: Bytes): string {
  return `bytes */${length}`;
}

export interface MultipartPart extends ByteRange {
  /** Latin1; goes out before the bytes of the part. */
  readonly head: string;
}

export interface Multipart {
  /** Content-Type of the whole answer. */
  readonly contentType: string;
  readonly parts: readonly MultipartPart[];
  /** Latin1; goes out after the last part. */
  readonly tail: string;
  /** Heads, bodies and tail together. Small ranges of a small body can come to more than the body: the caller compares. */
  readonly contentLength: Bytes;
}

/**
 * Framing of a multipart/byteranges body (RFC 9110 §14.6).
 * @param length      bytes of the whole body
 * @param contentType of the whole body, as stored; undefined when it has none
 * @param boundary    1 to 70 letters and digits, drawn at random for this answer, so that no body can contain it on purpose
 */
export function multipartParts(
  ranges: readonly ByteRange[],
  length: Bytes,
  contentType: string | undefined,
  boundary: string,
): Multipart {
  // §15.3.7.2: a part has its own Content-Range and, if the whole answer would have one, its Content-Type.
  const type = contentType === undefined ? '' : `Content-Type: ${contentType}\r\n`;
  const parts = ranges.map(({ first, last }, index) => {
    const open = index === 0 ? `--${boundary}` : `\r\n--${boundary}`;
    return { head: `${open}\r\n${type}Content-Range: ${contentRange({ first, last }, length)}\r\n\r\n`, first, last };
  });
  const tail = `\r\n--${boundary}--\r\n`;
  const heads = parts.reduce((sum, part) => sum + part.head.length, 0);
  return {
    contentType: `multipart/byteranges; boundary=${boundary}`,
    parts,
    tail,
    contentLength: heads + sumOf(ranges) + tail.length,
  };
}

/** One range-spec. `beyond`: satisfiable by no byte of the body. `empty`: satisfiable, but the body has no byte to send. */
function resolve(spec: string, length: Bytes): ByteRange | 'invalid' | 'beyond' | 'empty' {
  const match = RANGE_SPEC.exec(spec);
  if (match === null) return 'invalid';
  const from = withoutZeros(match[1]!);
  const to = withoutZeros(match[2]!);
  if (from === '') {
    if (to === '') return 'invalid';
    // §14.1.2: "a suffix-range is satisfiable if the suffix-length is non-zero", and when the body is shorter, "the entire
    // representation is used". Of an empty body that is nothing, which no 206 can say.
    if (to === '0') return 'beyond';
    return length === 0 ? 'empty' : { first: Math.max(0, length - Number(to)), last: length - 1 };
  }
  // §14.1.1: "An int-range is invalid if the last-pos value is present and less than first-pos", of any number of digits.
  if (to !== '' && isLess(to, from)) return 'invalid';
  // §14.1.2: an int-range is satisfiable when first-pos is less than the length; a last-pos beyond the end means the end.
  if (Number(from) >= length) return 'beyond';
  return { first: Number(from), last: to === '' ? length - 1 : Math.min(Number(to), length - 1) };
}

/** Ranges that share a byte or touch become one, in the place of the first of them (§15.3.7.2 lets a server do so). */
function coalesce(ranges: readonly ByteRange[]): readonly ByteRange[] {
  const rising = ranges.map((range, place) => ({ ...range, place })).sort((a, b) => a.first - b.first);
  const joined: { first: Bytes; last: Bytes; place: number }[] = [];
  for (const range of rising) {
    const before = joined.at(-1);
    if (before === undefined || range.first > before.last + 1) joined.push(range);
    else {
      before.last = Math.max(before.last, range.last);
      before.place = Math.min(before.place, range.place);
    }
  }
  return joined.sort((a, b) => a.place - b.place).map(({ first, last }) => ({ first, last }));
}

/** How many of the ranges share a byte with another; at most maxRanges squared steps. */
function overlapping(ranges: readonly ByteRange[]): number {
  return ranges.filter((a) => ranges.some((b) => a !== b && a.first <= b.last && b.first <= a.last)).length;
}

function sumOf(ranges: readonly ByteRange[]): Bytes {
  return ranges.reduce((sum, range) => sum + range.last - range.first + 1, 0);
}

function isBlank(text: string): boolean {
  return /^[ \t]*$/.test(text);
}

function withoutZeros(digits: string): string {
  return digits.replace(/^0+(?=\d)/, '');
}

/** Compares decimal texts without leading zeros, which may be longer than a number holds. */
function isLess(a: string, b: string): boolean {
  return a.length === b.length ? a < b : a.length < b.length;
}
