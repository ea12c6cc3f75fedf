// The body of a fill while it comes in, read by any number of deliveries at their own pace.
// It is in one of two modes. `keep`: every byte stays, so that the answer can be stored and newcomers begin at its start; the
// origin sets the pace. `pass`: only what some reader has yet to read stays, and the slowest reader sets the pace.
// Promises: bytes handed out never change; what is kept is reserved from a shared budget before it is used, for as long as it
// is held; an origin that sends its bytes one by one costs no more memory than their number.
// Refuses: to keep more than it may; it turns itself to `pass` then, and says so.

import type { Bytes } from '../base/units.ts';

/** Bytes that a passing body may be ahead of its slowest reader. */
export const PASS_WINDOW: Bytes = 256 * 1024;
const FIRST_ROOM: Bytes = 64 * 1024;
/** Room for a body of unknown length grows by its own size, up to this much at a time. */
const MOST_ROOM: Bytes = 1024 * 1024;
/** Parts smaller than this are gathered while a reader is behind. */
const SMALL_PART: Bytes = 4 * 1024;
const GATHER_ROOM: Bytes = 16 * 1024;

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

/** Consecutive bytes of the body. Only the last piece may have room left. */
interface Piece {
  readonly start: Bytes;
  readonly room: Buffer;
  used: Bytes;
  /** Bytes of the budget that are free once this piece is let go. */
  readonly reserved: Bytes;
}

export type KeepRefusal = 'too-big' | 'fill-memory';

export class FillBody {
  readonly #budget: FillBudget;
  readonly #readers = new Set<BodyReader>();
  #keeping = false;
  #maxKeep = 0;
  #reserved = 0;
  #pieces: Piece[] = [];
  #filled = 0;

  constructor(budget: FillBudget) {
    this.#budget = budget;
  }

  get keeping(): boolean {
    return this.#keeping;
  }

  /** Bytes that have come in. */
  get filled(): Bytes {
    return this.#filled;
  }

  /** Bytes of the budget that this body holds. */
  get reserved(): Bytes {
    return this.#reserved;
  }

  /** Where the slowest reader is. */
  get lowest(): Bytes {
    let lowest = this.#filled;
    for (const reader of this.#readers) if (reader.position < lowest) lowest = reader.position;
    return lowest;
  }

  /** Whether more may be taken from the origin now. */
  get room(): boolean {
    return this.#keeping || this.#filled - this.lowest < PASS_WINDOW;
  }

  get readers(): number {
    return this.#readers.size;
  }

  /** Before the first byte: keep the body if it fits. Returns why not. */
  keep(length: Bytes | undefined, maxKeep: Bytes): KeepRefusal | undefined {
    if (length !== undefined && length > maxKeep) return 'too-big';
    this.#maxKeep = maxKeep;
    if (!this.#extend(length ?? Math.min(FIRST_ROOM, maxKeep))) return 'fill-memory';
    this.#keeping = true;
    return undefined;
  }

  /** More bytes from the origin. Returns why the body is kept no longer, when that is so from here on. */
  push(bytes: Buffer): KeepRefusal | undefined {
    const refusal = this.#keeping ? this.#reserveFor(bytes.length) : undefined;
    if (refusal !== undefined) this.turnToPass();
    if (this.#keeping) this.#append(bytes);
    else this.#hold(bytes);
    return refusal;
  }

  /** From here on only what readers have yet to read stays. */
  turnToPass(): void {
    this.#keeping = false;
    this.trim();
  }

  /** The whole body, no larger than its bytes; only while it is kept. */
  whole(): Buffer {
    const only = this.#pieces.length === 1 ? this.#pieces[0] : undefined;
    if (only !== undefined && only.used === only.room.length) return only.room;
    const exact = Buffer.allocUnsafeSlow(this.#filled);
    for (const { start, room, used } of this.#pieces) room.copy(exact, start, 0, used);
    return exact;
  }

  /**
   * The fill is over. What readers have yet to read stays, and stays reserved, unless the body was stored: then they read what the
   * store holds and counts.
   * @param stored the whole body, when a tier took it
   */
  release(stored: Buffer | undefined): void {
    if (stored !== undefined) {
      this.#pieces = [{ start: 0, room: stored, used: stored.length, reserved: 0 }];
      this.#give(this.#reserved);
    }
    this.turnToPass();
  }

  addReader(reader: BodyReader): void {
    this.#readers.add(reader);
  }

  removeReader(reader: BodyReader): void {
    this.#readers.delete(reader);
    this.trim();
  }

  /** Bytes from `position` on that lie in one piece, up to `end`; undefined when they have not come yet, or are gone. */
  at(position: Bytes, end: Bytes): Buffer | undefined {
    const last = Math.min(end, this.#filled);
    if (position >= last) return undefined;
    let low = 0;
    let high = this.#pieces.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#pieces[middle]!.start <= position) low = middle;
      else high = middle - 1;
    }
    const piece = this.#pieces[low];
    if (piece === undefined || position < piece.start) return undefined;
    return piece.room.subarray(position - piece.start, Math.min(last - piece.start, piece.used));
  }

  /** Lets go of what every reader has read; only in `pass` mode does that free anything. */
  trim(): void {
    if (this.#keeping || this.#pieces.length === 0) return;
    const lowest = this.lowest;
    let gone = 0;
    for (const piece of this.#pieces) {
      if (piece.start + piece.used > lowest) break;
      this.#give(piece.reserved);
      gone += 1;
    }
    if (gone > 0) this.#pieces.splice(0, gone);
  }

  #give(bytes: Bytes): void {
    this.#reserved -= bytes;
    this.#budget.give(bytes);
  }

  #extend(room: Bytes): boolean {
    if (!this.#budget.take(room)) return false;
    this.#reserved += room;
    const last = this.#pieces.at(-1);
    const start = last === undefined ? this.#filled : last.start + last.room.length;
    this.#pieces.push({ start, room: Buffer.allocUnsafeSlow(room), used: 0, reserved: room });
    return true;
  }

  #reserveFor(bytes: Bytes): KeepRefusal | undefined {
    const need = this.#filled + bytes;
    if (need <= this.#reserved) return undefined;
    if (need > this.#maxKeep) return 'too-big';
    const more = Math.max(need - this.#reserved, Math.min(this.#filled, MOST_ROOM));
    return this.#extend(Math.min(more, this.#maxKeep - this.#reserved)) ? undefined : 'fill-memory';
  }

  // Into the room there is: the last piece that was begun, then the one behind it.
  #append(bytes: Buffer): void {
    let from = 0;
    for (let at = Math.max(0, this.#pieces.length - 2); from < bytes.length; at += 1) {
      const piece = this.#pieces[at]!;
      const copied = bytes.copy(piece.room, piece.used, from);
      piece.used += copied;
      from += copied;
    }
    this.#filled += bytes.length;
  }

  #hold(bytes: Buffer): void {
    const start = this.#filled;
    this.#filled += bytes.length;
    if (this.#readers.size === 0) return;
    const last = this.#pieces.at(-1);
    if (last !== undefined && last.room.length - last.used >= bytes.length) {
      bytes.copy(last.room, last.used);
      last.used += bytes.length;
    } else if (last === undefined || bytes.length >= SMALL_PART) {
      this.#pieces.push({ start, room: bytes, used: bytes.length, reserved: 0 });
    } else {
      const room = Buffer.allocUnsafeSlow(GATHER_ROOM);
      bytes.copy(room);
      this.#pieces.push({ start, room, used: bytes.length, reserved: 0 });
    }
  }
}
