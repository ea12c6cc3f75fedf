// The body of an answer between the connection that fills it and the one reader who empties it.
// Promises: the bytes that could be the last ones are kept back until `end`; at most one piece more than 64 KB lies unread;
// a timer runs only while a read waits; `end` or `failed` is said once and then for ever.
// Refuses: to know HTTP. Where the message ends, and whether it ended well, is told by the connection.

import { Fault } from '../base/fault.ts';
import type { Bytes, Ms } from '../base/units.ts';
import { givenUp } from './given-up.ts';
import type { BodyPart, OriginBody } from './origin.ts';

const UNREAD_LIMIT: Bytes = 64 * 1024;

export interface BodySource {
  /** The reader wants more: take bytes again. */
  resume(): void;
  /** The reader has gone, or nothing came for too long: no further call will be of use. */
  stop(): void;
}

export class AnswerBody implements OriginBody {
  readonly #length: Bytes | undefined;
  readonly #betweenBytesMs: Ms;
  readonly #source: BodySource;
  readonly #ready: Buffer[] = [];
  /** The piece that could be the last. */
  #held: Buffer | undefined;
  #received = 0;
  #unread = 0;
  #final: BodyPart | undefined;
  #waiting: ((part: BodyPart) => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param length declared bytes, or undefined: then the newest piece is always kept back. */
  constructor(length: Bytes | undefined, betweenBytesMs: Ms, source: BodySource) {
    this.#length = length;
    this.#betweenBytesMs = betweenBytesMs;
    this.#source = source;
  }

  /** Bytes that have come so far. */
  get received(): Bytes {
    return this.#received;
  }

  /** Adds what came. False: enough for now, wait for `resume`. */
  push(bytes: Buffer): boolean {
    if (this.#final !== undefined || bytes.length === 0) return true;
    this.#received += bytes.length;
    this.#unread += bytes.length;
    if (this.#held !== undefined) this.#ready.push(this.#held);
    const last = this.#length === undefined || this.#received >= this.#length;
    this.#held = last ? bytes : undefined;
    if (!last) this.#ready.push(bytes);
    this.#timer?.refresh();
    this.#serve();
    return this.#unread < UNREAD_LIMIT || this.#waiting !== undefined;
  }

  /** The message is whole: all of it may be read. */
  end(): void {
    if (this.#held !== undefined) this.#ready.push(this.#held);
    this.#finish({ kind: 'end' });
  }

  /** What is ready may still be read, then `failed`. */
  fail(fault: Fault): void {
    this.#finish({ kind: 'failed', fault });
  }

  read(): Promise<BodyPart> {
    if (this.#waiting !== undefined) throw new Error('one read at a time');
    const part = this.#next();
    if (part !== undefined) {
      if (this.#final === undefined && this.#unread < UNREAD_LIMIT) this.#source.resume();
      return Promise.resolve(part);
    }
    return new Promise((resolve) => {
      this.#waiting = resolve;
      this.#timer = setTimeout(() => this.#silent(), this.#betweenBytesMs);
      this.#source.resume();
    });
  }

  abort(): void {
    if (this.#final !== undefined && this.#ready.length === 0) return;
    this.#ready.length = 0;
    this.#unread = 0;
    this.#final = undefined;
    this.fail(givenUp());
    this.#source.stop();
  }

  #silent(): void {
    this.fail(new Fault('DECKLE_ORIGIN_TIMEOUT', 'nothing came between two bytes'));
    this.#source.stop();
  }

  #finish(part: BodyPart): void {
    if (this.#final !== undefined) return;
    this.#held = undefined;
    this.#final = part;
    this.#serve();
  }

  #serve(): void {
    if (this.#waiting === undefined) return;
    const part = this.#next();
    if (part === undefined) return;
    const resolve = this.#waiting;
    this.#waiting = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    resolve(part);
  }

  #next(): BodyPart | undefined {
    const bytes = this.#ready.shift();
    if (bytes === undefined) return this.#final;
    this.#unread -= bytes.length;
    return { kind: 'data', bytes };
  }
}
