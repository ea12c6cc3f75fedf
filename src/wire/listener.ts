// A listening socket whose connections speak through wire/connection.ts, behind a PROXY header and TLS where it is told so.
// Promises: bounded connections (those that still shake hands count), and those turned away are bounded too; one sweep for all
// deadlines instead of a timer each; close() lets requests at hand finish; a handler that throws is told to `defect`, or to the
// process as a warning.

import { createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import type { Clock } from '../base/clock.ts';
import type { Fault } from '../base/fault.ts';
import type { Bytes, Ms } from '../base/units.ts';
import { Connection, type ConnectionEvents, type ConnectionLimits, type Exchange, LINGER_MS } from './connection.ts';
import { Greeter, type GreetingStep, type Greetings } from './greeting.ts';
import { acceptLean } from './lean-socket.ts';
import { SLICE_BYTES } from './reply.ts';
import type { CertificateTable } from './tls.ts';

export interface ListenerLimits extends ConnectionLimits {
  readonly connections: number;
}

export interface ListenerEvents {
  request(exchange: Exchange): void;
  refused(exchange: Exchange, fault: Fault): void;
  /** A connection over the limit was turned away. */
  overflow(): void;
  /** A client was cut before HTTP, in a PROXY header or a TLS handshake that was wrong, late or broken off. */
  unwelcome?(step: GreetingStep): void;
  /** A handler threw; its connection was dealt with. */
  defect?(error: unknown): void;
}

const SWEEP_MS: Ms = 250;
/** What a socket may hold of an answer before its client is waited for. */
const HIGH_WATER_BYTES: Bytes = 2 * SLICE_BYTES;
/** Connections that one turn of the loop may cut: when thousands are late together, others must not wait for all of them. */
const MOST_CUT_A_TURN = 32;
/** Connections over the limit that may be waited for at once until they have read so; further ones are closed without a word. */
const MOST_TURNED_AWAY = 256;

export class Listener {
  readonly #server: Server;
  readonly #limits: ListenerLimits;
  readonly #events: ListenerEvents;
  readonly #clock: Clock;
  readonly #nowMs: () => Ms;
  readonly #ofConnections: ConnectionEvents;
  readonly #connections = new Set<Connection>();
  /** undefined: a connection begins with HTTP. */
  readonly #greeter: Greeter | undefined;
  /** With the time at which they are cut. */
  readonly #turnedAway = new Map<Socket, Ms>();
  readonly #sweep: NodeJS.Timeout;
  readonly #overflowText: string;
  #closing: PromiseWithResolvers<void> | undefined;

  /**
   * @param overflowText the whole answer, head and body, for a connection over the limit
   * @param greetings    what comes before HTTP
   */
  constructor(
    limits: ListenerLimits,
    events: ListenerEvents,
    clock: Clock,
    overflowText: string,
    greetings: Greetings = { proxyProtocol: false, certificates: undefined },
  ) {
    this.#limits = limits;
    this.#events = events;
    this.#clock = clock;
    this.#nowMs = () => this.#clock.monoMs();
    this.#ofConnections = {
      request: events.request,
      refused: events.refused,
      closed: (connection) => {
        this.#connections.delete(connection);
        this.#checkClosed();
      },
      defect: (error) => {
        if (events.defect !== undefined) events.defect(error);
        else process.emitWarning(error instanceof Error ? (error.stack ?? error.message) : String(error), 'DeckleDefect');
      },
    };
    this.#overflowText = overflowText;
    if (greetings.proxyProtocol || greetings.certificates !== undefined) {
      this.#greeter = new Greeter(greetings, limits.headMs, {
        greeted: (socket, address) => this.#connect(socket, address),
        failed: (step) => events.unwelcome?.(step),
        left: () => this.#checkClosed(),
      });
    }
    this.#server = createServer({ allowHalfOpen: true, noDelay: true, highWaterMark: HIGH_WATER_BYTES }, (socket) =>
      this.#accept(socket),
    );
    this.#sweep = setInterval(() => this.#expire(), SWEEP_MS);
    this.#sweep.unref();
  }

  get connections(): number {
    return this.#connections.size + (this.#greeter?.count ?? 0);
  }

  /** For TLS handshakes from now on; connections that stand are left alone. */
  certify(certificates: CertificateTable): void {
    this.#greeter?.certify(certificates);
  }

  /** Listens on an address, or on a socket that was handed over. Rejects with the system's error. */
  listen(where: ListenOptions | { readonly handle: object }): Promise<{ readonly port: number }> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen('handle' in where ? where.handle : { ...where, backlog: 4096 }, () => {
        this.#server.off('error', reject);
        this.#server.on('error', () => {});
        // What comes before HTTP may have to be put back into a socket: a lean one has no place for that.
        if (this.#greeter === undefined) acceptLean(this.#server, HIGH_WATER_BYTES, (socket) => this.#accept(socket));
        const address = this.#server.address();
        resolve({ port: typeof address === 'object' && address !== null ? address.port : 0 });
      });
    });
  }

  /** Stops accepting; resolves when the last connection is gone. Idle connections end now, busy ones after their answer. */
  close(): Promise<void> {
    if (this.#closing !== undefined) return this.#closing.promise;
    this.#closing = Promise.withResolvers();
    this.#server.close();
    for (const socket of this.#turnedAway.keys()) socket.destroy();
    for (const connection of this.#connections) connection.drain();
    this.#checkClosed();
    return this.#closing.promise;
  }

  /** Stops accepting and ends every connection at once. */
  destroy(): void {
    this.#server.close();
    for (const socket of this.#turnedAway.keys()) socket.destroy();
    this.#greeter?.destroy();
    for (const connection of this.#connections) connection.destroy();
    clearInterval(this.#sweep);
  }

  #accept(socket: Socket): void {
    if (this.connections >= this.#limits.connections) {
      this.#events.overflow();
      this.#turnAway(socket);
      return;
    }
    if (this.#greeter === undefined) this.#connect(socket, socket.remoteAddress ?? '');
    else this.#greeter.greet(socket, this.#nowMs());
  }

  #connect(socket: Socket, address: string): void {
    const connection = new Connection(socket, address, this.#limits, this.#ofConnections, this.#nowMs);
    this.#connections.add(connection);
    if (this.#closing !== undefined) connection.drain();
  }

  // The request that is on its way must be read, or closing resets the connection and eats the answer.
  #turnAway(socket: Socket): void {
    socket.on('error', () => {});
    // The words of a full house are not TLS: a handshake for the sake of a 503 is what there is no room for.
    const speaksTls = this.#greeter?.isSecure === true;
    if (speaksTls || this.#closing !== undefined || this.#turnedAway.size >= MOST_TURNED_AWAY) {
      socket.destroy();
      return;
    }
    this.#turnedAway.set(socket, this.#nowMs() + LINGER_MS);
    socket.on('close', () => this.#turnedAway.delete(socket));
    socket.resume();
    socket.end(this.#overflowText, 'latin1');
  }

  #expire(): void {
    const now = this.#nowMs();
    this.#greeter?.expire(now);
    for (const [socket, deadlineMs] of this.#turnedAway) if (deadlineMs < now) socket.destroy();
    const late: Connection[] = [];
    for (const connection of this.#connections) if (connection.deadlineMs < now) late.push(connection);
    this.#cut(late, 0);
  }

  #cut(late: readonly Connection[], from: number): void {
    const now = this.#nowMs();
    const to = Math.min(late.length, from + MOST_CUT_A_TURN);
    // A client may have asked for something while it waited for its end.
    for (let at = from; at < to; at += 1) if (late[at]!.deadlineMs < now) late[at]!.expire();
    if (to < late.length) setImmediate(() => this.#cut(late, to));
  }

  #checkClosed(): void {
    if (this.#closing === undefined || this.connections > 0) return;
    clearInterval(this.#sweep);
    this.#closing.resolve();
  }
}
