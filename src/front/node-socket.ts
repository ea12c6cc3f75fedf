// One connection to a node for as long as it lives: dialling, then asked and idle in turn, then closed.
// Promises: listeners are attached once; answers are parsed strictly (wire/scanner.ts); who asked is told `answered` once, then the
// body's bytes, then `ended`, or instead `closed` with why; nothing after it let go. One buffer is read into again and again: what
// is told lies in it and must not change while somebody still holds it, so nothing is read until its user lets go of a read.
// An answer that is whole in its first read may be told in one piece, its head unread, when it comes from a node of ours (quick.ts).
// Refuses: an upgrade, bytes that nobody asked for, bytes behind an answer (the answer counts, the connection does not go on).

import { connect, type Socket } from 'node:net';
import type { Bytes, Ms } from '../base/units.ts';
import type { Result } from '../metrics/catalogue.ts';
import { ChunkReader } from '../wire/chunked.ts';
import { Gathered } from '../wire/gathered.ts';
import { HeadScanner } from '../wire/scanner.ts';
import { isBodiless } from '../wire/status.ts';
import { type QuickReader, quickMessage } from './quick.ts';

/** Why a connection ended under a request. */
export type Closing =
  /** No connection came about. */
  | 'unreached'
  /** The node ended it, or it broke. */
  | 'gone'
  /** What came is no HTTP answer, or one that nobody asked for. */
  | 'garbled'
  /** The node said nothing for too long. */
  | 'silent';

/** Who asked. */
export interface SocketUser {
  /** An answer of 200 with a body of this length has come, whole and quick (quick.ts): whether it is wanted by `quick`. */
  takesQuick(length: Bytes): boolean;
  /** Instead of `answered`: all of the answer as the client gets it, its head and a body of `length` bytes. */
  quick(message: Buffer, length: Bytes, result: Result): void;
  /**
   * The final head, and what of the body came with it. `whole`: that is all of it.
   * Bodies that are not told by their length come by `data` alone.
   */
  answered(head: HeadScanner, first: Buffer, whole: boolean): void;
  data(bytes: Buffer): void;
  /** All of one read has been told. True: some of its bytes are still in use, so that nothing is read before `resume`. */
  holds(): boolean;
  /** The answer is complete; `clean`: the connection may carry another one. */
  ended(clean: boolean): void;
  closed(why: Closing): void;
  /** The node does not live (front/watch.ts). */
  lost(): void;
}

/** Who keeps the connection. */
export interface SocketHome {
  nowMs(): Ms;
  /** The node said something that it had to be alive for. */
  heard(): void;
  /** It is closed, whatever it was doing. */
  gone(socket: NodeSocket): void;
}

export interface SocketOptions {
  readonly host: string;
  readonly port: number;
  readonly connectMs: Ms;
  /** An idle connection is closed after this. */
  readonly idleMs: Ms;
  /** Without it no answer is quick. */
  readonly quick?: QuickReader | undefined;
}

export interface AnswerTimes {
  readonly firstByteMs: Ms;
  readonly betweenBytesMs: Ms;
}

type State = 'dialling' | 'idle' | 'waiting' | 'body' | 'closed';

/** What is read at once: an image of the usual size and its head. A stalled client of TLS costs it twice, as it came and encrypted. */
const READ_BYTES: Bytes = 32 * 1024;
/** A node's head may be larger than a client's: origins say more than browsers. */
const HEAD_LIMITS = { maxBytes: 64 * 1024, maxFields: 256 } as const;
const MOST_INTERIM = 1_000;
const NOTHING = Buffer.alloc(0);

export class NodeSocket {
  readonly #home: SocketHome;
  readonly #options: SocketOptions;
  readonly #socket: Socket;
  readonly #scanner = new HeadScanner('response', HEAD_LIMITS);
  /** A head that came in more than one read. */
  readonly #part = new Gathered();
  #buffer: Buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  #state: State = 'dialling';
  #user: SocketUser | undefined;
  #request = '';
  #answerTimes: AnswerTimes = { firstByteMs: 0, betweenBytesMs: 0 };
  #isHead = false;
  #interim = 0;
  /** Bytes that are still to come of a body with a length; -1 when the end of the connection is its end. */
  #left = 0;
  #chunks: ChunkReader | undefined;
  #paused = false;
  /** The node ended its side, and nothing was wrong. */
  #endedWell = false;

  /** It has carried a request before. */
  reused = false;
  /** Something came since the request was sent. */
  heardAny = false;
  /** Monotonic time at which the present state must be over; infinite while a client is waited for. */
  deadlineMs: Ms;
  /** When it was asked, or was last heard of while it was waited for. */
  heardMs: Ms;

  constructor(options: SocketOptions, home: SocketHome) {
    this.#home = home;
    this.#options = options;
    this.heardMs = home.nowMs();
    this.deadlineMs = this.heardMs + options.connectMs;
    this.#socket = connect({
      host: options.host,
      port: options.port,
      noDelay: true,
      onread: { buffer: () => this.#buffer, callback: (count) => this.#read(count) },
    });
    this.#socket.on('connect', () => this.#connected());
    this.#socket.on('end', () => {
      this.#endedWell = true;
      this.#close('gone');
    });
    this.#socket.on('error', () => this.#close('gone'));
    this.#socket.on('close', () => this.#close('gone'));
  }

  get closed(): boolean {
    return this.#state === 'closed';
  }

  /** The node is expected to say something: it was asked, or is in the middle of a body that somebody waits for. */
  get expects(): boolean {
    return (this.#state === 'waiting' || this.#state === 'body') && !this.#paused;
  }

  /** The head of the answer that was told last, until the next request. */
  get head(): HeadScanner {
    return this.#scanner;
  }

  /** Sends a request, as soon as the connection stands. Only when idle or new. */
  ask(request: string, isHead: boolean, times: AnswerTimes, user: SocketUser): void {
    this.#user = user;
    this.#isHead = isHead;
    this.#answerTimes = times;
    this.#interim = 0;
    this.heardAny = false;
    if (this.#state === 'dialling') {
      this.#request = request;
      return;
    }
    this.reused = true;
    this.#send(request);
  }

  /** The user can take more. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#listen(this.#answerTimes.betweenBytesMs);
    this.#socket.resume();
  }

  /** Closes it; its user is told nothing more. */
  drop(): void {
    this.#user = undefined;
    this.#close('gone');
  }

  /** The deadline has passed. */
  expire(): void {
    this.#close(this.#state === 'dialling' ? 'unreached' : 'silent');
  }

  /** The node does not live: its user may go elsewhere, unless it has something to read yet. */
  lost(): void {
    if (!this.#paused) this.#user?.lost();
  }

  #connected(): void {
    if (this.#state !== 'dialling') return;
    const request = this.#request;
    this.#request = '';
    if (this.#user === undefined) this.#rest();
    else this.#send(request);
  }

  #send(request: string): void {
    this.#state = 'waiting';
    this.#scanner.reset();
    this.#listen(this.#answerTimes.firstByteMs);
    this.#socket.write(request, 'latin1');
  }

  #listen(forMs: Ms): void {
    this.heardMs = this.#home.nowMs();
    this.deadlineMs = this.heardMs + forMs;
  }

  #rest(): void {
    this.#state = 'idle';
    this.#user = undefined;
    this.#chunks = undefined;
    this.deadlineMs = this.#home.nowMs() + this.#options.idleMs;
  }

  // Called by node:net with the number of bytes that it has put into the buffer. False: do not read on.
  #read(count: number): boolean {
    const user = this.#user;
    if (user === undefined) {
      // Whatever an idle connection says is not an answer to anything.
      this.drop();
      return false;
    }
    if (this.#state === 'body') {
      this.#listen(this.#answerTimes.betweenBytesMs);
      this.#bodyBytes(this.#buffer, 0, count);
    } else this.#headBytes(count);
    if (this.closed) return false;
    if (!user.holds()) return true;
    if (this.#user === user) {
      this.#paused = true;
      this.deadlineMs = Number.POSITIVE_INFINITY;
      return false;
    }
    // The answer is complete, and its last bytes are still on their way: they are left to who holds them.
    this.#buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    return true;
  }

  #headBytes(count: number): void {
    this.heardAny = true;
    this.#home.heard();
    const part = this.#part;
    if (part.view.length === 0 && this.#passQuick(count)) return;
    let bytes = this.#buffer;
    let end = count;
    if (part.view.length > 0) {
      part.append(this.#buffer.subarray(0, count));
      bytes = part.view;
      end = bytes.length;
    }
    let at = 0;
    for (;;) {
      const result = this.#scanner.scan(bytes, at, end);
      if (result === 'refused') return this.#close('garbled');
      if (result === 'more') {
        // The next read goes into the same buffer: what is needed of this one is copied.
        if (part.view.length > 0) part.drop(at);
        else if (at < end) part.append(Buffer.from(bytes.subarray(at, end)));
        this.heardMs = this.#home.nowMs();
        return;
      }
      at += this.#scanner.length;
      const { status } = this.#scanner;
      if (status >= 200) break;
      this.#interim += 1;
      if (status === 101 || this.#interim > MOST_INTERIM) return this.#close('garbled');
      this.#scanner.reset();
    }
    part.clear();
    this.#answer(bytes, at, end);
  }

  // The answer is told as it stands, when it can be. The first thing that a node says to a question is meant here, and nothing else.
  #passQuick(count: number): boolean {
    const user = this.#user!;
    if (this.#isHead || this.#interim > 0) return false;
    const answer = this.#options.quick?.read(this.#buffer, count);
    if (answer === undefined || !user.takesQuick(answer.length)) return false;
    user.quick(quickMessage(this.#buffer, count, answer), answer.length, answer.result);
    if (this.#user === user) this.#complete(true);
    return true;
  }

  // RFC 9112 §6.3.
  #answer(bytes: Buffer, at: number, end: number): void {
    const head = this.#scanner;
    const user = this.#user!;
    this.#state = 'body';
    this.#left = 0;
    if (!this.#isHead && !isBodiless(head.status)) {
      if (head.chunked || head.contentLength < 0) {
        this.#chunks = head.chunked ? new ChunkReader() : undefined;
        this.#left = -1;
        this.#listen(this.#answerTimes.betweenBytesMs);
        user.answered(head, NOTHING, false);
        if (this.#user === user && at < end) this.#bodyBytes(bytes, at, end);
        return;
      }
      this.#left = head.contentLength;
    }
    const mine = Math.min(this.#left, end - at);
    this.#left -= mine;
    const first = mine === 0 ? NOTHING : bytes.subarray(at, at + mine);
    if (this.#left > 0) {
      this.#listen(this.#answerTimes.betweenBytesMs);
      user.answered(head, first, false);
      return;
    }
    user.answered(head, first, true);
    if (this.#user === user) this.#complete(at + mine === end && head.keepAlive);
  }

  #bodyBytes(bytes: Buffer, from: number, to: number): void {
    const user = this.#user!;
    if (this.#chunks !== undefined) {
      const chunks = this.#chunks;
      const result = chunks.read(bytes.subarray(from, to), (data) => {
        // The reader of chunks goes on to the end of its bytes, also when nobody listens any more.
        if (this.#user === user) user.data(data);
      });
      if (this.#user !== user) return;
      if (result === 'broken') this.#close('garbled');
      else if (result === 'done') this.#complete(chunks.used === to - from && this.#scanner.keepAlive);
      return;
    }
    if (this.#left < 0) {
      user.data(bytes.subarray(from, to));
      return;
    }
    const mine = Math.min(this.#left, to - from);
    this.#left -= mine;
    user.data(bytes.subarray(from, from + mine));
    if (this.#user === user && this.#left === 0) this.#complete(from + mine === to && this.#scanner.keepAlive);
  }

  /** @param goesOn nothing came behind the answer, and the node said that more may */
  #complete(goesOn: boolean): void {
    const user = this.#user!;
    const clean = goesOn && !this.#endedWell;
    this.#rest();
    if (!clean) this.#close('gone');
    user.ended(clean);
  }

  #close(why: Closing): void {
    const was = this.#state;
    if (was === 'closed') return;
    this.#state = 'closed';
    const user = this.#user;
    this.#user = undefined;
    this.#part.clear();
    this.#socket.destroy();
    this.#home.gone(this);
    if (user === undefined) return;
    // RFC 9112 §6.3: the body of an answer without length and coding ends with the connection, if that ended as it should.
    if (was === 'body' && this.#left < 0 && this.#chunks === undefined && why === 'gone' && this.#endedWell) user.ended(false);
    else user.closed(was === 'dialling' ? 'unreached' : why);
  }
}
