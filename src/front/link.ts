// The way from a front to one node: kept-alive HTTP/1.1 connections, slots, a bounded queue for a slot, and what is known of its health.
// Promises: never more than `maxRequests` at a time; a waiting request leaves after `queueMs`; a connection is used again only after
// an answer that ended where it said, with nothing behind it; requests that fail together are one failure of the node; one sweep for
// all deadlines, so that each is kept to within SWEEP_MS. A node that is silent while a request waits is asked whether it lives.
// Knows nothing of rings and sites.

import type { Clock } from '../base/clock.ts';
import { Fault } from '../base/fault.ts';
import type { Ms } from '../base/units.ts';
import { NodeSocket, type SocketHome } from './node-socket.ts';
import { probe } from './probe.ts';
import type { QuickReader } from './quick.ts';
import { NodeWatch } from './watch.ts';

export interface LinkOptions {
  readonly host: string;
  readonly port: number;
  readonly maxRequests: number;
  readonly queueMax: number;
  readonly queueMs: Ms;
  readonly connectMs: Ms;
  /** An idle connection is closed after this; shorter than the node's own idle timeout. */
  readonly idleMs: Ms;
  /** What quick answers of this node are known by (quick.ts); without it there are none. */
  readonly quick?: QuickReader | undefined;
  /** The path that is asked whether the node lives; without one it is never asked. */
  readonly check?: string | false;
}

/** A request that asks for a slot. */
export interface SlotUser {
  /** Called once: it has a slot, or why not. */
  granted(fault: Fault | undefined): void;
  /** The node does not live. */
  lost(): void;
}

/** A node that failed is passed over for this long, doubled with each further failure up to the second figure. */
const FIRST_AVOID_MS: Ms = 100;
const LONGEST_AVOID_MS: Ms = 2_000;
/** Each holds a buffer of 64 KB. */
const MAX_IDLE = 128;
const SWEEP_MS: Ms = 100;
/** A node that lives says 102 within 100 ms of a question. */
const SILENT_MS: Ms = 300;
/** With the silence before it and a sweep between: a request that met a frozen node is at the next one within 0.9 s. */
const PROBE_MS: Ms = 400;

export class NodeLink implements SocketHome {
  readonly name: string;
  readonly #options: LinkOptions;
  readonly #clock: Clock;
  readonly #watch: NodeWatch;
  readonly #sockets = new Set<NodeSocket>();
  /** Those that wait for a request, the one used last at the end. */
  readonly #idle: NodeSocket[] = [];
  /** Those that wait for a slot, with the time since when. */
  readonly #queue = new Map<SlotUser, Ms>();
  #sweep: NodeJS.Timeout | undefined;
  #inFlight = 0;
  #failures = 0;
  #avoidUntilMs = 0;
  /** When the node last did something that takes a living one: a head, or an answer to a probe. */
  #heardMs = 0;
  #closed = false;

  /** The last answer came from a node of deckle that knows us for its front: it needs no more of a request than `RequestHeads.lean`. */
  speaksDeckle = false;

  constructor(name: string, options: LinkOptions, clock: Clock) {
    this.name = name;
    this.#options = options;
    this.#clock = clock;
    const { host, port, check: path } = options;
    const ask =
      path === undefined || path === false
        ? undefined
        : (done: Parameters<typeof probe>[1]) =>
            probe({ host, port, path, timeoutMs: PROBE_MS }, (verdict) => {
              if (verdict.alive) this.#heardMs = this.nowMs();
              done(verdict);
            });
    this.#watch = new NodeWatch(ask, { lost: () => this.#lost(), found: () => this.succeeded() });
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
    return this.#watch.lost || (this.#avoidUntilMs !== 0 && this.#avoidUntilMs > this.#clock.monoMs());
  }

  nowMs(): Ms {
    return this.#clock.monoMs();
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
   * Asks for a slot, which may be granted at once.
   * @param admitted the request has waited for another one's answer: it may stand in a queue that is full for newcomers
   */
  acquire(user: SlotUser, admitted = false): void {
    if (!this.full) {
      this.#inFlight += 1;
      user.granted(undefined);
    } else if (!admitted && this.#queue.size >= this.#options.queueMax) user.granted(new Fault('DECKLE_QUEUE_FULL'));
    else {
      this.#queue.set(user, this.nowMs());
      this.#watchTime();
    }
  }

  /** Takes the question for a slot back. */
  leave(user: SlotUser): void {
    this.#queue.delete(user);
  }

  /** Gives a slot back; the longest waiting request gets it. */
  release(): void {
    if (this.#queue.size === 0) {
      this.#inFlight -= 1;
      return;
    }
    const [next] = this.#queue.keys();
    this.#queue.delete(next!);
    next!.granted(undefined);
  }

  /** A connection for one request: the kept one that was used last, or a new one. */
  connection(): NodeSocket {
    return this.#idle.pop() ?? this.dial();
  }

  /** A new connection, not yet standing. */
  dial(): NodeSocket {
    const socket = new NodeSocket(this.#options, this);
    this.#sockets.add(socket);
    this.#watchTime();
    return socket;
  }

  /** Keeps a connection whose answer ended cleanly. */
  keep(socket: NodeSocket): void {
    if (this.#closed || this.#idle.length >= MAX_IDLE) socket.drop();
    else if (!socket.closed) this.#idle.push(socket);
  }

  /** A head came. */
  heard(): void {
    this.#heardMs = this.nowMs();
    this.#watch.heard();
  }

  gone(socket: NodeSocket): void {
    this.#sockets.delete(socket);
    const at = this.#idle.indexOf(socket);
    if (at >= 0) this.#idle.splice(at, 1);
  }

  close(): void {
    this.#closed = true;
    this.#watch.close();
    for (const socket of this.#idle.splice(0)) socket.drop();
  }

  #watchTime(): void {
    // After a busy spell of ours timers come before news from the sockets: these are let in first.
    this.#sweep ??= setInterval(() => setImmediate(() => this.#expire()), SWEEP_MS);
  }

  #expire(): void {
    const now = this.nowMs();
    for (const [user, sinceMs] of this.#queue) {
      if (now - sinceMs < this.#options.queueMs) break;
      this.#queue.delete(user);
      user.granted(new Fault('DECKLE_QUEUE_TIMEOUT'));
    }
    let heardMs = Number.POSITIVE_INFINITY;
    for (const socket of this.#sockets) {
      if (socket.deadlineMs <= now) socket.expire();
      else if (socket.expects && socket.heardMs < heardMs) heardMs = socket.heardMs;
    }
    if (now - Math.max(heardMs, this.#heardMs) >= SILENT_MS) this.#watch.suspect();
    if (this.#queue.size > 0 || this.#sockets.size > 0) return;
    clearInterval(this.#sweep);
    this.#sweep = undefined;
  }

  // Whoever can go elsewhere goes.
  #lost(): void {
    for (const user of [...this.#queue.keys()]) user.lost();
    for (const socket of [...this.#sockets]) socket.lost();
  }
}
