// The file of the local purge log: a header line, then one line per record, each `crc32 SP json LF`.
// Promises: a file is read whole or called damaged. Only bytes after the last line feed are a torn tail: a record that was
// acknowledged has its line feed on the disk, so what is cut was never acknowledged.
// Refuses: to skip a bad line. A complete line that does not check out may have been an acknowledged purge, and what follows
// it cannot be trusted either; the caller then begins a new epoch, which costs a revalidation and serves nothing stale.

import { crc32 } from 'node:zlib';
import { isEpoch, type Position } from '../base/position.ts';
import type { Bytes } from '../base/units.ts';
import type { LogRecord } from './log.ts';
import { decodeEntry } from './target.ts';

const FORMAT = 'deckle purge log 1';
const LINE_FEED = 10;
/** Eight hex digits and a space. */
const PREFIX: Bytes = 9;

export type LogFile =
  | {
      readonly kind: 'whole';
      /** The position of the last record that is no longer kept; the start of the epoch when all are. */
      readonly base: Position;
      readonly records: LogRecord[];
      readonly goodBytes: Bytes;
      /** What a crash in mid-append left behind `goodBytes`. */
      readonly tornBytes: Bytes;
    }
  | { readonly kind: 'damaged'; readonly why: string };

export function headerLine(base: Position): string {
  return line({ format: FORMAT, epoch: base.epoch, high: Number(base.high), low: Number(base.low) });
}

export function recordLine(record: LogRecord): string {
  const { high, low } = record.position;
  return line({ high: Number(high), low: Number(low), at: record.atMs, entry: record.entry });
}

export function readLogFile(bytes: Buffer): LogFile {
  let at = bytes.indexOf(LINE_FEED) + 1;
  const base = at === 0 ? undefined : readHeader(bytes.subarray(0, at - 1));
  if (base === undefined) return { kind: 'damaged', why: 'its header is not readable' };
  const records: LogRecord[] = [];
  let last = base;
  for (let end = bytes.indexOf(LINE_FEED, at); end !== -1; end = bytes.indexOf(LINE_FEED, at)) {
    const record = readRecord(bytes.subarray(at, end), last);
    if (typeof record === 'string') return { kind: 'damaged', why: `line ${records.length + 2}: ${record}` };
    records.push(record);
    last = record.position;
    at = end + 1;
  }
  return { kind: 'whole', base, records, goodBytes: at, tornBytes: bytes.length - at };
}

function readHeader(bytes: Buffer): Position | undefined {
  const header = unline(bytes);
  if (header === undefined || header['format'] !== FORMAT) return undefined;
  const { epoch, high, low } = header;
  return isEpoch(epoch) && isCount(high) && isCount(low) ? { epoch, high: BigInt(high), low: BigInt(low) } : undefined;
}

/** The record of a line that follows position `last`, or why it is none. */
function readRecord(bytes: Buffer, last: Position): LogRecord | string {
  const value = unline(bytes);
  if (value === undefined) return 'its checksum does not match';
  const { high, low, at } = value;
  if (!isCount(high) || !isCount(low) || !isCount(at)) return 'its numbers are not numbers';
  const position = { epoch: last.epoch, high: BigInt(high), low: BigInt(low) };
  if (position.low !== last.low + 1n || position.high < last.high) return 'it is out of order';
  const decoded = decodeEntry(value['entry']);
  return decoded.ok ? { position, atMs: at, entry: decoded.entry } : decoded.why;
}

function line(value: unknown): string {
  const json = JSON.stringify(value);
  return `${checksum(json)} ${json}\n`;
}

function unline(bytes: Buffer): Readonly<Record<string, unknown>> | undefined {
  const json = bytes.subarray(PREFIX);
  if (bytes.toString('latin1', 0, PREFIX) !== `${checksum(json)} `) return undefined;
  try {
    const value: unknown = JSON.parse(json.toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}

function checksum(bytes: string | Buffer): string {
  return crc32(bytes).toString(16).padStart(8, '0');
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
