import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { contentRange, multipartParts, parseRange, type RangeAnswer, unsatisfiedRange } from './range.ts';

const LENGTH = 10_000;
const HUGE = '9'.repeat(40);
const WHOLE: RangeAnswer = { kind: 'whole' };
const UNSATISFIABLE: RangeAnswer = { kind: 'unsatisfiable' };

const one = (first: number, last: number): RangeAnswer => ({ kind: 'one', first, last });
const many = (...ranges: readonly (readonly [number, number])[]): RangeAnswer => ({
  kind: 'many',
  ranges: ranges.map(([first, last]) => ({ first, last })),
});

const CASES: readonly (readonly [value: string | undefined, answer: RangeAnswer])[] = [
  [undefined, WHOLE],
  // RFC 9110 §14.1.2, its own examples
  ['bytes=0-499', one(0, 499)],
  ['bytes=500-999', one(500, 999)],
  ['bytes=-500', one(9500, 9999)],
  ['bytes=9500-', one(9500, 9999)],
  ['bytes=0-0,-1', many([0, 0], [9999, 9999])],
  ['bytes= 0-999, 4500-5499, -1000', many([0, 999], [4500, 5499], [9000, 9999])],
  ['bytes=500-600,601-999', one(500, 999)],
  ['bytes=500-700,601-999', one(500, 999)],
  // ends
  ['bytes=0-', one(0, 9999)],
  ['bytes=0-9999', one(0, 9999)],
  ['bytes=0-99999', one(0, 9999)],
  ['bytes=-99999', one(0, 9999)],
  ['bytes=9999-9999', one(9999, 9999)],
  ['bytes=10000-', UNSATISFIABLE],
  ['bytes=10000-10001', UNSATISFIABLE],
  ['bytes=-0', UNSATISFIABLE],
  ['bytes=-0,10000-', UNSATISFIABLE],
  ['bytes=10000-,5-6', one(5, 6)],
  // more digits than a number holds
  [`bytes=0-${HUGE}`, one(0, 9999)],
  [`bytes=-${HUGE}`, one(0, 9999)],
  [`bytes=${HUGE}-`, UNSATISFIABLE],
  [`bytes=${HUGE}1-${HUGE}0`, WHOLE],
  [`bytes=${HUGE}0-${HUGE}1`, UNSATISFIABLE],
  ['bytes=0000000000000000000000001-00002', one(1, 2)],
  // order kept; the joined range stands where its first piece stood
  ['bytes=500-599,0-9', many([500, 599], [0, 9])],
  ['bytes=500-599,0-9,600-610', many([500, 610], [0, 9])],
  ['bytes=20-29,40-49,30-39', one(20, 49)],
  // syntax
  ['bytes', WHOLE],
  ['bytes=', WHOLE],
  ['bytes=,', WHOLE],
  ['bytes=-', WHOLE],
  ['bytes=1', WHOLE],
  ['bytes=2-1', WHOLE],
  ['bytes=0-1,2-1', WHOLE],
  ['bytes=0-1,x', WHOLE],
  ['bytes=a-b', WHOLE],
  ['bytes=+0-1', WHOLE],
  ['bytes=0x0-1', WHOLE],
  ['bytes=0 - 1', WHOLE],
  ['bytes=0-1-2', WHOLE],
  ['bytes=--1', WHOLE],
  ['bytes =0-1', WHOLE],
  ['bytes:0-1', WHOLE],
  ['bytes=0-1;2-3', WHOLE],
  ['bytes=\xa00-1', WHOLE],
  [' bytes=0-1', WHOLE],
  ['0-1', WHOLE],
  ['items=0-1', WHOLE],
  ['bytess=0-1', WHOLE],
  ['BYTES=0-1', one(0, 1)],
  ['bytes=, ,0-1,,\t5-6 ,', many([0, 1], [5, 6])],
  // amplification
  ['bytes=0-,0-', WHOLE],
  ['bytes=0-,-1', WHOLE],
  ['bytes=0-9,5-14', one(0, 14)],
  ['bytes=0-9,5-14,8-20', WHOLE],
  ['bytes=0-9,5-14,100-109,105-114', WHOLE],
  ['bytes=0-9,5-14,100-109', many([0, 14], [100, 109])],
];

test('a Range field of a body of 10,000 bytes', () => {
  for (const [value, answer] of CASES) assert.deepEqual(parseRange(value, LENGTH), answer, String(value));
});

test('a body of no bytes', () => {
  assert.deepEqual(parseRange('bytes=0-', 0), UNSATISFIABLE);
  assert.deepEqual(parseRange('bytes=0-0', 0), UNSATISFIABLE);
  assert.deepEqual(parseRange('bytes=-0', 0), UNSATISFIABLE);
  assert.deepEqual(parseRange('bytes=-5', 0), WHOLE);
  assert.deepEqual(parseRange('bytes=0-,-5', 0), WHOLE);
});

test('no more ranges than allowed, 16 unless told', () => {
  const ranges = (count: number) => `bytes=${Array.from({ length: count }, (_, at) => `${at * 10}-${at * 10}`).join(',')}`;
  assert.equal(parseRange(ranges(16), LENGTH).kind, 'many');
  assert.deepEqual(parseRange(ranges(17), LENGTH), WHOLE);
  assert.equal(parseRange(ranges(17), LENGTH, { maxRanges: 17 }).kind, 'many');
  assert.deepEqual(parseRange(ranges(1000), LENGTH), WHOLE);
  assert.deepEqual(parseRange('bytes=0-1', LENGTH, { maxRanges: 0 }), WHOLE);
});

test('Content-Range of a 206 and of a 416', () => {
  assert.equal(contentRange({ first: 0, last: 4 }, 10), 'bytes 0-4/10');
  assert.equal(unsatisfiedRange(10), 'bytes */10');
});

test('multipart/byteranges: the parts, the tail and the length belong together', () => {
  const body = '0123456789';
  const ranges = [
    { first: 1, last: 2 },
    { first: 7, last: 9 },
  ];
  const multipart = multipartParts(ranges, body.length, 'image/png', 'XyZ');
  const sent = multipart.parts.map((part) => part.head + body.slice(part.first, part.last + 1)).join('') + multipart.tail;
  assert.equal(multipart.contentType, 'multipart/byteranges; boundary=XyZ');
  assert.equal(multipart.contentLength, sent.length);
  assert.deepEqual(sent.split('\r\n'), [
    '--XyZ',
    'Content-Type: image/png',
    'Content-Range: bytes 1-2/10',
    '',
    '12',
    '--XyZ',
    'Content-Type: image/png',
    'Content-Range: bytes 7-9/10',
    '',
    '789',
    '--XyZ--',
    '',
  ]);
  const untyped = multipartParts([{ first: 0, last: 0 }], 1, undefined, 'b');
  assert.equal(untyped.parts[0]!.head, '--b\r\nContent-Range: bytes 0-0/1\r\n\r\n');
});

// The oracle works on sets of single bytes: slow, and with none of the arithmetic of the real one.
type Spec = { readonly first?: number; readonly last?: number };

function oracle(specs: readonly Spec[], length: number, maxRanges: number): RangeAnswer {
  if (specs.length === 0 || specs.length > maxRanges) return WHOLE;
  if (specs.some(({ first, last }) => first !== undefined && last !== undefined && last < first)) return WHOLE;
  const body = Array.from({ length }, (_, at) => at);
  let satisfiable = false;
  const taken: number[][] = [];
  for (const { first, last } of specs) {
    const bytes =
      first === undefined ? (last === 0 ? [] : body.slice(-last!)) : body.filter((at) => at >= first && at <= (last ?? at));
    if (bytes.length > 0) taken.push(bytes);
    if (bytes.length > 0 || (first === undefined && last !== 0)) satisfiable = true;
  }
  if (!satisfiable) return UNSATISFIABLE;
  if (taken.length === 0 || taken.flat().length > length) return WHOLE;
  if (taken.filter((a) => taken.some((b) => a !== b && a.some((at) => b.includes(at)))).length > 2) return WHOLE;
  for (let at = 0; at < taken.length; at += 1) {
    const near = taken.findIndex(
      (b, other) => other > at && taken[at]!.some((x) => b.includes(x) || b.includes(x + 1) || b.includes(x - 1)),
    );
    if (near < 0) continue;
    taken[at] = [...new Set([...taken[at]!, ...taken[near]!])];
    taken.splice(near, 1);
    at = -1;
  }
  const ranges = taken.map((bytes) => ({ first: Math.min(...bytes), last: Math.max(...bytes) }));
  return ranges.length === 1 ? { kind: 'one', ...ranges[0]! } : { kind: 'many', ranges };
}

test('ranges of small bodies agree with an oracle that counts bytes', () => {
  const at = fc.integer({ min: 0, max: 24 });
  const spec = fc.oneof(
    fc.record({ first: at, last: at }),
    fc.tuple(at, fc.integer({ min: 0, max: 3 })).map(([first, more]) => ({ first, last: first + more })),
    fc.record({ first: at }),
    fc.record({ last: at }),
  );
  const specs = fc.array(spec, { maxLength: 6 });
  const kinds = new Set<string>();
  fc.assert(
    fc.property(specs, fc.integer({ min: 0, max: 24 }), (list, length) => {
      const value = `bytes=${list.map((one: Spec) => `${one.first ?? ''}-${one.last ?? ''}`).join(', ')}`;
      const answer = parseRange(value, length, { maxRanges: 5 });
      kinds.add(answer.kind);
      assert.deepEqual(answer, oracle(list, length, 5));
    }),
    { numRuns: 2000 },
  );
  assert.equal(kinds.size, 4, 'every kind of answer was met');
});

test('no text throws, and what is handed out lies inside the body, apart, and sums to no more than it', () => {
  const piece = fc.constantFrom('bytes=', '-', ',', ' ', '0', '1', '5', '99', HUGE, 'x', '\t');
  const hostile = fc.array(piece, { maxLength: 20 }).map((pieces) => `bytes=${pieces.join('')}`);
  fc.assert(
    fc.property(fc.oneof(hostile, fc.string()), fc.integer({ min: 0, max: 200 }), (value, length) => {
      const answer = parseRange(value, length);
      const ranges = answer.kind === 'many' ? answer.ranges : answer.kind === 'one' ? [answer] : [];
      const seen = new Set<number>();
      for (const { first, last } of ranges)
        for (let byte = first; byte <= last; byte += 1) {
          assert.ok(byte >= 0 && byte < length && !seen.has(byte), value);
          seen.add(byte);
        }
      assert.equal(seen.size > 0, ranges.length > 0);
    }),
  );
});
