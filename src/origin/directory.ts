// An origin in a folder: a local disk or a mount.
// Promises: nothing outside the folder is ever read out, whatever links say, because the opened file is asked where it lies; only
// plain files are served; a file that changes while it is read is never handed out as good; a mount that hangs holds
// `concurrency` threads and nobody else's request.
// Refuses: index files, listings, ranges, and to call a file missing when its folder is: an unmounted store is a fault.

import { resolve } from 'node:path';
import { type Clock, systemClock } from '../base/clock.ts';
import { Fault } from '../base/fault.ts';
import type { Ms, WallMs } from '../base/units.ts';
import { sniffKind, typeByExtension } from '../image/kind.ts';
import { notModified } from '../wire/conditional.ts';
import { httpDate } from '../wire/date.ts';
import { firstValue, type HeaderList, type HeaderPair, joinedValue } from '../wire/headers.ts';
import { changed, FileBody, type OpenFile, PIECE_BYTES, readPiece, sameFile, WholeBody } from './file-body.ts';
import { type DirectoryFs, errnoOf, FileCalls, type FileFacts, systemFs } from './file-calls.ts';
import { filePath } from './file-path.ts';
import { Gate, type QueueLimits } from './gate.ts';
import type { Origin, OriginAnswer, OriginBody, OriginCounts, OriginRequest } from './origin.ts';

export interface DirectoryOriginOptions {
  readonly name: string;
  /** Relative to the working directory of now; may be a link. */
  readonly root: string;
  /** Calls to the file system at one time, each of which holds a thread. Default 8. */
  readonly concurrency?: number | undefined;
  /** Files open at one time. Default 256. */
  readonly files?: number | undefined;
  /** Requests that wait for a file or a call. */
  readonly queue: QueueLimits;
  /** For opening a file, and for reading a piece of it. */
  readonly timeoutMs: Ms;
  /** For tests. */
  readonly fs?: DirectoryFs | undefined;
}

/** What the errno of an open says of the request, not of the store: no such file can be there. */
const MISSING: ReadonlySet<string> = new Set([
  'ENOENT',
  'ENOTDIR',
  'ELOOP',
  'ENAMETOOLONG',
  'EINVAL',
  'EISDIR',
  'ENXIO',
  'ENODEV',
  'EOPNOTSUPP',
]);

type Opening =
  | { readonly kind: 'missing' }
  | { readonly kind: 'unreadable'; readonly detail: string }
  | { readonly kind: 'changed' }
  | { readonly kind: 'unmodified'; readonly validators: HeaderList }
  | { readonly kind: 'whole'; readonly validators: HeaderList; readonly bytes: Buffer }
  | { readonly kind: 'open'; readonly validators: HeaderList; readonly file: OpenFile };

export function createDirectoryOrigin(options: DirectoryOriginOptions, clock: Clock = systemClock): Origin {
  return new DirectoryOrigin(options, clock);
}

class DirectoryOrigin implements Origin {
  readonly name: string;
  readonly #root: string;
  readonly #queue: QueueLimits;
  readonly #timeoutMs: Ms;
  readonly #fs: DirectoryFs;
  readonly #clock: Clock;
  readonly #files: Gate;
  readonly #calls: FileCalls;
  readonly #running = new Set<AbortController>();
  readonly #bodies = new Set<FileBody>();
  /** Requests whose file is being opened or is open. */
  #busy = 0;
  #onEmpty: (() => void) | undefined;
  #closed = false;

  constructor(options: DirectoryOriginOptions, clock: Clock) {
    this.name = options.name;
    this.#root = resolve(options.root);
    this.#queue = options.queue;
    this.#timeoutMs = options.timeoutMs;
    this.#fs = options.fs ?? systemFs;
    this.#clock = clock;
    this.#files = new Gate(options.files ?? 256);
    this.#calls = new FileCalls(options.concurrency ?? 8, options.timeoutMs);
  }

  counts(): OriginCounts {
    // A place among the files is taken before the line for a call: who stands there still waits.
    return { busy: this.#busy, waiting: this.#files.waiting + this.#files.inside - this.#busy };
  }

  async fetch(request: OriginRequest, signal: AbortSignal): Promise<OriginAnswer> {
    const path = filePath(request.target);
    if (path === undefined) return notFound();
    const attempt = new AbortController();
    const giveUp = (): void => attempt.abort();
    if (signal.aborted) giveUp();
    signal.addEventListener('abort', giveUp, { once: true });
    this.#running.add(attempt);
    try {
      const shut = await this.#files.enter(this.#queue, attempt.signal);
      const answer: OriginAnswer = shut === undefined ? await this.#answer(path, request.headers, attempt.signal) : failed(shut);
      return this.#closed && answer.kind === 'failed' ? failed(new Fault('DECKLE_STOPPING')) : answer;
    } finally {
      signal.removeEventListener('abort', giveUp);
      this.#running.delete(attempt);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#files.close();
    for (const attempt of this.#running) attempt.abort();
    for (const body of [...this.#bodies]) body.fail(new Fault('DECKLE_STOPPING'));
    if (this.#files.inside === 0) return;
    // A call that hangs is not waited for: nobody can end it.
    const empty = Promise.withResolvers<void>();
    const timer = setTimeout(empty.resolve, this.#timeoutMs);
    this.#onEmpty = empty.resolve;
    await empty.promise;
    clearTimeout(timer);
  }

  async #answer(path: string, headers: HeaderList, signal: AbortSignal): Promise<OriginAnswer> {
    let begun = false;
    const result = await this.#calls.run(
      this.#queue,
      () => {
        begun = true;
        this.#busy += 1;
        return this.#open(path, headers);
      },
      async (opening, late) => {
        if (opening?.kind === 'open') {
          if (!late) return;
          await this.#fs.close(opening.file.descriptor).catch(() => {});
        }
        this.#leave(begun);
      },
      signal,
    );
    if (result.kind === 'failed') return result;
    return result.kind === 'errno'
      ? failed(new Fault('DECKLE_ORIGIN_UNREADABLE', result.code))
      : this.#answerOf(path, result.value);
  }

  #leave(wasBusy: boolean): void {
    if (wasBusy) this.#busy -= 1;
    this.#files.leave();
    if (this.#files.inside === 0) this.#onEmpty?.();
  }

  /** All that happens before the head is known, in one slot. A file that is not handed on open is closed here. */
  async #open(path: string, headers: HeaderList): Promise<Opening> {
    const full = `${this.#root === '/' ? '' : this.#root}/${path}`;
    let descriptor: number;
    try {
      descriptor = await this.#fs.open(full);
    } catch (error) {
      const code = errnoOf(error);
      if (!MISSING.has(code)) return { kind: 'unreadable', detail: code };
      // Throws, and so is a fault, when the folder itself is not there.
      await this.#fs.realpath(this.#root);
      return { kind: 'missing' };
    }
    let keep = false;
    try {
      const opening = await this.#look(descriptor, full, headers);
      keep = opening.kind === 'open';
      return opening;
    } finally {
      if (!keep) await this.#fs.close(descriptor).catch(() => {});
    }
  }

  async #look(descriptor: number, full: string, headers: HeaderList): Promise<Opening> {
    const facts = await this.#fs.facts(descriptor);
    if (!facts.isFile) return { kind: 'missing' };
    const where = await this.#fs.where(descriptor, full);
    const root = await this.#fs.realpath(this.#root);
    if (!where.startsWith(root.endsWith('/') ? root : `${root}/`)) return { kind: 'missing' };
    const validators = validatorsOf(facts, this.#clock.wallMs());
    if (isUnmodified(headers, validators)) return { kind: 'unmodified', validators };
    const first = await readPiece(this.#fs, descriptor, 0, Math.min(facts.size, PIECE_BYTES));
    if (first === undefined) return { kind: 'changed' };
    if (first.length < facts.size) return { kind: 'open', validators, file: { descriptor, facts, first } };
    return sameFile(facts, await this.#fs.facts(descriptor)) ? { kind: 'whole', validators, bytes: first } : { kind: 'changed' };
  }

  #answerOf(path: string, opening: Opening): OriginAnswer {
    switch (opening.kind) {
      case 'missing':
        return notFound();
      case 'unreadable':
        return failed(new Fault('DECKLE_ORIGIN_UNREADABLE', opening.detail));
      case 'changed':
        return failed(changed());
      case 'unmodified':
        return {
          kind: 'answer',
          head: { status: 304, headers: opening.validators, length: undefined },
          body: new WholeBody(NOTHING),
        };
      case 'whole':
        return okAnswer(path, opening.validators, opening.bytes, opening.bytes.length, new WholeBody(opening.bytes));
      case 'open': {
        const { file, validators } = opening;
        const body: FileBody = new FileBody(this.#fs, this.#calls, this.#queue, file, () => {
          this.#bodies.delete(body);
          this.#leave(true);
        });
        this.#bodies.add(body);
        if (this.#closed) body.fail(new Fault('DECKLE_STOPPING'));
        return okAnswer(path, validators, file.first, file.facts.size, body);
      }
    }
  }
}

const NOTHING = Buffer.alloc(0);
const NOT_FOUND = Buffer.from('Not found.\n');

function notFound(): OriginAnswer {
  const headers: HeaderList = [['content-type', 'text/plain']];
  return {
    kind: 'answer',
    head: { status: 404, headers, length: NOT_FOUND.length },
    body: new WholeBody(Buffer.from(NOT_FOUND)),
  };
}

function okAnswer(path: string, validators: HeaderList, first: Buffer, length: number, body: OriginBody): OriginAnswer {
  const type = sniffKind(first) ?? typeByExtension(path);
  return { kind: 'answer', head: { status: 200, headers: [['content-type', type], ...validators], length }, body };
}

/** The name says the moment to the nanosecond, so two versions of a file share it only within one tick of the file system. */
function validatorsOf(facts: FileFacts, nowMs: WallMs): HeaderList {
  const etag: HeaderPair = ['etag', `"${facts.mtimeNs.toString(36)}-${facts.size.toString(36)}-${facts.ino.toString(36)}"`];
  const modifiedMs = Number(facts.mtimeNs / 1_000_000n);
  // RFC 9110 §8.8.2.1: no Last-Modified "that is later than the server's time of message origination".
  return modifiedMs < 0 || modifiedMs > nowMs ? [etag] : [etag, ['last-modified', httpDate(modifiedMs)]];
}

function isUnmodified(headers: HeaderList, validators: HeaderList): boolean {
  const ifNoneMatch = joinedValue(headers, 'if-none-match');
  const ifModifiedSince = firstValue(headers, 'if-modified-since');
  const lastModified = firstValue(validators, 'last-modified');
  return notModified({ ifNoneMatch, ifModifiedSince }, { etag: firstValue(validators, 'etag'), lastModified });
}

function failed(fault: Fault): OriginAnswer {
  return { kind: 'failed', fault };
}
