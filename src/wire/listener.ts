// A listening socket whose connections speak through wire/connection.ts.
// Promises: bounded connections, and those turned away are bounded too; one sweep for all deadlines instead of a timer each;
// close() lets requests at hand finish; a handler that throws is told to `defect`, or to the process as a warning.

import { createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import type { Clock } from '../base/clock.ts';
import type { Fault } from '../base/fault.ts';
import type { Ms } from '../base/units.ts';
import { Connection, type ConnectionEvents, type ConnectionLimits, type Exchange, LINGER_MS } from './connection.ts';
import { SLICE_BYTES } from './reply.ts';

export interface ListenerLimits extends ConnectionLimits {
  readonly connections: number;
}

export interface ListenerEvents {
  request(exchange: Exchange): void;
  refused(exchange: Exchange, fault: Fault): void;
  /** A connection over the limit was turned away. */
  overflow(): void;
  /** A handler threw; its connection was dealt with. */
  defect?(error: unknown): void;
}

const SWEEP_MS: Ms = 250;
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
  /** With the time at which they are cut. */
  readonly #turnedAway = new Map<Socket, Ms>();
  readonly #sweep: NodeJS.Timeout;
  readonly #overflowText: string;
  #closing: PromiseWithResolvers<void> | undefined;

  /** @param overflowText the whole answer, head and body, for a connection over the limit */
  constructor(limits: ListenerLimits, events: ListenerEvents, clock: Clock, overflowText: string) {
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
    this.#server = createServer({ allowHalfOpen: true, noDelay: true, highWaterMark: 2 * SLICE_BYTES }, (socket) =>
      this.#accept(socket),
    );
    this.#sweep = setInterval(() => this.#expire(), SWEEP_MS);
    this.#sweep.unref();
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** Listens on an address, or on a socket that was handed over. Rejects with the system's error. */
  listen(where: ListenOptions | { readonly handle: object }): Promise<{ readonly port: number }> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen('handle' in where ? where.handle : { ...where, backlog: 4096 }, () => {
        this.#server.off('error', reject);
        this.#server.on('error', () => {});
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
    for (const connection of this.#connections) connection.destroy();
    clearInterval(this.#sweep);
  }

  #accept(socket: Socket): void {
    if (this.#connections.size >= this.#limits.connections) {
      this.#events.overflow();
      this.#turnAway(socket);
      return;
    }
    const connection = new Connection(socket, this.#limits, this.#ofConnections, this.#nowMs);
    this.#connections.add(connection);
    if (this.#closing !== undefined) connection.drain();
  }

  // The request that is on its way must be read, or closing resets the connection and eats the answer.
  #turnAway(socket: Socket): void {
    socket.on('error', () => {});
    if (this.#closing !== undefined || this.#turnedAway.size >= MOST_TURNED_AWAY) {
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
    for (const connection of this.#connections) if (connection.deadlineMs < now) connection.expire();
    for (const [socket, deadlineMs] of this.#turnedAway) if (deadlineMs < now) socket.destroy();
  }

  #checkClosed(): void {
    if (this.#closing === undefined || this.#connections.size > 0) return;
    clearInterval(this.#sweep);
    this.#closing.resolve();
  }
}
