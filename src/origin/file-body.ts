// Bodies of a directory origin: bytes that are there already, and a large file that is read piece by piece.
// Promises: exactly the bytes of the file as it was when it was opened, or `failed`: the last piece is handed out only after
// the file was found unchanged behind it; the descriptor is closed once, after the last call on it has returned.
// Refuses: to read ahead. A reader who does not read costs an open file and nothing else.

import { Fault } from '../base/fault.ts';
import type { Bytes } from '../base/units.ts';
import type { DirectoryFs, FileCalls, FileFacts } from './file-calls.ts';
import type { QueueLimits } from './gate.ts';
import { givenUp } from './given-up.ts';
import type { BodyPart, OriginBody } from './origin.ts';

/** A file up to this size is read at once. */
export const PIECE_BYTES: Bytes = 256 * 1024;

const END: BodyPart = { kind: 'end' };

export class WholeBody implements OriginBody {
  #bytes: Buffer | undefined;
  #final: BodyPart = END;

  constructor(bytes: Buffer) {
    this.#bytes = bytes.length === 0 ? undefined : bytes;
  }

  read(): Promise<BodyPart> {
    const bytes = this.#bytes;
    this.#bytes = undefined;
    return Promise.resolve(bytes === undefined ? this.#final : { kind: 'data', bytes });
  }

  abort(): void {
    if (this.#bytes === undefined) return;
    this.#bytes = undefined;
    this.#final = failed(givenUp());
  }
}

/** Whether a file is still what it was. */
export function sameFile(a: FileFacts, b: FileFacts): boolean {
  return a.mtimeNs === b.mtimeNs && a.size === b.size && a.ino === b.ino && a.dev === b.dev;
}

/** Reads `length` bytes at `position`; undefined when the file ends before. */
export async function readPiece(
  fs: DirectoryFs,
  descriptor: number,
  position: number,
  length: Bytes,
): Promise<Buffer | undefined> {
  const piece = Buffer.allocUnsafeSlow(length);
  let filled = 0;
  while (filled < length) {
    const count = await fs.read(descriptor, piece, filled, length - filled, position + filled);
    if (count === 0) return undefined;
    filled += count;
  }
  return piece;
}

export interface OpenFile {
  readonly descriptor: number;
  readonly facts: FileFacts;
  /** The first piece: not the whole file. */
  readonly first: Buffer;
}

export class FileBody implements OriginBody {
  readonly #fs: DirectoryFs;
  readonly #calls: FileCalls;
  readonly #queue: QueueLimits;
  readonly #file: OpenFile;
  readonly #onClosed: () => void;
  #first: Buffer | undefined;
  #position: number;
  #final: BodyPart | undefined;
  #waiting: ((part: BodyPart) => void) | undefined;
  #stepRuns = false;
  #closing = false;

  /** @param onClosed called once, when the descriptor is closed */
  constructor(fs: DirectoryFs, calls: FileCalls, queue: QueueLimits, file: OpenFile, onClosed: () => void) {
    this.#fs = fs;
    this.#calls = calls;
    // The line for pieces is bounded by the number of open files; only the time in it is limited here.
    this.#queue = { max: Number.POSITIVE_INFINITY, timeoutMs: queue.timeoutMs };
    this.#file = file;
    this.#first = file.first;
    this.#position = file.first.length;
    this.#onClosed = onClosed;
  }

  read(): Promise<BodyPart> {
    if (this.#waiting !== undefined) throw new Error('one read at a time');
    const bytes = this.#first;
    this.#first = undefined;
    if (bytes !== undefined) return Promise.resolve({ kind: 'data', bytes });
    if (this.#final !== undefined) return Promise.resolve(this.#final);
    return new Promise((resolve) => {
      this.#waiting = resolve;
      void this.#advance();
    });
  }

  abort(): void {
    this.fail(givenUp());
  }

  /** Ends the body, unless it has ended. */
  fail(fault: Fault): void {
    if (this.#final !== undefined) return;
    this.#first = undefined;
    this.#finish(failed(fault));
  }

  async #advance(): Promise<void> {
    const { descriptor, facts } = this.#file;
    const length = Math.min(PIECE_BYTES, facts.size - this.#position);
    const last = this.#position + length === facts.size;
    this.#stepRuns = true;
    const result = await this.#calls.run(
      this.#queue,
      async () => {
        const piece = await readPiece(this.#fs, descriptor, this.#position, length);
        return last && !sameFile(facts, await this.#fs.facts(descriptor)) ? undefined : piece;
      },
      (_piece, late) => {
        this.#stepRuns = false;
        return late ? this.#closeNow() : undefined;
      },
    );
    if (this.#final !== undefined) this.#close();
    else if (result.kind === 'failed') this.#finish(failed(result.fault));
    else if (result.kind === 'errno') this.#finish(failed(new Fault('DECKLE_ORIGIN_UNREADABLE', result.code)));
    else if (result.value === undefined) this.#finish(failed(changed()));
    else this.#hand(result.value, last);
  }

  #hand(bytes: Buffer, last: boolean): void {
    this.#position += bytes.length;
    const resolve = this.#waiting;
    this.#waiting = undefined;
    if (last) this.#finish(END);
    resolve?.({ kind: 'data', bytes });
  }

  #finish(part: BodyPart): void {
    this.#final = part;
    const resolve = this.#waiting;
    this.#waiting = undefined;
    resolve?.(part);
    if (!this.#stepRuns) this.#close();
  }

  #close(): void {
    if (!this.#closing) void this.#calls.runAtLast(() => this.#closeNow());
  }

  async #closeNow(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    await this.#fs.close(this.#file.descriptor).catch(() => {});
    this.#onClosed();
  }
}

/** What is said of a file that did not stay what it was. */
export function changed(): Fault {
  return new Fault('DECKLE_ORIGIN_RESET', 'the file changed while it was read');
}

function failed(fault: Fault): BodyPart {
  return { kind: 'failed', fault };
}
