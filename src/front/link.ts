// The way from a front to one node: kept-alive HTTP/1.1 sockets, slots, a bounded queue for a slot, and what is known of its health.
// Promises: never more than `maxRequests` at a time; a waiting request leaves after `queueMs`; a socket is used again only after
// an answer that ended where it said, with nothing behind it; requests that fail together are one failure of the node.
// Knows nothing of rings and sites.

import { connect, type Socket } from 'node:net';
import type { Clock } from '../base/clock.ts';
import { Fault } from '../base/fault.ts';
import type { Ms } from '../base/units.ts';
import { HeadScanner } from '../wire/scanner.ts';

export interface LinkOptions {
  readonly host: string;
  readonly port: number;
  readonly maxRequests: number;
  readonly queueMax: number;
  readonly queueMs: Ms;
  readonly connectMs: Ms;
  /** An idle socket is closed after this; shorter than the node's own idle timeout. */
  readonly idleMs: Ms;
}

/** A node that failed is passed over for this long, doubled with each further failure up to the second figure. */
const FIRST_AVOID_MS: Ms = 100;
const LONGEST_AVOID_MS: Ms = 2_000;
const MAX_IDLE = 512;
/** A node's head may be larger than a client's: origins say more than browsers. */
const HEAD_LIMITS = { maxBytes: 64 * 1024, maxFields: 256 } as const;

interface Waiting {
  readonly grant: (fault: Fault | undefined) => void;
  readonly timer: NodeJS.Timeout;
}

export class NodeLink {
  readonly name: string;
  readonly #options: LinkOptions;
  readonly #clock: Clock;
  readonly #idle: Socket[] = [];
  readonly #queue = new Set<Waiting>();
  /** Scanners between two answers: each holds 6 KB of lists that need not be made for every request. */
  readonly #scanners: HeadScanner[] = [];
  #inFlight = 0;
  #failures = 0;
  #avoidUntilMs = 0;
  #closed = false;

  constructor(name: string, options: LinkOptions, clock: Clock) {
    this.name = name;
    this.#options = options;
    this.#clock = clock;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get queued(): number {
    return this.#queue.size;
  }

  get full(): boolean {
    return this.#inFlight >= this.#options.maxRequests;
  }

  /** Whether the walk should pass it over for now. */
  get avoided(): boolean {
    return this.#avoidUntilMs > this.#clock.monoMs();
  }

  succeeded(): void {
    this.#failures = 0;
    this.#avoidUntilMs = 0;
  }

  failed(): void {
    // A node that dies takes all its requests with it: that is one piece of news, and no reason to stay away for longer.
    if (this.avoided) return;
    this.#avoidUntilMs = this.#clock.monoMs() + Math.min(LONGEST_AVOID_MS, FIRST_AVOID_MS * 2 ** Math.min(10, this.#failures));
    this.#failures += 1;
  }

  /**
   * Asks for a slot. `grant` is called once, at once when there is one. The returned function takes the question back.
   * @param admitted the request has waited for another one's answer: it may stand in a queue that is full for newcomers
   */
  acquire(grant: (fault: Fault | undefined) => void, admitted = false): () => void {
    if (!this.full) {
      this.#inFlight += 1;
      grant(undefined);
      return () => {};
    }
    if (!admitted && this.#queue.size >= this.#options.queueMax) {
      grant(new Fault('DECKLE_QUEUE_FULL'));
      return () => {};
    }
    const waiting: Waiting = {
      grant,
      timer: setTimeout(() => {
        this.#queue.delete(waiting);
        grant(new Fault('DECKLE_QUEUE_TIMEOUT'));
      }, this.#options.queueMs),
    };
    this.#queue.add(waiting);
    return () => {
      clearTimeout(waiting.timer);
      this.#queue.delete(waiting);
    };
  }

  /** Gives a slot back; the longest waiting request gets it. */
  release(): void {
    const next = this.#queue.values().next();
    if (next.done === true) {
      this.#inFlight -= 1;
      return;
    }
    this.#queue.delete(next.value);
    clearTimeout(next.value.timer);
    next.value.grant(undefined);
  }

  /** A scanner for one answer, to be given back. */
  borrowScanner(): HeadScanner {
    return this.#scanners.pop() ?? new HeadScanner('response', HEAD_LIMITS);
  }

  returnScanner(scanner: HeadScanner): void {
    scanner.reset();
    if (this.#scanners.length < MAX_IDLE) this.#scanners.push(scanner);
  }

  /** A kept socket, or undefined. */
  takeIdle(): Socket | undefined {
    for (;;) {
      const socket = this.#idle.pop();
      if (socket === undefined) return undefined;
      socket.setTimeout(0);
      socket.removeAllListeners();
      if (!socket.destroyed && socket.readyState === 'open') return socket;
      socket.on('error', () => {});
      socket.destroy();
    }
  }

  /** A new socket; `done` once: connected, or why not. */
  dial(done: (socket: Socket | undefined) => void): Socket {
    const socket = connect({ host: this.#options.host, port: this.#options.port, noDelay: true });
    let settled = false;
    const settle = (good: boolean) => {
      if (settled) return;
      settled = true;
      socket.setTimeout(0);
      socket.removeAllListeners();
      if (!good) {
        socket.on('error', () => {});
        socket.destroy();
      }
      done(good ? socket : undefined);
    };
    socket.setTimeout(this.#options.connectMs);
    socket.once('connect', () => settle(true));
    socket.once('error', () => settle(false));
    // After a busy spell of ours the timer fires before the news of the connection is read: that is let in first.
    socket.once('timeout', () => setImmediate(() => settle(false)));
    return socket;
  }

  /** Keeps a socket whose answer ended cleanly. */
  keep(socket: Socket): void {
    socket.removeAllListeners();
    const drop = () => {
      socket.destroy();
      const at = this.#idle.indexOf(socket);
      if (at >= 0) this.#idle.splice(at, 1);
    };
    if (this.#closed || this.#idle.length >= MAX_IDLE || socket.destroyed) {
      socket.on('error', () => {});
      socket.destroy();
      return;
    }
    // Whatever an idle socket says is not an answer to anything.
    socket.once('data', drop);
    socket.once('end', drop);
    socket.once('close', drop);
    socket.on('error', drop);
    socket.setTimeout(this.#options.idleMs, drop);
    socket.resume();
    this.#idle.push(socket);
  }

  close(): void {
    this.#closed = true;
    for (const socket of this.#idle.splice(0)) socket.destroy();
  }
}
