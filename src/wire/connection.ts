// One client connection: bytes in, one request at a time out, in order; then the next.
// Promises: every head passes the scanner; pipelined heads wait their turn; nothing is read for a client that sends more than a
// head's worth ahead; every state in which the client is waited for has a deadline; a handler that throws costs its own
// connection, nothing else. Refuses: a second request behind one that came with a body (the connection ends after its answer,
// so nobody can disagree about where the body ended).

import type { Socket } from 'node:net';
import { Fault } from '../base/fault.ts';
import type { Bytes, Ms } from '../base/units.ts';
import { Gathered } from './gathered.ts';
import { LeanSocket } from './lean-socket.ts';
import { Reply, type ReplyEnd, type ReplyOwner } from './reply.ts';
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
  /** Address of the other end, as node:net writes it: the socket's, or the one that a balancer gave in a PROXY header. */
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
  /** A handler threw. The client was answered with DECKLE_INTERNAL through `refused`, or cut; this is for the log. */
  defect(error: unknown): void;
}

type Phase = 'idle' | 'head' | 'busy' | 'lingering' | 'closed';

/** A client may still be sending what nobody wants: it is read and dropped for so long, or a reset would eat the answer. */
export const LINGER_MS: Ms = 2_000;

export class Connection {
  readonly #socket: Socket;
  readonly #limits: ConnectionLimits;
  readonly #events: ConnectionEvents;
  readonly #nowMs: () => Ms;
  readonly #scanner: HeadScanner;
  /** Bytes not yet used: the start of a head, or heads that were sent ahead. */
  readonly #ahead = new Gathered();
  #phase: Phase = 'idle';
  #exchange: Exchange | undefined;
  /** The client sent its FIN. */
  #clientDone = false;
  #lingered: Bytes = 0;
  /** Bytes of answers that the kernel had taken when the client was last looked at. */
  #taken: Bytes = 0;
  /** An answer has ended, but its client has not read enough of it to be heard again. */
  #unread = false;
  #draining = false;
  #advancing = false;
  readonly #owner: ReplyOwner = {
    stalled: () => this.#stalled(),
    yielded: (reply) => {
      setImmediate(() => {
        if (this.#exchange?.reply === reply) this.#drained();
      });
    },
    ended: (end) => this.#replied(end),
  };

  readonly peerAddress: string;
  /** Monotonic time at which the present phase must be over; infinite while the client waits for us. */
  deadlineMs: Ms;

  constructor(socket: Socket, peerAddress: string, limits: ConnectionLimits, events: ConnectionEvents, nowMs: () => Ms) {
    this.#socket = socket;
    this.#limits = limits;
    this.#events = events;
    this.#nowMs = nowMs;
    this.#scanner = new HeadScanner('request', { maxBytes: limits.headBytes, maxFields: limits.headFields });
    this.peerAddress = peerAddress;
    this.deadlineMs = nowMs() + Math.max(limits.headMs, limits.idleMs);
    if (socket instanceof LeanSocket)
      socket.onBytes = (bytes) => {
        this.#read(bytes);
        this.#ahead.own();
      };
    else socket.on('data', (bytes: Buffer) => this.#read(bytes));
    socket.on('end', () => this.#clientEnded());
    socket.on('drain', () => this.#drained());
    socket.on('error', () => this.#socket.destroy());
    socket.on('close', () => this.#closed());
  }

  /** Finish the request at hand, then close; an idle connection closes now. */
  drain(): void {
    this.#draining = true;
    this.#exchange?.reply.closeAfter();
    if (this.#phase === 'idle') this.#leave();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** The deadline of the present phase has passed. */
  expire(): void {
    if (this.#phase === 'head') {
      this.#refuse(new Fault('DECKLE_HEADER_TIMEOUT'));
      return;
    }
    // A slow reader is still taking its answer.
    if (this.#phase !== 'idle' && this.#socket.writableLength > 0 && this.#takenNow() > this.#taken) this.#stalled();
    else this.#socket.destroy();
  }

  #read(bytes: Buffer): void {
    if (this.#phase === 'lingering') {
      this.#lingered += bytes.length;
      if (this.#lingered > this.#limits.bodyBytes) this.#socket.destroy();
      return;
    }
    if (this.#phase === 'closed') return;
    this.#ahead.append(bytes);
    if (this.#phase !== 'busy') this.#advance();
    else if (this.#isFarAhead()) this.#socket.pause();
  }

  #isFarAhead(): boolean {
    return this.#ahead.view.length > this.#limits.headBytes;
  }

  /** From now on the client has `sendMs` to take a piece of its answer. What it sends meanwhile does not count. */
  #stalled(): void {
    this.#taken = this.#takenNow();
    this.deadlineMs = this.#nowMs() + this.#limits.sendMs;
  }

  #takenNow(): Bytes {
    return this.#socket.bytesWritten - this.#socket.writableLength;
  }

  #drained(): void {
    if (this.#phase !== 'busy') return;
    this.deadlineMs = Number.POSITIVE_INFINITY;
    if (this.#unread) {
      this.#unread = false;
      this.#next();
      return;
    }
    const reply = this.#exchange?.reply;
    try {
      reply?.drained();
    } catch (defect) {
      this.#events.defect(defect);
      reply?.abort();
    }
  }

  // Takes heads from the carried bytes while no request is at hand. An answer that is made at once comes back here through
  // #replied: the flag turns that recursion into this loop, so a long pipeline cannot exhaust the stack.
  #advance(): void {
    if (this.#advancing) return;
    this.#advancing = true;
    while ((this.#phase === 'idle' || this.#phase === 'head') && this.#ahead.view.length > 0) {
      if (!this.#takeHead()) break;
    }
    this.#advancing = false;
    const isWaiting = this.#phase === 'idle' || this.#phase === 'head';
    if (isWaiting && (this.#clientDone || (this.#draining && this.#phase === 'idle'))) this.#leave();
    else if (this.#socket.isPaused() && !(this.#phase === 'busy' && this.#isFarAhead())) this.#socket.resume();
  }

  #takeHead(): boolean {
    const result = this.#scanner.scan(this.#ahead.view, 0, this.#ahead.view.length);
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
    this.#ahead.drop(this.#scanner.length);
    const hasBody = this.#scanner.chunked || this.#scanner.contentLength > 0;
    const isLast = hasBody || this.#draining || (this.#clientDone && this.#ahead.view.length === 0);
    const exchange = this.#begin(this.#scanner.minor, this.#scanner.keepAlive && !isLast);
    const tooLarge = this.#scanner.contentLength > this.#limits.bodyBytes;
    this.#tell(exchange, tooLarge ? new Fault('DECKLE_BODY_TOO_LARGE') : undefined);
    return true;
  }

  #refuse(fault: Fault): void {
    this.#scanner.abandon();
    this.#ahead.clear();
    this.#tell(this.#begin(1, false), fault);
  }

  #begin(minor: number, keepAlive: boolean): Exchange {
    this.#phase = 'busy';
    this.deadlineMs = Number.POSITIVE_INFINITY;
    const exchange: Exchange = {
      head: this.#scanner,
      reply: new Reply(this.#socket, minor, keepAlive, this.#owner),
      peerAddress: this.peerAddress,
      startMs: this.#nowMs(),
      onEnd: undefined,
    };
    this.#exchange = exchange;
    return exchange;
  }

  #tell(exchange: Exchange, fault: Fault | undefined): void {
    try {
      if (fault === undefined) this.#events.request(exchange);
      else this.#events.refused(exchange, fault);
    } catch (defect) {
      this.#events.defect(defect);
      this.#excuse(exchange, defect);
    }
  }

  // A handler threw: whatever it had begun for this request is let go of, and the client gets an answer or a cut.
  #excuse(exchange: Exchange, defect: unknown): void {
    const { reply } = exchange;
    if (!reply.ended && !reply.started) {
      reply.closeAfter();
      reply.onDrain = undefined;
      try {
        const gone = reply.onGone;
        reply.onGone = undefined;
        gone?.();
        this.#events.refused(exchange, new Fault('DECKLE_INTERNAL', String(defect)));
      } catch (another) {
        this.#events.defect(another);
      }
    }
    // Nothing may follow an answer that nobody is sure of.
    if (this.#exchange === exchange) this.#socket.destroy();
  }

  #replied(end: ReplyEnd): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    try {
      exchange?.onEnd?.(end);
    } catch (defect) {
      this.#events.defect(defect);
    }
    if (exchange !== undefined) exchange.onEnd = undefined;
    if (this.#phase === 'closed' || !end.clean) return;
    if (!end.keepAlive) {
      this.#linger();
      return;
    }
    this.#scanner.reset();
    if (this.#socket.writableNeedDrain) {
      // The client has not read this answer yet: its next request waits, so what is queued for it stays bounded.
      this.#unread = true;
      this.#stalled();
    } else this.#next();
  }

  #next(): void {
    this.#phase = 'idle';
    this.deadlineMs = this.#nowMs() + this.#limits.idleMs;
    this.#advance();
  }

  /** Nothing is at hand and nothing more is wanted. */
  #leave(): void {
    this.#phase = 'lingering';
    this.#ahead.clear();
    this.#stalled();
    this.#socket.end(() => this.#socket.destroy());
  }

  // RFC 9112 §9.6: send the end, go on reading for a while, then close.
  #linger(): void {
    this.#phase = 'lingering';
    this.#ahead.clear();
    this.#stalled();
    if (this.#socket.isPaused()) this.#socket.resume();
    this.#socket.end(() => {
      if (this.#clientDone) this.#socket.destroy();
      else this.deadlineMs = this.#nowMs() + LINGER_MS;
    });
  }

  // The client sent its FIN: it may still read its answers (half-closed), but it will ask for nothing more.
  #clientEnded(): void {
    this.#clientDone = true;
    if (this.#phase === 'lingering') {
      if (this.#socket.writableFinished) this.#socket.destroy();
    } else if (this.#phase !== 'busy') this.#advance();
  }

  #closed(): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    this.#ahead.clear();
    try {
      this.#exchange?.reply.gone();
    } catch (defect) {
      this.#events.defect(defect);
    }
    this.#exchange = undefined;
    this.#events.closed(this);
  }
}
