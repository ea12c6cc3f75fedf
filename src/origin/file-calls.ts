// The calls that a directory origin makes to the file system, and how it makes them: through a gate and with a time limit.
// Promises: at most `concurrency` steps run, one call of each at a time, so that a mount that hangs holds no thread more; a step
// that outlives its limit is answered with DECKLE_ORIGIN_TIMEOUT and keeps its slot until it returns, then what it did is undone.
// Refuses: to guess. A call that failed is told by its errno.

import * as fs from 'node:fs';
import { readlink, realpath } from 'node:fs/promises';
import { Fault } from '../base/fault.ts';
import type { Bytes, Ms } from '../base/units.ts';
import { Gate, type QueueLimits } from './gate.ts';
import { givenUp } from './given-up.ts';

export interface FileFacts {
  readonly isFile: boolean;
  readonly size: Bytes;
  readonly mtimeNs: bigint;
  readonly dev: bigint;
  readonly ino: bigint;
}

/** Each rejects with an errno error. Injected by tests. */
export interface DirectoryFs {
  /** A descriptor to read from; must not wait for a writer of a FIFO. */
  open(path: string): Promise<number>;
  facts(descriptor: number): Promise<FileFacts>;
  /** Where the opened file lies: its real, absolute path. `path` is what was opened. */
  where(descriptor: number, path: string): Promise<string>;
  realpath(path: string): Promise<string>;
  /** Bytes read, 0 at the end. */
  read(descriptor: number, into: Buffer, offset: number, length: Bytes, position: number): Promise<Bytes>;
  close(descriptor: number): Promise<void>;
}

/** What a timer can count: 24 days. */
const LONGEST_TIMER_MS: Ms = 2 ** 31 - 1;

const FLAGS = fs.constants.O_RDONLY | fs.constants.O_NONBLOCK | fs.constants.O_NOCTTY;

export const systemFs: DirectoryFs = {
  open: (path) => promised((done) => fs.open(path, FLAGS, done)),
  facts: async (descriptor) => factsOf(await promised<fs.BigIntStats>((done) => fs.fstat(descriptor, { bigint: true }, done))),
  where: process.platform === 'linux' ? (descriptor) => readlink(`/proc/self/fd/${descriptor}`) : whereByName,
  realpath: (path) => realpath(path),
  read: (descriptor, into, offset, length, position) =>
    promised((done) => fs.read(descriptor, into, offset, length, position, (error, count) => done(error, count))),
  close: (descriptor) => promised((done) => fs.close(descriptor, (error) => done(error, undefined))),
};

/** Where a system cannot tell the path of an open file: the name's real path, if it still leads to the very file. */
async function whereByName(descriptor: number, path: string): Promise<string> {
  const real = await realpath(path);
  const [named, opened] = await Promise.all([
    promised<fs.BigIntStats>((done) => fs.lstat(real, { bigint: true }, done)),
    promised<fs.BigIntStats>((done) => fs.fstat(descriptor, { bigint: true }, done)),
  ]);
  if (named.dev === opened.dev && named.ino === opened.ino) return real;
  throw Object.assign(new Error('the file was replaced while it was opened'), { code: 'ESTALE' });
}

function factsOf(stat: fs.BigIntStats): FileFacts {
  return { isFile: stat.isFile(), size: Number(stat.size), mtimeNs: stat.mtimeNs, dev: stat.dev, ino: stat.ino };
}

function promised<T>(call: (done: (error: Error | null, value: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, value) => (error === null ? resolve(value) : reject(error)));
  });
}

export type CallResult<T> =
  | { readonly kind: 'done'; readonly value: T }
  | { readonly kind: 'errno'; readonly code: string }
  | { readonly kind: 'failed'; readonly fault: Fault };

export class FileCalls {
  readonly #gate: Gate;
  readonly #timeoutMs: Ms;

  constructor(concurrency: number, timeoutMs: Ms) {
    this.#gate = new Gate(concurrency);
    this.#timeoutMs = timeoutMs;
  }

  /** Steps that run, those that hang included. */
  get running(): number {
    return this.#gate.inside;
  }

  get waiting(): number {
    return this.#gate.waiting;
  }

  /**
   * Waits for a slot and runs `step`, one or more calls in turn, in it. Faults: those of the gate, DECKLE_ORIGIN_TIMEOUT when the
   * step takes too long, DECKLE_ORIGIN_RESET when `signal` gives it up.
   * @param over called once, in the slot, when nothing of the step runs any more: it returned (undefined: failed), or never began;
   * `late` when somebody was answered before that, so that what it opened is nobody's
   */
  async run<T>(
    queue: QueueLimits,
    step: () => Promise<T>,
    over: (value: T | undefined, late: boolean) => Promise<void> | void,
    signal?: AbortSignal,
  ): Promise<CallResult<T>> {
    const shut = await this.#gate.enter(queue, signal);
    if (shut !== undefined) {
      await over(undefined, false);
      return { kind: 'failed', fault: shut };
    }
    return new Promise((resolve) => {
      let answered = false;
      const answer = (result: CallResult<T>): void => {
        answered = true;
        clearTimeout(timer);
        signal?.removeEventListener('abort', giveUp);
        resolve(result);
      };
      const fail = (fault: Fault): void => answer({ kind: 'failed', fault });
      const giveUp = (): void => fail(givenUp());
      const timer = setTimeout(
        () => fail(new Fault('DECKLE_ORIGIN_TIMEOUT', 'a call to the file system hangs')),
        this.#timeoutMs,
      );
      signal?.addEventListener('abort', giveUp, { once: true });
      const settle = async (result: CallResult<T>): Promise<void> => {
        const late = answered;
        // Before `over`, which may wait: from here on the value has an owner.
        if (!late) answer(result);
        await over(result.kind === 'done' ? result.value : undefined, late);
        this.#gate.leave();
      };
      step().then(
        (value) => settle({ kind: 'done', value }),
        (error: unknown) => settle({ kind: 'errno', code: errnoOf(error) }),
      );
    });
  }

  /** Runs `call` in a slot however long one has to wait for it and however long it takes: for closing what was opened. */
  async runAtLast(call: () => Promise<void>): Promise<void> {
    await this.#gate.enter({ max: Number.POSITIVE_INFINITY, timeoutMs: LONGEST_TIMER_MS });
    await call().catch(() => {});
    this.#gate.leave();
  }
}

export function errnoOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'EIO';
}
