// What a process says: its own log (JSON lines on standard error) and the access log (JSON lines to a file or standard output).
// The owner of pino. Promises: writing never waits; a full disk costs lines, never requests; `reopen` follows a rotated file.

import { openSync } from 'node:fs';
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
  return pino(options, pino.destination({ dest: 2, sync: true }));
}

export interface AccessLog {
  /** One line; lines beyond the buffer are dropped, and counted in `dropped`. */
  write(line: object): void;
  readonly dropped: number;
  reopen(): void;
  close(): void;
}

const BUFFER: Bytes = 4 * 1024;
const MAX_BUFFER: Bytes = 8 * 1024 * 1024;
const FLUSH_MS: Ms = 500;

/** @param to a file, or `-` for standard output. Throws when the file cannot be opened. */
export function openAccessLog(to: string): AccessLog {
  const out = pino.destination({
    // Opened here: a file that cannot be had must be known now, and a flush never meets one that is still being opened.
    dest: to === '-' ? 1 : openSync(to, 'a'),
    sync: false,
    append: true,
    mkdir: false,
    minLength: BUFFER,
    maxLength: MAX_BUFFER,
  });
  let dropped = 0;
  out.on('drop', () => {
    dropped += 1;
  });
  out.on('error', () => {
    dropped += 1;
  });
  const timer = setInterval(() => out.flush(), FLUSH_MS);
  timer.unref();
  return {
    write: (line) => {
      out.write(`${JSON.stringify(line)}\n`);
    },
    get dropped() {
      return dropped;
    },
    reopen: () => {
      if (to !== '-') out.reopen(to);
    },
    close: () => {
      clearInterval(timer);
      out.flushSync();
      out.end();
    },
  };
}
