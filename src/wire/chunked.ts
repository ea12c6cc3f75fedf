// Strict reader of the chunked transfer coding (RFC 9112 §7.1), for answers of peers.
// Promises: right at every split; trailers are read past and dropped. Refuses: chunk sizes that are not plain hex of at most
// 12 digits, empty chunk extensions, bare CR or LF and other controls, trailer lines that are no fields, a size line or trailers
// over 8 KB. What was refused stays refused.

import { isToken } from './scanner.ts';

const CR = 0x0d;
const LF = 0x0a;
const TAB = 0x09;
const MAX_LINE = 8192;

const SIZE = 0;
const EXTENSION = 1;
const SIZE_LF = 2;
const DATA = 3;
const DATA_CR = 4;
const DATA_LF = 5;
const TRAILER = 6;
const TRAILER_NAME = 7;
const TRAILER_VALUE = 8;
const TRAILER_LF = 9;
const END_LF = 10;
const DONE = 11;
const BROKEN = 12;

export type ChunkResult = 'more' | 'done' | 'broken';

export class ChunkReader {
  #state = SIZE;
  #size = 0;
  #digits = 0;
  /** Bytes of the present size line beyond its digits; of all trailers together. */
  #line = 0;
  #extensionEmpty = false;

  /** Bytes of the last `read` that belong to the message; what lies behind them is of the next one. */
  used = 0;

  /** Reads on; every run of body bytes goes to `sink` (a view of `bytes`). After `done` or `broken` nothing more is read. */
  read(bytes: Buffer, sink: (data: Buffer) => void): ChunkResult {
    this.used = 0;
    if (this.#state === DONE) return 'done';
    if (this.#state === BROKEN) return 'broken';
    let at = 0;
    while (at < bytes.length) {
      if (this.#state === DATA) {
        const take = Math.min(this.#size, bytes.length - at);
        sink(bytes.subarray(at, at + take));
        at += take;
        this.#size -= take;
        if (this.#size === 0) this.#state = DATA_CR;
        continue;
      }
      if (!this.#step(bytes[at]!)) {
        this.#state = BROKEN;
        return 'broken';
      }
      at += 1;
      if (this.#state === DONE) {
        this.used = at;
        return 'done';
      }
    }
    this.used = at;
    return 'more';
  }

  #step(byte: number): boolean {
    switch (this.#state) {
      case SIZE: {
        const digit = hexDigit(byte);
        if (digit >= 0) {
          this.#digits += 1;
          this.#size = this.#size * 16 + digit;
          return this.#digits <= 12;
        }
        if (this.#digits === 0) return false;
        if (byte === CR) this.#state = SIZE_LF;
        else if (byte === 0x3b) {
          this.#state = EXTENSION;
          this.#extensionEmpty = true;
        } else return false;
        return true;
      }
      case EXTENSION:
        if (byte === CR) {
          this.#state = SIZE_LF;
          return !this.#extensionEmpty;
        }
        this.#extensionEmpty = false;
        return this.#isText(byte);
      case SIZE_LF:
        this.#state = this.#size === 0 ? TRAILER : DATA;
        this.#digits = 0;
        this.#line = 0;
        return byte === LF;
      case DATA_CR:
        this.#state = DATA_LF;
        return byte === CR;
      case DATA_LF:
        this.#state = SIZE;
        return byte === LF;
      case TRAILER:
        this.#state = byte === CR ? END_LF : TRAILER_NAME;
        return byte === CR || (isToken(byte) && this.#isText(byte));
      case TRAILER_NAME:
        if (byte === 0x3a) this.#state = TRAILER_VALUE;
        return (byte === 0x3a || isToken(byte)) && this.#isText(byte);
      case TRAILER_VALUE:
        if (byte === CR) this.#state = TRAILER_LF;
        return byte === CR || this.#isText(byte);
      case TRAILER_LF:
        this.#state = TRAILER;
        return byte === LF;
      default: // END_LF
        this.#state = DONE;
        return byte === LF;
    }
  }

  // No control but the tab, and not too much of it.
  #isText(byte: number): boolean {
    this.#line += 1;
    return (byte >= 0x20 || byte === TAB) && byte !== 0x7f && this.#line <= MAX_LINE;
  }
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
