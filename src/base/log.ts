// What a process says: its own log (JSON lines on standard error) and the access log (JSON lines to a file or standard output).
// The owner of pino. Promises: a line of the access log never waits for the disk; a full disk or a reader that went away costs lines,
// never requests, and is told once; after it the file goes on with whole lines; `reopen` follows a rotated file.

import { close, openSync, write, writeSync } from 'node:fs';
import { pino } from 'pino';
import type { Bytes, Ms } from './units.ts';

export interface Log {
  debug(fields: object, text: string): void;
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

/** @param who `supervisor`, `front-1`, `n1` */
export function createLog(level: string, who: string): Log {
  const options = {
    level,
    base: { who, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  const out = pino.destination({ dest: 2, sync: true, maxLength: MAX_BUFFER });
  // Nobody can be told that this log itself cannot be written.
  out.on('error', () => {});
  return pino(options, out);
}

export interface AccessLog {
  /** One line; those that the buffer or the disk does not take are dropped, and counted in `dropped`. */
  write(line: object): void;
  readonly dropped: number;
  /** Throws the system's error when the file cannot be opened; the one at hand stays in use then. */
  reopen(): void;
  /** Writes what is left, as far as the disk takes it at once. */
  close(): Promise<void>;
}

export interface AccessLogEvents {
  /** Lines are being lost from now on. Called once until `recovered`. */
  failed(error: Error): void;
  /** @param dropped lines lost since `failed` */
  recovered(dropped: number): void;
}

const BUFFER: Bytes = 4 * 1024;
const MAX_BUFFER: Bytes = 8 * 1024 * 1024;
const FLUSH_MS: Ms = 500;
const STDOUT = 1;
const LINE_END = 10;

/** @param to a file, or `-` for standard output. Throws when the file cannot be opened. */
export function openAccessLog(to: string, events: AccessLogEvents): AccessLog {
  const open = () => (to === '-' ? STDOUT : openSync(to, 'a'));
  let fd = open();
  let lines: string[] = [];
  /** Of `lines` (in UTF-16 units: an estimate that bounds them) and of `batch`. */
  let held: Bytes = 0;
  /** On its way to the disk. */
  let batch: Buffer | undefined;
  /** The descriptor of the write under way. */
  let target: number | undefined;
  let closing: PromiseWithResolvers<void> | undefined;
  /** The last byte that the file took was not the end of a line. */
  let torn = false;
  let dropped = 0;
  /** `dropped` when the trouble began. */
  let failedAt: number | undefined;

  const lose = (count: number, error: Error) => {
    if (failedAt === undefined) {
      failedAt = dropped;
      events.failed(error);
    }
    dropped += count;
  };
  const next = (): Buffer => {
    if (batch !== undefined) return batch;
    batch = Buffer.from((torn ? '\n' : '') + lines.join(''));
    held = batch.length;
    lines = [];
    return batch;
  };
  const wrote = (bytes: Buffer, count: number) => {
    if (count > 0) torn = bytes[count - 1] !== LINE_END;
    batch = count < bytes.length ? bytes.subarray(count) : undefined;
    held -= count;
    if (batch !== undefined || failedAt === undefined) return;
    events.recovered(dropped - failedAt);
    failedAt = undefined;
  };
  const refused = (error: NodeJS.ErrnoException) => {
    // A pipe that is full for the moment: the timer tries again.
    if (error.code === 'EAGAIN') return;
    if (batch === undefined) return;
    held -= batch.length;
    lose(countLines(batch), error);
    batch = undefined;
  };
  const flush = () => {
    if (target !== undefined || (batch === undefined && lines.length === 0)) return;
    const bytes = next();
    const into = fd;
    target = into;
    write(into, bytes, 0, bytes.length, null, (error, count) => {
      target = undefined;
      if (into !== fd) close(into, () => {});
      if (error === null) wrote(bytes, count);
      else refused(error);
      if (closing !== undefined) finish();
      else if (error === null && held >= BUFFER) flush();
    });
  };
  const finish = () => {
    try {
      while (batch !== undefined || lines.length > 0) {
        const bytes = next();
        wrote(bytes, writeSync(fd, bytes));
      }
    } catch (error) {
      refused(error as NodeJS.ErrnoException);
    }
    if (fd !== STDOUT) close(fd, () => {});
    closing?.resolve();
  };
  const timer = setInterval(flush, FLUSH_MS);
  timer.unref();
  return {
    write: (line) => {
      const text = `${JSON.stringify(line)}\n`;
      if (closing !== undefined || held + text.length > MAX_BUFFER) {
        lose(1, new Error('the buffer of the access log is full'));
        return;
      }
      lines.push(text);
      held += text.length;
      if (held >= BUFFER && failedAt === undefined) flush();
    },
    get dropped() {
      return dropped;
    },
    reopen: () => {
      if (to === '-' || closing !== undefined) return;
      const old = fd;
      fd = open();
      torn = false;
      // The write under way closes the file that it goes to.
      if (old !== target) close(old, () => {});
    },
    close: () => {
      if (closing !== undefined) return closing.promise;
      closing = Promise.withResolvers();
      clearInterval(timer);
      // Two writers would mix their lines: the one under way finishes first.
      if (target === undefined) finish();
      return closing.promise;
    },
  };
}

/** A line end at the very start belongs to a line that is lost already. */
function countLines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(LINE_END, 1); at !== -1; at = bytes.indexOf(LINE_END, at + 1)) count += 1;
  return count;
}
