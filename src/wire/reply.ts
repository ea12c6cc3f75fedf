// The one way an answer leaves: head, body, end, on any kind of socket, whoever makes the answer.
// Promises: bodies go out in slices of at most 64 KB and wait for drain; a message that cannot be finished is cut, never ended.
// Refuses: bytes beyond the declared length (cut), an end without a head (cut), a second head or a body before its head (thrown:
// a defect). After the end every call is a no-op, so that a late voice cannot speak into the next answer.

import type { Socket } from 'node:net';
import type { Bytes } from '../base/units.ts';
import { statusLine } from './status.ts';

/**
 * The largest piece handed to a socket at once, and no more than half of what the socket would hold: a stalled reader holds no more
 * than two of them. TLS sockets hold less, and that is well: each piece in flight is there a second time, encrypted (a stalled
 * reader of 8 MB costs 89 KB with the halves of 32 KB that come of it, 172 KB with 64 KB).
 */
export const SLICE_BYTES: Bytes = 64 * 1024;
/** What one answer may write in one turn of the loop: a kernel that takes megabytes at once must not make everyone else wait. */
const TURN_BYTES: Bytes = 4 * SLICE_BYTES;

const NOTHING = Buffer.alloc(0);

/** How the body is framed: by Content-Length, by the chunked coding, by the end of the connection, or there is none. */
export type Framing = 'length' | 'chunked' | 'close' | 'none';

export interface ReplyEnd {
  /** The message left whole (handed to the kernel, not yet read by the client). */
  readonly clean: boolean;
  /** Whether the connection may carry another request. */
  readonly keepAlive: boolean;
}

/** Whoever holds the connection. */
export interface ReplyOwner {
  /** The socket holds more than the client has taken; `drained` is owed. */
  stalled(): void;
  /** The socket would take more, but others have a right to this turn of the loop: `drained` is owed in the next one. */
  yielded(reply: Reply): void;
  /** Called once. */
  ended(end: ReplyEnd): void;
}

export class Reply {
  readonly #socket: Socket;
  readonly #minor: number;
  readonly #owner: ReplyOwner;
  readonly #mostBytes: Bytes;
  #keepAlive: boolean;
  #framing: Framing = 'none';
  #left = 0;
  #rest: Buffer | undefined;
  #restAt = 0;
  /** `end` was called while a rest had to wait for drain. */
  #endsAfterRest = false;
  #waiting = false;
  #corked = false;
  #ended = false;

  /** Set by the head. */
  status = 0;
  /** Body bytes handed to the socket. */
  bytes: Bytes = 0;
  /** Called once when the socket takes bytes again after `write` said false. */
  onDrain: (() => void) | undefined;
  /** Called once when the client went away before the end. */
  onGone: (() => void) | undefined;

  constructor(socket: Socket, minor: number, keepAlive: boolean, owner: ReplyOwner) {
    this.#socket = socket;
    this.#minor = minor;
    this.#keepAlive = keepAlive;
    this.#owner = owner;
    this.#mostBytes = Math.min(SLICE_BYTES, socket.writableHighWaterMark / 2);
  }

  get started(): boolean {
    return this.status !== 0;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Whether the answer needs no word about the connection: HTTP/1.1, and it goes on. */
  get plain(): boolean {
    return this.#keepAlive && this.#minor === 1;
  }

  /** Whether the client can read the chunked coding. */
  get canChunk(): boolean {
    return this.#minor === 1;
  }

  /** The connection ends after this answer. */
  closeAfter(): void {
    this.#keepAlive = false;
  }

  /** An interim answer (1xx); nothing when the final head has left. */
  interim(status: number): void {
    if (!this.started && !this.#ended && this.#minor === 1) this.#socket.write(`${statusLine(status)}\r\n`, 'latin1');
  }

  /** A whole answer: `lines` are field lines with their line ends, framing fields included. */
  whole(status: number, lines: string, body: Buffer | undefined): void {
    if (this.#ended) return;
    if (body === undefined || body.length === 0) {
      this.#head(status, lines, 'none', undefined);
      this.#finish();
      return;
    }
    this.#left = body.length;
    const first = body.length <= this.#mostBytes ? body : body.subarray(0, this.#mostBytes);
    this.#head(status, lines, 'length', first);
    if (first.length === body.length) {
      this.#finish();
      return;
    }
    this.#rest = body;
    this.#restAt = first.length;
    this.#pump();
  }

  /**
   * A whole answer whose head is there in one piece. Only for a plain client. False: some of the head's bytes are still on their way,
   * and must not change any more.
   */
  stamped(status: number, head: Buffer, body: Buffer): boolean {
    if (this.#ended) return true;
    if (this.started || !this.plain) throw new Error('a second head, or one that lacks a line');
    this.status = status;
    this.#framing = 'length';
    this.#left = body.length;
    const socket = this.#socket;
    const isWhole = body.length <= this.#mostBytes;
    socket.cork();
    socket.write(head);
    this.#slice(isWhole ? body : body.subarray(0, this.#mostBytes));
    socket.uncork();
    const taken = socket.writableLength === 0;
    if (isWhole) this.#finish();
    else {
      this.#rest = body;
      this.#restAt = this.#mostBytes;
      this.#pump();
    }
    return taken;
  }

  /**
   * A whole answer that was made by another process, head and body in one piece. Only while `plain`.
   * @param message no longer than a slice, or a stalled client would hold more; its bytes must not change while `holding`
   * @param length  of the body, which ends the message
   */
  relayed(status: number, message: Buffer, length: Bytes): void {
    if (this.#ended) return;
    if (this.started || !this.plain) throw new Error('a second head, or one that lacks a line');
    this.status = status;
    this.bytes = length;
    this.#socket.write(message);
    this.#finish();
  }

  /**
   * The head of an answer whose body follows by `write`. With `length` undefined the body is chunked, or framed by the end of
   * the connection for HTTP/1.0; `lines` must not hold framing fields then. With `length` they must hold Content-Length.
   */
  begin(status: number, lines: string, length: number | undefined): void {
    if (this.#ended) return;
    if (length !== undefined) {
      this.#left = length;
      this.#head(status, lines, 'length', undefined);
    } else if (this.#minor === 1) this.#head(status, `${lines}Transfer-Encoding: chunked\r\n`, 'chunked', undefined);
    else {
      this.#keepAlive = false;
      this.#head(status, lines, 'close', undefined);
    }
  }

  /** Bytes that were given here, or to the client's socket before, have not all left: they must not change yet. */
  get holding(): boolean {
    return this.#rest !== undefined || this.#socket.writableLength > 0;
  }

  /** `onDrain` is called when nothing is held any more, also where `write` had found room. Only while `holding`. */
  awaitRelease(): void {
    if (this.#ended || this.#waiting) return;
    this.#stall();
    if (!this.#socket.writableNeedDrain) this.#socket.write(NOTHING, () => this.#owner.yielded(this));
  }

  /** Until `uncork` or the end, what is written leaves in one piece. */
  cork(): void {
    if (this.#corked || this.#ended) return;
    this.#corked = true;
    this.#socket.cork();
  }

  uncork(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.#socket.uncork();
  }

  /** More of the body. False: wait for `onDrain` before the next write. The bytes must not change afterwards. */
  write(data: Buffer): boolean {
    if (this.#ended || data.length === 0) return true;
    if (!this.started) throw new Error('a body before its head');
    if (this.#rest !== undefined) throw new Error('write before drain');
    if (this.#framing === 'length') {
      if (data.length > this.#left) {
        this.abort();
        return true;
      }
    }
    if (data.length > this.#mostBytes) {
      this.#rest = data;
      this.#restAt = 0;
      this.#pump();
      return !this.#waiting;
    }
    return this.#slice(data) || this.#stall();
  }

  /** The body is complete. With bytes missing of a declared length the connection is cut instead. */
  end(): void {
    if (this.#ended) return;
    if (this.#rest !== undefined) {
      this.#endsAfterRest = true;
      return;
    }
    if (!this.started || (this.#framing === 'length' && this.#left !== 0)) {
      this.abort();
      return;
    }
    if (this.#framing === 'chunked') this.#socket.write('0\r\n\r\n', 'latin1');
    this.#finish();
  }

  /** Cuts the connection so that the client sees it: a length left open, no last chunk, or a reset where only the end frames. */
  abort(): void {
    if (this.#ended) return;
    if (this.#framing === 'close') this.#socket.resetAndDestroy();
    else this.#socket.destroy();
    this.#settle(false);
  }

  /** The socket closed or failed: whoever writes is told. Called by the connection. */
  gone(): void {
    if (!this.#ended) this.#settle(false);
  }

  /** The socket took all it was given. Called by the connection. */
  drained(): void {
    if (!this.#waiting) return;
    this.#waiting = false;
    if (this.#rest !== undefined) {
      this.#pump();
      if (this.#rest !== undefined || this.#waiting) return;
    }
    const call = this.onDrain;
    this.onDrain = undefined;
    call?.();
  }

  #head(status: number, lines: string, framing: Framing, first: Buffer | undefined): void {
    if (this.started) throw new Error('a second head');
    this.status = status;
    this.#framing = framing;
    const text = statusLine(status) + lines + this.#lastLines();
    if (first === undefined) {
      this.#socket.write(text, 'latin1');
      return;
    }
    this.#socket.cork();
    this.#socket.write(text, 'latin1');
    this.#slice(first);
    this.#socket.uncork();
  }

  #lastLines(): string {
    if (!this.#keepAlive) return 'Connection: close\r\n\r\n';
    return this.#minor === 1 ? '\r\n' : 'Connection: keep-alive\r\n\r\n';
  }

  #slice(data: Buffer): boolean {
    this.bytes += data.length;
    if (this.#framing !== 'chunked') {
      this.#left -= data.length;
      return this.#socket.write(data);
    }
    this.#socket.cork();
    this.#socket.write(`${data.length.toString(16)}\r\n`, 'latin1');
    this.#socket.write(data);
    const room = this.#socket.write('\r\n', 'latin1');
    this.#socket.uncork();
    return room;
  }

  #pump(): void {
    const body = this.#rest!;
    const turnEnd = this.#restAt + TURN_BYTES;
    while (!this.#ended) {
      const end = Math.min(this.#restAt + this.#mostBytes, body.length);
      const room = this.#slice(body.subarray(this.#restAt, end));
      this.#restAt = end;
      if (end === body.length) {
        this.#rest = undefined;
        if (this.#endsAfterRest) this.end();
        else if (this.#framing === 'length' && this.#left === 0) this.#finish();
        else if (!room) this.#stall();
        return;
      }
      if (!room) {
        this.#stall();
        return;
      }
      if (end >= turnEnd) {
        this.#waiting = true;
        this.#owner.yielded(this);
        return;
      }
    }
  }

  #stall(): false {
    this.#waiting = true;
    this.#owner.stalled();
    return false;
  }

  #finish(): void {
    if (!this.#ended) this.#settle(true);
  }

  #settle(clean: boolean): void {
    this.#ended = true;
    this.uncork();
    this.#rest = undefined;
    this.#waiting = false;
    this.onDrain = undefined;
    const gone = this.onGone;
    this.onGone = undefined;
    this.#owner.ended({ clean, keepAlive: clean && this.#keepAlive });
    if (!clean) gone?.();
  }
}
