// Strict reader of the chunked transfer coding (RFC 9112 §7.1), for answers of peers.
// Promises: right at every split; trailers are read past and dropped. Refuses: chunk sizes that are not plain hex of at most
// 12 digits, chunk extensions without a name, bare CR or LF, trailers over 8 KB.

const CR = 0x0d;
const LF = 0x0a;
const MAX_LINE = 8192;

const SIZE = 0;
const EXTENSION = 1;
const SIZE_LF = 2;
const DATA = 3;
const DATA_CR = 4;
const DATA_LF = 5;
const TRAILER = 6;
const TRAILER_LINE = 7;
const TRAILER_LF = 8;
const END_LF = 9;
const DONE = 10;

export type ChunkResult = 'more' | 'done' | 'broken';

export class ChunkReader {
  #state = SIZE;
  #size = 0;
  #digits = 0;
  #line = 0;
  #extensionEmpty = false;

  /** Bytes of the last `read` that belong to the message; what lies behind them is of the next one. */
  used = 0;

  /** Reads on; every run of body bytes goes to `sink` (a view of `bytes`). */
  read(bytes: Buffer, sink: (data: Buffer) => void): ChunkResult {
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
      if (!this.#step(bytes[at]!)) return 'broken';
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
        this.#line += 1;
        return byte !== LF && byte !== 0 && this.#line <= MAX_LINE;
      case SIZE_LF:
        if (byte !== LF) return false;
        this.#state = this.#size === 0 ? TRAILER : DATA;
        this.#digits = 0;
        return true;
      case DATA_CR:
        this.#state = DATA_LF;
        return byte === CR;
      case DATA_LF:
        this.#state = SIZE;
        return byte === LF;
      case TRAILER:
        if (byte === CR) {
          this.#state = END_LF;
          return true;
        }
        this.#state = TRAILER_LINE;
        return byte > 0x20 && byte < 0x7f;
      case TRAILER_LINE:
        this.#line += 1;
        if (byte === CR) {
          this.#state = TRAILER_LF;
          return true;
        }
        return byte !== LF && byte !== 0 && this.#line <= MAX_LINE;
      case TRAILER_LF:
        this.#state = TRAILER;
        return byte === LF;
      default:
        this.#state = DONE;
        return byte === LF;
    }
  }
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
