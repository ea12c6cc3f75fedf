// One client connection: bytes in, one request at a time out, in order; then the next.
// Promises: every head passes the scanner; pipelined heads wait their turn; nothing is read for a client that sends more than a
// head's worth ahead; every state has a deadline. Refuses: a second request behind one that came with a body (the connection
// ends after its answer, so nobody can disagree about where the body ended).

import type { Socket } from 'node:net';
import { Fault } from '../base/fault.ts';
import type { Bytes, Ms } from '../base/units.ts';
import { Reply, type ReplyEnd } from './reply.ts';
import { HeadScanner } from './scanner.ts';

export interface ConnectionLimits {
  readonly headBytes: Bytes;
  readonly headFields: number;
  readonly bodyBytes: Bytes;
  /** From the first byte of a head to its last. */
  readonly headMs: Ms;
  /** From the end of an answer (or the accept) to the first byte of a head. */
  readonly idleMs: Ms;
  /** A client that takes no byte of an answer for so long is cut. */
  readonly sendMs: Ms;
}

/** One request and the way to answer it. Valid until its reply has ended. */
export interface Exchange {
  readonly head: HeadScanner;
  readonly reply: Reply;
  /** Address of the socket's other end, as node:net writes it. */
  readonly peerAddress: string;
  /** Monotonic time at which the head was complete. */
  readonly startMs: Ms;
  /** Called once, when the answer left or the connection broke. */
  onEnd: ((end: ReplyEnd) => void) | undefined;
}

export interface ConnectionEvents {
  request(exchange: Exchange): void;
  /** The gate said no. The head may be incomplete: only `reply`, `peerAddress` and `startMs` may be used. */
  refused(exchange: Exchange, fault: Fault): void;
  closed(connection: Connection): void;
}

type Phase = 'idle' | 'head' | 'busy' | 'lingering' | 'closed';

/** A refused client may still be sending: its bytes are read and dropped for so long, or a reset would eat the answer. */
const LINGER_MS: Ms = 2_000;
const LINGER_BYTES: Bytes = 256 * 1024;

const NOTHING = Buffer.alloc(0);

export class Connection {
  readonly #socket: Socket;
  readonly #limits: ConnectionLimits;
  readonly #events: ConnectionEvents;
  readonly #nowMs: () => Ms;
  readonly #scanner: HeadScanner;
  /** Bytes not yet used: the start of a head, or heads that were sent ahead. */
  #carry: Buffer = NOTHING;
  #carryOwned = false;
  #phase: Phase = 'idle';
  #reply: Reply | undefined;
  #clientDone = false;
  #lingered = 0;
  #unread = 0;
  #draining = false;
  #advancing = false;

  readonly peerAddress: string;
  /** Monotonic time at which the present phase must be over. */
  deadlineMs: Ms;

  constructor(socket: Socket, limits: ConnectionLimits, events: ConnectionEvents, nowMs: () => Ms) {
    this.#socket = socket;
    this.#limits = limits;
    this.#events = events;
    this.#nowMs = nowMs;
    this.#scanner = new HeadScanner('request', { maxBytes: limits.headBytes, maxFields: limits.headFields });
    this.peerAddress = socket.remoteAddress ?? '';
    this.deadlineMs = nowMs() + Math.max(limits.headMs, limits.idleMs);
    socket.on('data', (bytes: Buffer) => this.#read(bytes));
    socket.on('end', () => this.#clientEnded());
    socket.on('drain', () => this.#reply?.drained());
    socket.on('timeout', () => this.#socket.destroy());
    socket.on('error', () => this.#socket.destroy());
    socket.on('close', () => this.#closed());
  }

  get busy(): boolean {
    return this.#phase === 'busy';
  }

  /** Finish the request at hand, then close; an idle connection closes now. */
  drain(): void {
    this.#draining = true;
    this.#reply?.closeAfter();
    if (this.#phase === 'idle') this.#socket.end(() => this.#socket.destroy());
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** The deadline of the present phase has passed. */
  expire(): void {
    if (this.#phase === 'head') this.#refuse(new Fault('DECKLE_HEADER_TIMEOUT'));
    else if (this.#phase === 'lingering' && this.#socket.writableLength < this.#unread) {
      // A slow reader is still taking the last of its answer.
      this.#unread = this.#socket.writableLength;
      this.deadlineMs += this.#limits.sendMs;
    } else if (this.#phase !== 'busy') this.#socket.destroy();
  }

  #read(bytes: Buffer): void {
    if (this.#phase === 'lingering') {
      this.#lingered += bytes.length;
      if (this.#lingered > LINGER_BYTES) this.#socket.destroy();
      return;
    }
    if (this.#phase === 'closed') return;
    this.#keep(bytes);
    if (this.#phase === 'busy') {
      if (this.#carry.length > this.#limits.headBytes) this.#socket.pause();
      return;
    }
    this.#advance();
  }

  // Bytes that came in one piece are used where they lie; only a head in pieces is copied, into room that doubles.
  #keep(bytes: Buffer): void {
    const have = this.#carry.length;
    if (have === 0) {
      this.#carry = bytes;
      this.#carryOwned = false;
      return;
    }
    const need = have + bytes.length;
    const room = this.#carryOwned ? this.#carry.buffer.byteLength - this.#carry.byteOffset : 0;
    if (room >= need) {
      const whole = Buffer.from(this.#carry.buffer, this.#carry.byteOffset, need);
      bytes.copy(whole, have);
      this.#carry = whole;
      return;
    }
    const grown = Buffer.allocUnsafeSlow(Math.max(1024, need * 2));
    this.#carry.copy(grown, 0);
    bytes.copy(grown, have);
    this.#carry = grown.subarray(0, need);
    this.#carryOwned = true;
  }

  // Takes heads from the carried bytes while no request is at hand. An answer that is made at once comes back here through
  // #replied: the flag turns that recursion into this loop, so a long pipeline cannot exhaust the stack.
  #advance(): void {
    if (this.#advancing) return;
    this.#advancing = true;
    while ((this.#phase === 'idle' || this.#phase === 'head') && this.#carry.length > 0) {
      if (!this.#takeHead()) break;
    }
    this.#advancing = false;
    if (this.#phase === 'idle' && (this.#clientDone || this.#draining)) this.#socket.end(() => this.#socket.destroy());
    else if (this.#phase === 'head' && this.#clientDone) this.#socket.destroy();
  }

  #takeHead(): boolean {
    const result = this.#scanner.scan(this.#carry, 0, this.#carry.length);
    if (result === 'more') {
      if (this.#phase === 'idle' && this.#scanner.begun) {
        this.#phase = 'head';
        this.deadlineMs = this.#nowMs() + this.#limits.headMs;
      }
      return false;
    }
    if (result === 'refused') {
      this.#refuse(this.#scanner.fault);
      return false;
    }
    const used = this.#scanner.length;
    this.#carry = used === this.#carry.length ? NOTHING : this.#carry.subarray(used);
    this.#phase = 'busy';
    const hasBody = this.#scanner.chunked || this.#scanner.contentLength > 0;
    const exchange = this.#exchange(
      this.#scanner.minor,
      this.#scanner.keepAlive && !hasBody && !this.#draining && !this.#clientDone,
    );
    if (hasBody && this.#scanner.contentLength > this.#limits.bodyBytes)
      this.#events.refused(exchange, new Fault('DECKLE_BODY_TOO_LARGE'));
    else this.#events.request(exchange);
    return true;
  }

  #refuse(fault: Fault): void {
    this.#phase = 'busy';
    this.#carry = NOTHING;
    const exchange = this.#exchange(1, false);
    this.#events.refused(exchange, fault);
  }

  #exchange(minor: number, keepAlive: boolean): Exchange {
    const reply = new Reply(this.#socket, minor, keepAlive, this.#limits.sendMs, (end) => this.#replied(exchange, end));
    const exchange: Exchange = {
      head: this.#scanner,
      reply,
      peerAddress: this.peerAddress,
      startMs: this.#nowMs(),
      onEnd: undefined,
    };
    this.#reply = reply;
    return exchange;
  }

  #replied(exchange: Exchange, end: ReplyEnd): void {
    const onEnd = exchange.onEnd;
    exchange.onEnd = undefined;
    onEnd?.(end);
    if (this.#phase === 'closed') return;
    if (!end.clean) return;
    if (!end.keepAlive) {
      this.#linger();
      return;
    }
    this.#scanner.reset();
    if (this.#socket.writableNeedDrain) {
      // The client has not read this answer yet: its next request waits, so what is queued for it stays bounded.
      this.#socket.setTimeout(this.#limits.sendMs);
      this.#socket.once('drain', () => {
        this.#socket.setTimeout(0);
        this.#next();
      });
      return;
    }
    this.#next();
  }

  #next(): void {
    if (this.#phase === 'closed') return;
    this.#reply = undefined;
    this.#phase = 'idle';
    this.deadlineMs = this.#nowMs() + this.#limits.idleMs;
    if (this.#socket.isPaused()) this.#socket.resume();
    this.#advance();
  }

  // RFC 9112 §9.6: send the end, go on reading for a while, then close.
  #linger(): void {
    this.#phase = 'lingering';
    this.#carry = NOTHING;
    this.#reply = undefined;
    this.#unread = this.#socket.writableLength;
    this.deadlineMs = this.#nowMs() + Math.max(LINGER_MS, this.#socket.writableLength > 0 ? this.#limits.sendMs : 0);
    if (this.#socket.isPaused()) this.#socket.resume();
    this.#socket.end();
    if (this.#clientDone) this.#socket.once('finish', () => this.#socket.destroy());
  }

  // The client sent its FIN: it may still read the answer (half-closed), but it will ask for nothing more.
  #clientEnded(): void {
    this.#clientDone = true;
    if (this.#phase === 'lingering') {
      if (this.#socket.writableFinished) this.#socket.destroy();
      else this.#socket.once('finish', () => this.#socket.destroy());
    } else if (this.#phase !== 'busy') this.#advance();
    if (this.#phase === 'idle') this.#socket.end(() => this.#socket.destroy());
    else if (this.#phase === 'head') this.#socket.destroy();
  }

  #closed(): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    this.#carry = NOTHING;
    this.#reply?.gone();
    this.#reply = undefined;
    this.#events.closed(this);
  }
}
