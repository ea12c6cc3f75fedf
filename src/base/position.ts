// A position of the purge log, as text and in order. Whatever is fetched or sent remembers one, so it stands below all of them.
// Promises: 48 hex digits (epoch, high, low: 8 bytes each, big-endian), so the texts of one epoch sort as the positions do.
// Refuses: to order positions of two epochs, and any text but the one spelling (lower case, exact length).

/** 24 bytes: an epoch (8 random bytes as 16 hex digits) and two unsigned 64-bit numbers. */
export interface Position {
  readonly epoch: string;
  readonly high: bigint;
  readonly low: bigint;
}

const TEXT = /^[0-9a-f]{48}$/;
const EPOCH = /^[0-9a-f]{16}$/;
const MAX_U64 = 0xffff_ffff_ffff_ffffn;

export function isEpoch(text: unknown): text is string {
  return typeof text === 'string' && EPOCH.test(text);
}

/** 48 lower-case hex digits. A position that does not fit is a defect and throws. */
export function formatPosition(position: Position): string {
  if (!isEpoch(position.epoch)) throw new Error('the epoch of a position is 16 lower-case hex digits');
  return `${position.epoch}${hex64(position.high)}${hex64(position.low)}`;
}

/** The position, or undefined when the text is not one. */
export function parsePosition(text: string): Position | undefined {
  if (!TEXT.test(text)) return undefined;
  return { epoch: text.slice(0, 16), high: BigInt(`0x${text.slice(16, 32)}`), low: BigInt(`0x${text.slice(32)}`) };
}

/** Below 0 when `a` is before `b`, 0 when they are the same, above 0 when it is after; undefined across epochs. */
export function comparePositions(a: Position, b: Position): number | undefined {
  if (a.epoch !== b.epoch) return undefined;
  if (a.high !== b.high) return a.high < b.high ? -1 : 1;
  if (a.low !== b.low) return a.low < b.low ? -1 : 1;
  return 0;
}

/** Whether `a` is known to be after `b`. False across epochs: nothing is known there. */
export function isAfter(a: Position, b: Position): boolean {
  const order = comparePositions(a, b);
  return order !== undefined && order > 0;
}

function hex64(value: bigint): string {
  if (value < 0n || value > MAX_U64) throw new Error('a number of a position is unsigned and of 64 bits');
  return value.toString(16).padStart(16, '0');
}
