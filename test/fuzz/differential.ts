// The lane against node:http, over inputs made by test/fuzz/inputs.ts: what the lane accepts, node:http must accept and read the
// same way: method, target, fields, and where the body ends (the request behind it is found where the lane would find it).
// Every input is also split: one way to split it must not mean another thing than the other.

import { isDeepStrictEqual } from 'node:util';
import { HeadScanner } from '../../src/wire/scanner.ts';
import { inputAt, pieces, type Random, randoms } from './inputs.ts';
import { HttpReader, LaneReader, type Reading, readingOf } from './readers.ts';

const LIMITS = { maxBytes: 8192, maxFields: 100 };
const BATCH = 100;
const LONGEST_BODY = 64;
/** Up to here a head is scanned once for each place to cut it in two; a longer one at some places, and in single bytes. */
const LONGEST_CUT_EVERYWHERE = 256;
const CUTS_OF_LONG = 16;
const SECOND = 'GET /second HTTP/1.1\r\nHost: second\r\n\r\n';
const SECOND_READING: Reading = { method: 'GET', target: '/second', pairs: [['host', 'second']] };
const MOST_KEPT = 10;

export interface Findings {
  readonly inputs: number;
  /** Different heads that the scanner accepted; each was read by the lane and by node:http. */
  readonly accepted: number;
  /** What differed, with the bytes; the run ends after ten. */
  readonly differences: readonly string[];
  /** Ways to split that were tried. */
  readonly splits: number;
  readonly defects: readonly unknown[];
  /** Connections of the lane that were not closed in the end. */
  readonly left: number;
}

/** One head on its way through both readers. */
interface Pair {
  readonly text: string;
  /** All that the lane must hear; undefined: only nothing that node:http does not hear. */
  readonly lane: readonly Reading[] | undefined;
  /** All that node:http must hear; undefined: anything. */
  readonly http: readonly Reading[] | undefined;
  readonly byLane: { readonly heard: readonly unknown[]; push(chunk: null): boolean };
  readonly byHttp: { readonly heard: readonly unknown[]; destroy(): unknown };
}

export async function fuzzLane(inputs: number, seed: number): Promise<Findings> {
  const random = randoms(seed);
  const splitter = new Splitter();
  const http = new HttpReader();
  const lane = new LaneReader(LIMITS);
  const known = new Set<number>();
  const differences: string[] = [];
  let accepted = 0;
  let pairs: Pair[] = [];

  const compare = async () => {
    await new Promise(setImmediate);
    for (const pair of pairs) {
      const difference = differenceOf(pair);
      if (difference !== '') differences.push(difference);
      pair.byLane.push(null);
      pair.byHttp.destroy();
    }
    pairs = [];
  };
  const ask = async (text: string, expected: Pick<Pair, 'lane' | 'http'>) => {
    const bytes = Buffer.from(text, 'latin1');
    const byLane = await lane.read(pieces(bytes, random));
    pairs.push({ text, ...expected, byLane, byHttp: http.read(bytes) });
    if (pairs.length >= BATCH) await compare();
  };

  for (let at = 0; at < inputs && differences.length < MOST_KEPT; at += 1) {
    const text = inputAt(at, random);
    const scanned = splitter.scan(Buffer.from(text, 'latin1'), random);
    if (scanned.difference !== '') differences.push(scanned.difference);
    const head = scanned.accepted;
    if (head === undefined || known.has(hashOf(text)) || head.contentLength > LONGEST_BODY) continue;
    known.add(hashOf(text));
    accepted += 1;
    const hasBody = head.chunked || head.contentLength > 0;
    const body = head.chunked ? '5;a=b\r\nhello\r\n0\r\n\r\n' : 'x'.repeat(Math.max(0, head.contentLength));
    const first = readingOf(head);
    const both = [first, SECOND_READING];
    await ask(text.slice(0, head.length) + body + (head.keepAlive ? SECOND : ''), {
      lane: head.keepAlive && !hasBody ? both : [first],
      http: head.keepAlive ? both : [first],
    });
    // And what really stood behind the head.
    if (text.length > head.length) await ask(text, { lane: undefined, http: undefined });
  }
  await compare();
  // The ends of the last connections take a few turns.
  for (let turn = 0; turn < 100 && lane.open > 0; turn += 1) await new Promise(setImmediate);
  http.close();
  return { inputs, accepted, differences, splits: splitter.splits, defects: lane.defects, left: lane.open };
}

function differenceOf({ text, lane, http, byLane, byHttp }: Pair): string {
  const theirs = byHttp.heard;
  const ours = byLane.heard;
  const agrees =
    isDeepStrictEqual(ours, lane ?? theirs.slice(0, ours.length)) && (http === undefined || isDeepStrictEqual(theirs, http));
  if (agrees) return '';
  return `${JSON.stringify(text)}\n   lane ${JSON.stringify(ours)}\n   node ${JSON.stringify(theirs)}`;
}

/** FNV-1a, 32 bits: two heads of one number cost a comparison now and then. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}

/** Scans a head whole and in parts. */
class Splitter {
  readonly #whole = new HeadScanner('request', LIMITS);
  readonly #parts = new HeadScanner('request', LIMITS);
  splits = 0;

  scan(bytes: Buffer, random: Random): { readonly accepted: HeadScanner | undefined; readonly difference: string } {
    const whole = this.#whole;
    whole.reset();
    const result = whole.scan(bytes, 0, bytes.length);
    let difference = '';
    const everywhere = bytes.length <= LONGEST_CUT_EVERYWHERE;
    const cuts = everywhere ? bytes.length - 1 : CUTS_OF_LONG;
    for (let which = 1; which <= cuts && difference === ''; which += 1) {
      const cut = everywhere ? which : 1 + random(bytes.length - 1);
      this.#parts.reset();
      const part = this.#parts.scan(bytes, 0, cut);
      const got = part === 'more' ? this.#parts.scan(bytes, 0, bytes.length) : part;
      difference = this.#compare(bytes, result, got, `cut at ${cut}`);
    }
    this.#parts.reset();
    let last = 'more';
    for (let end = 1; end <= bytes.length && last === 'more'; end += 1) last = this.#parts.scan(bytes, 0, end);
    if (difference === '') difference = this.#compare(bytes, result, last, 'in single bytes');
    return { accepted: result === 'done' ? whole : undefined, difference };
  }

  #compare(bytes: Buffer, wanted: string, got: string, how: string): string {
    this.splits += 1;
    const same = wanted === got && (wanted !== 'done' || this.#sameHead()) && (wanted !== 'refused' || this.#sameFault());
    return same ? '' : `${JSON.stringify(bytes.toString('latin1'))} whole: ${wanted}, ${how}: ${got}, or another meaning`;
  }

  #sameFault(): boolean {
    const [a, b] = [this.#whole.fault, this.#parts.fault];
    return a.code === b.code && a.reason === b.reason;
  }

  #sameHead(): boolean {
    const [a, b] = [this.#whole, this.#parts];
    if (a.length !== b.length || a.count !== b.count || a.method !== b.method || a.target !== b.target) return false;
    if (a.minor !== b.minor || a.keepAlive !== b.keepAlive) return false;
    if (a.contentLength !== b.contentLength || a.chunked !== b.chunked) return false;
    for (let at = 0; at < a.count; at += 1)
      if (a.numberAt(at) !== b.numberAt(at) || a.nameAt(at) !== b.nameAt(at) || a.valueAt(at) !== b.valueAt(at)) return false;
    return true;
  }
}
