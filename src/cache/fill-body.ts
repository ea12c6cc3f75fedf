// The body of a fill while it comes in, read by any number of deliveries at their own pace.
// It is in one of two modes. `keep`: every byte stays, in one buffer, so that the answer can be stored and newcomers begin at
// its start; the origin sets the pace. `pass`: only a window stays, the slowest reader sets the pace.
// Promises: bytes handed out never change; memory is reserved from a shared budget before it is used.
// Refuses: to keep more than it may; it turns itself to `pass` then, and says so.

import type { Bytes } from '../base/units.ts';

/** Bytes that a passing body may be ahead of its slowest reader. */
export const PASS_WINDOW: Bytes = 256 * 1024;
const FIRST_ROOM: Bytes = 64 * 1024;

/** Memory for all fills of a node. */
export class FillBudget {
  readonly maxBytes: Bytes;
  #used = 0;

  constructor(maxBytes: Bytes) {
    this.maxBytes = maxBytes;
  }

  get used(): Bytes {
    return this.#used;
  }

  take(bytes: Bytes): boolean {
    if (this.#used + bytes > this.maxBytes) return false;
    this.#used += bytes;
    return true;
  }

  give(bytes: Bytes): void {
    this.#used -= bytes;
  }
}

/** How far a delivery has read. */
export interface BodyReader {
  readonly position: Bytes;
}

interface Piece {
  readonly start: Bytes;
  readonly bytes: Buffer;
  /** Reserved bytes that are free once this piece is dropped. */
  readonly reserved: Bytes;
}

export type KeepRefusal = 'too-big' | 'fill-memory';

export class FillBody {
  readonly #budget: FillBudget;
  readonly #readers = new Set<BodyReader>();
  #buffer: Buffer | undefined;
  #maxKeep = 0;
  #reserved = 0;
  #pieces: Piece[] = [];
  #base = 0;
  #filled = 0;

  constructor(budget: FillBudget) {
    this.#budget = budget;
  }

  get keeping(): boolean {
    return this.#buffer !== undefined;
  }

  /** Bytes that have come in. */
  get filled(): Bytes {
    return this.#filled;
  }

  /** First byte that is still held. */
  get base(): Bytes {
    return this.#base;
  }

  /** Whether more may be taken from the origin now. */
  get room(): boolean {
    return this.keeping || this.#filled - this.#base < PASS_WINDOW;
  }

  /** Before the first byte: keep the body if it fits. Returns why not. */
  keep(length: Bytes | undefined, maxKeep: Bytes): KeepRefusal | undefined {
    if (length !== undefined && length > maxKeep) return 'too-big';
    const room = length ?? Math.min(FIRST_ROOM, maxKeep);
    if (!this.#budget.take(room)) return 'fill-memory';
    this.#maxKeep = maxKeep;
    this.#reserved = room;
    this.#buffer = Buffer.allocUnsafeSlow(room);
    return undefined;
  }

  /** More bytes from the origin. Returns why the body is kept no longer, when that is so from here on. */
  push(bytes: Buffer): KeepRefusal | undefined {
    if (this.#buffer === undefined) {
      if (this.#readers.size > 0) this.#pieces.push({ start: this.#filled, bytes, reserved: 0 });
      else this.#base = this.#filled + bytes.length;
      this.#filled += bytes.length;
      return undefined;
    }
    const refusal = this.#grow(this.#filled + bytes.length);
    if (refusal !== undefined) {
      this.#turnToPass();
      this.push(bytes);
      return refusal;
    }
    bytes.copy(this.#buffer, this.#filled);
    this.#filled += bytes.length;
    return undefined;
  }

  /** The whole body, no larger than its bytes; only while it is kept. The reservation ends with `release`. */
  whole(): Buffer {
    const buffer = this.#buffer ?? Buffer.alloc(0);
    if (buffer.length === this.#filled) return buffer;
    const exact = Buffer.allocUnsafeSlow(this.#filled);
    buffer.copy(exact, 0, 0, this.#filled);
    return exact;
  }

  addReader(reader: BodyReader): void {
    this.#readers.add(reader);
  }

  removeReader(reader: BodyReader): void {
    this.#readers.delete(reader);
    this.trim();
  }

  get readers(): number {
    return this.#readers.size;
  }

  /** Bytes from `position` on that lie in one piece, up to `end`; undefined when they have not come yet. */
  at(position: Bytes, end: Bytes): Buffer | undefined {
    const last = Math.min(end, this.#filled);
    if (position >= last) return undefined;
    if (this.#buffer !== undefined) return this.#buffer.subarray(position, last);
    for (const piece of this.#pieces) {
      const pieceEnd = piece.start + piece.bytes.length;
      if (position < pieceEnd) return piece.bytes.subarray(position - piece.start, Math.min(last, pieceEnd) - piece.start);
    }
    return undefined;
  }

  /** Drops what every reader has read; only in `pass` mode does that free anything. */
  trim(): void {
    if (this.#buffer !== undefined) return;
    let lowest = this.#filled;
    for (const reader of this.#readers) if (reader.position < lowest) lowest = reader.position;
    while (this.#pieces.length > 0) {
      const first = this.#pieces[0]!;
      if (first.start + first.bytes.length > lowest) break;
      this.#pieces.shift();
      this.#unreserve(first.reserved);
    }
    this.#base = this.#pieces[0]?.start ?? this.#filled;
  }

  /** The body is over for the fill: stored, or not to be stored. Readers that are still reading keep what they hold. */
  release(): void {
    this.#unreserve(this.#reserved);
  }

  #unreserve(bytes: Bytes): void {
    const given = Math.min(bytes, this.#reserved);
    this.#reserved -= given;
    this.#budget.give(given);
  }

  #grow(need: Bytes): KeepRefusal | undefined {
    const buffer = this.#buffer!;
    if (need <= buffer.length) return undefined;
    if (need > this.#maxKeep) return 'too-big';
    const room = Math.min(this.#maxKeep, Math.max(need, buffer.length * 2));
    if (!this.#budget.take(room - this.#reserved)) return 'fill-memory';
    this.#reserved = room;
    const grown = Buffer.allocUnsafeSlow(room);
    buffer.copy(grown, 0, 0, this.#filled);
    this.#buffer = grown;
    return undefined;
  }

  #turnToPass(): void {
    const held = this.#buffer!.subarray(0, this.#filled);
    this.#buffer = undefined;
    if (held.length > 0) this.#pieces.push({ start: 0, bytes: held, reserved: this.#reserved });
    else this.#unreserve(this.#reserved);
    this.trim();
  }
}
