// Quick answers: a whole answer of a node of ours that the front passes on without reading its head.
// Behind the status line such an answer says, in one line, where the field lines for the client begin and how long it all is
// (answer/quick-word.ts). It is a valid head in any case: whoever does not take it as quick reads it like every other.
// Promises: only who knows the token is believed (an origin can write the line, and not this), and only when the answer ends with
// the bytes that are here. Refuses by saying nothing: then the ordinary way is gone.

import type { Bytes } from '../base/units.ts';
import { RESULTS, type Result } from '../metrics/catalogue.ts';
import { latin1 } from '../wire/latin1.ts';

export interface QuickAnswer {
  /** Where the lines meant for the client begin, counted from the head's first byte. */
  readonly skip: Bytes;
  /** The whole head, blank line included. */
  readonly head: Bytes;
  /** The body, which is all that follows. */
  readonly length: Bytes;
  readonly result: Result;
}

const STATUS_LINE = Buffer.from('HTTP/1.1 200 OK\r\n', 'latin1');
const NAME = Buffer.from('X-Deckle-Answer: ', 'latin1');
const TOKEN = /^[0-9a-f]{32}$/;
const RESULT_OF: ReadonlyMap<string, Result> = new Map(RESULTS.map((result) => [result, result]));
const LONGEST_RESULT = Math.max(...RESULTS.map((result) => result.length));

const CR = 0x0d;
const LF = 0x0a;
const SP = 0x20;
const ZERO = 0x30;

// Where the parts of the line stand: all but the last are of one length.
const TOKEN_AT = STATUS_LINE.length + NAME.length;
const SKIP_AT = TOKEN_AT + 33;
const HEAD_AT = SKIP_AT + 5;
const LENGTH_AT = HEAD_AT + 6;
const RESULT_AT = LENGTH_AT + 10;

export class QuickReader {
  /** The first bytes of every quick answer, to the space behind the token. */
  readonly #start: Buffer;

  /** @param token see app/answer-token.ts */
  constructor(token: string) {
    if (!TOKEN.test(token)) throw new Error('an answer token is 32 hex digits');
    this.#start = Buffer.concat([STATUS_LINE, NAME, Buffer.from(`${token} `, 'latin1')]);
  }

  /** What the first `count` bytes say when they are a quick answer, whole and nothing else; undefined when they are anything else. */
  read(bytes: Buffer, count: Bytes): QuickAnswer | undefined {
    if (count <= RESULT_AT + LONGEST_RESULT || !this.#startsSo(bytes)) return undefined;
    if (bytes[HEAD_AT - 1] !== SP || bytes[LENGTH_AT - 1] !== SP || bytes[RESULT_AT - 1] !== SP) return undefined;
    const skip = numberAt(bytes, SKIP_AT, HEAD_AT - 1);
    const head = numberAt(bytes, HEAD_AT, LENGTH_AT - 1);
    const length = numberAt(bytes, LENGTH_AT, RESULT_AT - 1);
    if (skip < 0 || head < 0 || length < 0 || head + length !== count) return undefined;

    let end = RESULT_AT;
    while (end <= RESULT_AT + LONGEST_RESULT && bytes[end] !== CR) end += 1;
    const result = RESULT_OF.get(latin1(bytes, RESULT_AT, end));
    if (result === undefined || !isLineEnd(bytes, end)) return undefined;

    // What is cut off ends with this line or a later one, and a line or more is left.
    if (skip < end + 2 || skip >= head - 4) return undefined;
    if (!isLineEnd(bytes, skip - 2) || !isLineEnd(bytes, head - 4) || !isLineEnd(bytes, head - 2)) return undefined;
    return { skip, head, length, result };
  }

  #startsSo(bytes: Buffer): boolean {
    const start = this.#start;
    for (let at = 0; at < TOKEN_AT; at += 1) if (bytes[at] !== start[at]) return false;
    // All of it, wherever it differs: nobody learns the token piece by piece from how long this takes.
    let differs = 0;
    for (let at = TOKEN_AT; at < SKIP_AT; at += 1) differs |= bytes[at]! ^ start[at]!;
    return differs === 0;
  }
}

/**
 * The answer as the client gets it, in one piece. It lies in `bytes`, and the status line is written into them, over the end of
 * lines that were for the front: they cannot be read a second time.
 */
export function quickMessage(bytes: Buffer, count: Bytes, { skip }: QuickAnswer): Buffer {
  const from = skip - STATUS_LINE.length;
  STATUS_LINE.copy(bytes, from);
  return bytes.subarray(from, count);
}

// -1 when they are not all digits.
function numberAt(bytes: Buffer, from: number, to: number): number {
  let number = 0;
  for (let at = from; at < to; at += 1) {
    const digit = bytes[at]! - ZERO;
    if (digit < 0 || digit > 9) return -1;
    number = number * 10 + digit;
  }
  return number;
}

function isLineEnd(bytes: Buffer, at: number): boolean {
  return bytes[at] === CR && bytes[at + 1] === LF;
}
