// The file of the local purge log as it lies in its folder: found, made anew, replaced in one step.
// Promises: a file that cannot be trusted is put aside and told of; a new file has its name only once its
// bytes are on the disk. Refuses: to read a file that was never this log's work into memory.

import { join } from 'node:path';
import type { Position } from '../base/position.ts';
import type { Bytes } from '../base/units.ts';
import { headerLine, readLogFile } from './lines.ts';
import type { LogRecord } from './log.ts';

const NAME = 'purge.log';
/** A file that was never this log's work is not read into memory. */
const MAX_READ: Bytes = 256 * 1024 ** 2;

/** What was found when the file was opened. */
export type LogFileEvent =
  /** A crash in mid-append left part of a record; it was never acknowledged. */
  | { readonly kind: 'cut'; readonly bytes: Bytes }
  /** The file could not be trusted; it lies at `keptAs`, and a new epoch makes everything stored untrusted. */
  | { readonly kind: 'replaced'; readonly why: string; readonly keptAs: string };

/** The part of node:fs/promises that the log uses; a test puts a failing one in its place. */
export interface LogDisk {
  open(path: string, flags: string): Promise<LogHandle>;
  rename(from: string, to: string): Promise<void>;
  rm(path: string, options: { readonly force: true }): Promise<void>;
}

export interface LogHandle {
  readFile(): Promise<Buffer>;
  stat(): Promise<{ readonly size: number }>;
  write(buffer: Buffer, offset: number, length: number, position: number): Promise<{ readonly bytesWritten: number }>;
  truncate(length: number): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface LogFileOptions {
  readonly folder: string;
  readonly randomBytes: (size: number) => Buffer;
  readonly report: (event: LogFileEvent) => void;
}

export interface OpenedLog {
  readonly handle: LogHandle;
  readonly size: Bytes;
  readonly base: Position;
  readonly records: LogRecord[];
}

/** Opens the file of `folder`, or begins one. Rejects when the folder cannot be written. */
export async function openLogFile(disk: LogDisk, options: LogFileOptions): Promise<OpenedLog> {
  // Left by a crash in mid-compaction; it never got the name.
  await disk.rm(join(options.folder, `${NAME}.new`), { force: true });
  return (await openExisting(disk, options)) ?? (await create(disk, options));
}

async function openExisting(disk: LogDisk, options: LogFileOptions): Promise<OpenedLog | undefined> {
  const path = join(options.folder, NAME);
  let handle: LogHandle;
  try {
    handle = await disk.open(path, 'r+');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { size } = await handle.stat();
    const file =
      size > MAX_READ
        ? { kind: 'damaged' as const, why: 'it is too large to be a purge log' }
        : readLogFile(await handle.readFile());
    if (file.kind === 'whole') {
      if (file.tornBytes > 0) await handle.truncate(file.goodBytes);
      // A crash may have left whole records that no fsync has seen; from here on they are told to followers.
      await handle.sync();
      if (file.tornBytes > 0) options.report({ kind: 'cut', bytes: file.tornBytes });
      return { handle, size: file.goodBytes, base: file.base, records: file.records };
    }
    const keptAs = `${path}.damaged`;
    await disk.rename(path, keptAs);
    options.report({ kind: 'replaced', why: file.why, keptAs });
  } catch (error) {
    await handle.close().catch(() => {});
    throw error;
  }
  await handle.close();
  return undefined;
}

async function create(disk: LogDisk, options: LogFileOptions): Promise<OpenedLog> {
  const base: Position = { epoch: options.randomBytes(8).toString('hex'), high: 0n, low: 0n };
  const content = Buffer.from(headerLine(base));
  const handle = await installLogFile(disk, options.folder, content);
  try {
    await syncFolder(disk, options.folder);
  } catch (error) {
    await handle.close().catch(() => {});
    throw error;
  }
  return { handle, size: content.length, base, records: [] };
}

/** Writes a whole new file and gives it the name of the log; the folder is not synced yet. */
export async function installLogFile(disk: LogDisk, folder: string, content: Buffer): Promise<LogHandle> {
  const fresh = join(folder, `${NAME}.new`);
  const handle = await disk.open(fresh, 'w+');
  try {
    await writeAll(handle, content, 0);
    await handle.sync();
    await disk.rename(fresh, join(folder, NAME));
  } catch (error) {
    await handle.close().catch(() => {});
    await disk.rm(fresh, { force: true }).catch(() => {});
    throw error;
  }
  return handle;
}

/** Writes all of `bytes` at `position`. Throws the disk's error, or when it takes no bytes. */
export async function writeAll(handle: LogHandle, bytes: Buffer, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    if (bytesWritten === 0) throw new Error('the disk took no bytes');
    done += bytesWritten;
  }
}

export async function syncFolder(disk: LogDisk, folder: string): Promise<void> {
  const handle = await disk.open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
