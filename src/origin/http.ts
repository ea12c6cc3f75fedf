// An origin behind HTTP: a list of urls that hold the same images, each with a bounded number of kept connections.
// Promises: the urls are asked in their order; the next one only when no byte of an answer has come and no answer was waited
// for in vain; at most `connections` to a url, the last used first; who waits for one waits in a bounded line, first come first
// served; a connection that an origin closed while it lay idle costs a fresh one, not a try.
// Refuses: to follow a redirect, to ask again after a byte, to send hop-by-hop fields.

import type { Clock } from '../base/clock.ts';
import { Fault } from '../base/fault.ts';
import type { Ms } from '../base/units.ts';
import { type HeaderList, HOP_BY_HOP } from '../wire/headers.ts';
import { Connection, type ConnectionAnswer, type Question } from './connection.ts';
import { dial, type Endpoint } from './dial.ts';
import { Gate, type QueueLimits } from './gate.ts';
import type { Origin, OriginAnswer, OriginCounts, OriginRequest } from './origin.ts';

export interface HttpOriginOptions {
  readonly name: string;
  /** http or https origins (scheme, host, port; a path is not used), at least one; asked in this order. */
  readonly urls: readonly string[];
  /** The Host sent: undefined the url's own, `client` the client's, else this text. */
  readonly host: 'client' | (string & {}) | undefined;
  /** Sent with every request, in place of what the request brings under these names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: {
    readonly verify: boolean;
    /** PEM text of the authorities to trust instead of the usual ones. */
    readonly ca?: string | undefined;
  };
  /** To each url, at most. */
  readonly connections: number;
  /** Requests that wait for a connection to a url. */
  readonly queue: QueueLimits;
  readonly timeouts: {
    /** Until a connection stands, TLS included. */
    readonly connectMs: Ms;
    /** From the request to the whole head of the answer. */
    readonly firstByteMs: Ms;
    /** Between two parts of the body, while they are waited for. */
    readonly betweenBytesMs: Ms;
  };
  /** Further tries after a connection that failed, or that broke before the first byte. */
  readonly retries: number;
}

interface Lane {
  readonly endpoint: Endpoint;
  readonly gate: Gate;
  readonly all: Set<Connection>;
  /** The last used is the last. */
  readonly idle: { readonly connection: Connection; readonly untilMs: Ms }[];
}

/** Not sent on: what belongs to a connection, what this origin writes itself, and what a GET without body cannot mean. */
const NOT_SENT: ReadonlySet<string> = new Set([...HOP_BY_HOP, 'host', 'content-length', 'expect']);

export function createHttpOrigin(options: HttpOriginOptions, clock: Clock): Origin {
  return new HttpOrigin(options, clock);
}

class HttpOrigin implements Origin {
  readonly name: string;
  readonly #options: HttpOriginOptions;
  readonly #clock: Clock;
  readonly #lanes: readonly Lane[];
  readonly #own: HeaderList;
  readonly #ownNames: ReadonlySet<string>;
  readonly #running = new Set<AbortController>();
  #closed = false;

  constructor(options: HttpOriginOptions, clock: Clock) {
    if (options.urls.length === 0) throw new Error('an origin needs a url');
    this.name = options.name;
    this.#options = options;
    this.#clock = clock;
    this.#lanes = options.urls.map((url) => ({
      endpoint: { url: new URL(url), verify: options.tls.verify, ca: options.tls.ca },
      gate: new Gate(options.connections),
      all: new Set(),
      idle: [],
    }));
    const own = Object.entries(options.headers).map(([name, value]) => [name.toLowerCase(), value] as const);
    this.#own = own.filter(([name]) => !NOT_SENT.has(name));
    this.#ownNames = new Set(this.#own.map(([name]) => name));
  }

  counts(): OriginCounts {
    let busy = 0;
    let waiting = 0;
    for (const lane of this.#lanes) {
      busy += lane.gate.inside;
      waiting += lane.gate.waiting;
    }
    return { busy, waiting };
  }

  async fetch(request: OriginRequest, signal: AbortSignal): Promise<OriginAnswer> {
    if (this.#closed) return { kind: 'failed', fault: new Fault('DECKLE_STOPPING') };
    const attempt = new AbortController();
    const giveUp = (): void => attempt.abort();
    if (signal.aborted) giveUp();
    signal.addEventListener('abort', giveUp, { once: true });
    this.#running.add(attempt);
    try {
      const answer = await this.#tryUrls(this.#question(request), attempt.signal);
      if (answer.kind === 'answer') return answer;
      return { kind: 'failed', fault: this.#closed ? new Fault('DECKLE_STOPPING') : answer.fault };
    } finally {
      signal.removeEventListener('abort', giveUp);
      this.#running.delete(attempt);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const attempt of this.#running) attempt.abort();
    const closing: Promise<void>[] = [];
    for (const lane of this.#lanes) {
      lane.gate.close();
      for (const connection of [...lane.all]) closing.push(connection.destroy(new Fault('DECKLE_STOPPING')));
    }
    await Promise.all(closing);
  }

  /** Url after url, while no byte of an answer has come, nothing was waited for in vain and tries are left. */
  async #tryUrls(question: Question, signal: AbortSignal): Promise<OriginAnswer> {
    const unreachable = new Set<Lane>();
    let triesLeft = this.#options.retries;
    let idleMayServe = true;
    let next = 0;
    for (;;) {
      const lane = this.#lanes[next] as Lane;
      const answer = await this.#tryLane(lane, question, idleMayServe, signal);
      switch (answer.kind) {
        case 'answer':
          return answer;
        case 'gone-idle':
          // RFC 9112 §9.3.1: "connections can be closed at any time"; this one was, before the request: nobody has failed.
          idleMayServe = false;
          continue;
        case 'failed':
          if (!answer.again || triesLeft === 0 || signal.aborted) return { kind: 'failed', fault: answer.fault };
          if (answer.unreachable) unreachable.add(lane);
          if (unreachable.size === this.#lanes.length) return { kind: 'failed', fault: answer.fault };
      }
      triesLeft -= 1;
      do next = (next + 1) % this.#lanes.length;
      while (unreachable.has(this.#lanes[next] as Lane));
    }
  }

  async #tryLane(
    lane: Lane,
    question: Question,
    idleMayServe: boolean,
    signal: AbortSignal,
  ): Promise<
    | Extract<ConnectionAnswer, { kind: 'answer' }>
    | { readonly kind: 'failed'; readonly fault: Fault; readonly again: boolean; readonly unreachable: boolean }
    | { readonly kind: 'gone-idle' }
  > {
    const shut = await lane.gate.enter(this.#options.queue, signal);
    if (shut !== undefined) return { kind: 'failed', fault: shut, again: false, unreachable: false };
    const kept = idleMayServe ? await this.#takeIdle(lane) : undefined;
    const opened = kept ?? (await this.#open(lane, signal));
    if (opened instanceof Fault) {
      lane.gate.leave();
      // Nothing was asked yet: a connection that cannot be made in time is a failed connection, not an answer that stays out.
      return { kind: 'failed', fault: opened, again: opened.code !== 'DECKLE_ORIGIN_BROKEN', unreachable: true };
    }
    opened.onDead = () => {
      lane.all.delete(opened);
      lane.gate.leave();
    };
    const answer = await opened.ask(question, signal, (keepMs) => this.#keep(lane, opened, keepMs));
    if (answer.kind === 'answer') return answer;
    const again = answer.silent && answer.fault.code === 'DECKLE_ORIGIN_RESET' && !signal.aborted;
    if (again && kept !== undefined) return { kind: 'gone-idle' };
    return { kind: 'failed', fault: answer.fault, again, unreachable: false };
  }

  async #takeIdle(lane: Lane): Promise<Connection | undefined> {
    for (;;) {
      const last = lane.idle.pop();
      if (last === undefined) return undefined;
      const { connection } = last;
      // Nothing may have come since the last answer; what the kernel holds already is seen before the next turn.
      await new Promise((resolve) => setImmediate(resolve));
      if (connection.usable && this.#clock.monoMs() < last.untilMs) return connection;
      void connection.destroy(new Fault('DECKLE_ORIGIN_RESET', 'idle for too long'));
    }
  }

  async #open(lane: Lane, signal: AbortSignal): Promise<Connection | Fault> {
    // Slots bound what is busy; with what is idle on top the url would see more connections than it was promised.
    while (lane.idle.length > 0 && lane.gate.inside + lane.idle.length > this.#options.connections) {
      void lane.idle.shift()?.connection.destroy(new Fault('DECKLE_ORIGIN_RESET', 'replaced'));
    }
    const socket = await dial(lane.endpoint, this.#options.timeouts.connectMs, signal);
    if (socket instanceof Fault) return socket;
    const connection = new Connection(lane.endpoint.url, socket);
    lane.all.add(connection);
    return connection;
  }

  #keep(lane: Lane, connection: Connection, keepMs: Ms): void {
    const entry = { connection, untilMs: this.#clock.monoMs() + keepMs };
    connection.onDead = () => {
      lane.all.delete(connection);
      const at = lane.idle.indexOf(entry);
      if (at !== -1) lane.idle.splice(at, 1);
    };
    if (this.#closed || keepMs <= 0) void connection.destroy(new Fault('DECKLE_ORIGIN_RESET', 'not kept'));
    else lane.idle.push(entry);
    lane.gate.leave();
  }

  #question(request: OriginRequest): Question {
    const { host, timeouts } = this.#options;
    const fields: string[] = [];
    if (host !== undefined) fields.push('host', host === 'client' ? request.clientHost : host);
    const given = request.headers.filter(([name]) => !NOT_SENT.has(name) && !this.#ownNames.has(name));
    const sent = [...given, ...this.#own];
    for (const [name, value] of sent) fields.push(name, value);
    if (!sent.some(([name]) => name === 'accept-encoding')) fields.push('accept-encoding', 'identity');
    return { path: request.target, fields, firstByteMs: timeouts.firstByteMs, betweenBytesMs: timeouts.betweenBytesMs };
  }
}
