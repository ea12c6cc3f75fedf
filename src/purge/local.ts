// The purge log of one machine: an append-only file in the state folder, written by the supervisor alone.
// Promises: an append resolves once its record is on the disk (fsync); appends that come while one runs share the next. Records
// reach every follower in order, each once, before the append resolves. A position is never used twice: `high` is the moment
// the log was opened, later than that of any record in it, so records after a crash are after all that was ever handed out.
// A failed append leaves the file as it was. The file is compacted past `maxBytes`; what fell off makes old followers `lost`.
// Refuses: more than a bounded number of waiting appends, and to go on in an epoch whose records do not all check out.

import { open, rename, rm } from 'node:fs/promises';
import type { Clock } from '../base/clock.ts';
import { comparePositions, isAfter, type Position } from '../base/position.ts';
import type { Bytes } from '../base/units.ts';
import { headerLine, recordLine } from './lines.ts';
import type { LogEntry, LogRecord, PurgeLog } from './log.ts';
import {
  installLogFile,
  type LogDisk,
  type LogFileEvent,
  type LogHandle,
  type OpenedLog,
  openLogFile,
  syncFolder,
  writeAll,
} from './log-file.ts';
import { encodeEntry } from './target.ts';

const MAX_PENDING = 16_384;
const MAX_PENDING_BYTES: Bytes = 8 * 1024 ** 2;
const MAX_BATCH = 1_024;
const DEFAULT_MAX_BYTES: Bytes = 16 * 1024 ** 2;
/** What the log did by itself and an operator should read. */
export type LocalLogEvent =
  | LogFileEvent
  /** The file stays larger than `maxBytes` for now. */
  | { readonly kind: 'compaction-failed'; readonly why: string }
  /** A follower threw; it gets no further records. */
  | { readonly kind: 'follower-failed'; readonly error: unknown };

export interface LocalLogOptions {
  /** The state folder; it exists, and no other process opens a log in it. */
  readonly folder: string;
  readonly maxBytes?: Bytes;
  readonly randomBytes: (size: number) => Buffer;
  readonly clock: Clock;
  readonly report: (event: LocalLogEvent) => void;
  readonly disk?: LogDisk;
}

interface Pending {
  readonly entry: LogEntry;
  readonly bytes: Bytes;
  readonly resolve: (record: LogRecord) => void;
  readonly reject: (error: Error) => void;
}

interface Follower {
  readonly apply: (record: LogRecord) => void;
  /** The `low` of the next record to hand over. */
  next: bigint;
  active: boolean;
}

/** Opens the log of `folder`, or begins one. Rejects when the folder cannot be written. */
export async function openLocalLog(options: LocalLogOptions): Promise<PurgeLog> {
  const disk = options.disk ?? { open, rename, rm };
  return new LocalLog(disk, options, await openLogFile(disk, options));
}

class LocalLog implements PurgeLog {
  readonly #disk: LogDisk;
  readonly #options: LocalLogOptions;
  readonly #maxBytes: Bytes;
  /** `high` of every record of this opening. */
  readonly #high: bigint;
  readonly #records: LogRecord[];
  readonly #followers = new Set<Follower>();
  #base: Position;
  #handle: LogHandle;
  /** Bytes of the file up to the end of the last acknowledged record. */
  #size: Bytes;
  /** The file may hold something behind `#size`, or the folder may not yet know the file by its name. */
  #unsure = false;
  #compactAt: Bytes;
  #pending: Pending[] = [];
  #pendingBytes: Bytes = 0;
  #writing: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(disk: LogDisk, options: LocalLogOptions, opened: OpenedLog) {
    this.#disk = disk;
    this.#options = options;
    this.#maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
    this.#compactAt = this.#maxBytes;
    this.#handle = opened.handle;
    this.#size = opened.size;
    this.#base = opened.base;
    this.#records = opened.records;
    const now = BigInt(wholeMs(options.clock));
    const last = this.tail().high;
    this.#high = now > last ? now : last + 1n;
  }

  tail(): Position {
    return this.#records.at(-1)?.position ?? this.#base;
  }

  async append(entry: LogEntry): Promise<LogRecord> {
    if (this.#closing !== undefined) throw new Error('the purge log is closed');
    const copy = encodeEntry(entry);
    const bytes = copy.target.key.length + 256;
    if (this.#pending.length >= MAX_PENDING || this.#pendingBytes + bytes > MAX_PENDING_BYTES) {
      throw new Error('too many purges are waiting to be logged');
    }
    return await new Promise((resolve, reject) => {
      this.#pending.push({ entry: copy, bytes, resolve, reject });
      this.#pendingBytes += bytes;
      this.#writing ??= this.#writePending();
    });
  }

  follow(after: Position | undefined, apply: (record: LogRecord) => void): { readonly lost: boolean; stop(): void } {
    const tail = this.tail();
    // A position past the tail means that the log lost records (an old copy was put back): the follower knows more than it.
    const lost = after !== undefined && !(inOrder(this.#base, after) && inOrder(after, tail));
    const from = after === undefined || lost ? tail : after;
    const follower: Follower = { apply, next: this.#firstAfter(from), active: this.#closing === undefined };
    this.#followers.add(follower);
    const stop = (): void => {
      follower.active = false;
      this.#followers.delete(follower);
    };
    try {
      this.#handOver(follower);
    } catch (error) {
      stop();
      throw error;
    }
    return { lost, stop };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#writing;
    for (const follower of this.#followers) follower.active = false;
    this.#followers.clear();
    await this.#handle.close();
  }

  async #writePending(): Promise<void> {
    // Appends of the same turn of the event loop belong to one batch.
    await Promise.resolve();
    while (this.#pending.length > 0) {
      if (this.#size > Math.min(this.#compactAt, 2 * this.#maxBytes)) await this.#compact();
      const batch = this.#pending.splice(0, MAX_BATCH);
      for (const { bytes } of batch) this.#pendingBytes -= bytes;
      try {
        const records = await this.#writeBatch(batch);
        for (const record of records) this.#records.push(record);
        this.#deliver();
        for (const [at, { resolve }] of batch.entries()) resolve(records[at]!);
      } catch (cause) {
        const error = new Error(`the purge log could not be written: ${messageOf(cause)}`, { cause });
        for (const { reject } of batch) reject(error);
      }
    }
    this.#writing = undefined;
  }

  /** Makes a batch durable. When it throws, the file is cut back to the last good record, now or before the next batch. */
  async #writeBatch(batch: readonly Pending[]): Promise<readonly LogRecord[]> {
    await this.#makeSure();
    if (this.#size > 2 * this.#maxBytes) throw new Error('it is full and could not be compacted');
    const { epoch, low } = this.tail();
    const atMs = wholeMs(this.#options.clock);
    const records = batch.map(({ entry }, at) => ({
      position: { epoch, high: this.#high, low: low + BigInt(at + 1) },
      atMs,
      entry,
    }));
    const bytes = Buffer.from(records.map(recordLine).join(''));
    this.#unsure = true;
    try {
      await writeAll(this.#handle, bytes, this.#size);
      await this.#handle.sync();
    } catch (error) {
      // What cannot be cut now is cut before the next batch; that the first error is told matters more.
      await this.#makeSure().catch(() => {});
      throw error;
    }
    this.#unsure = false;
    this.#size += bytes.length;
    return records;
  }

  async #makeSure(): Promise<void> {
    if (!this.#unsure) return;
    await this.#handle.truncate(this.#size);
    await this.#handle.sync();
    await syncFolder(this.#disk, this.#options.folder);
    this.#unsure = false;
  }

  #deliver(): void {
    for (const follower of [...this.#followers]) {
      try {
        this.#handOver(follower);
      } catch (error) {
        follower.active = false;
        this.#followers.delete(follower);
        this.#options.report({ kind: 'follower-failed', error });
      }
    }
  }

  /** Every record that the follower does not have yet. A follower that comes or goes meanwhile is right by its own `next`. */
  #handOver(follower: Follower): void {
    while (follower.active && follower.next <= this.tail().low) {
      const record = this.#records[Number(follower.next - this.#base.low) - 1]!;
      follower.next++;
      follower.apply(record);
    }
  }

  /** The `low` of the first record after `position`, which lies between base and tail. */
  #firstAfter(position: Position): bigint {
    let from = 0;
    let to = this.#records.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (isAfter(this.#records[middle]!.position, position)) to = middle;
      else from = middle + 1;
    }
    return this.#base.low + BigInt(from + 1);
  }

  /** Keeps the newest half of `maxBytes` (at least one record) in a new file, which takes the name in one step. */
  async #compact(): Promise<void> {
    const kept: string[] = [];
    let keptBytes: Bytes = 0;
    for (let at = this.#records.length - 1; at >= 0; at--) {
      const line = recordLine(this.#records[at]!);
      keptBytes += Buffer.byteLength(line);
      if (kept.length > 0 && keptBytes > this.#maxBytes / 2) break;
      kept.push(line);
    }
    const dropped = this.#records.length - kept.length;
    const base = this.#records[dropped - 1]?.position ?? this.#base;
    const content = Buffer.from(headerLine(base) + kept.reverse().join(''));
    const old = this.#handle;
    try {
      this.#handle = await installLogFile(this.#disk, this.#options.folder, content);
    } catch (error) {
      this.#compactAt = this.#size + this.#maxBytes / 8;
      this.#options.report({ kind: 'compaction-failed', why: messageOf(error) });
      return;
    }
    this.#size = content.length;
    this.#base = base;
    this.#records.splice(0, dropped);
    this.#compactAt = Math.max(this.#maxBytes, this.#size);
    // Until the folder is on the disk, a crash could bring the old file back: nothing is acknowledged before that.
    this.#unsure = true;
    await this.#makeSure().catch(() => {});
    await old.close().catch(() => {});
  }
}

function inOrder(a: Position, b: Position): boolean {
  const order = comparePositions(a, b);
  return order !== undefined && order <= 0;
}

function wholeMs(clock: Clock): number {
  return Math.max(1, Math.floor(clock.wallMs()));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
