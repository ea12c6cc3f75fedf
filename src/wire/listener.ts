// A listening socket whose connections speak through wire/connection.ts.
// Promises: bounded connections; one sweep for all deadlines instead of a timer each; close() lets requests at hand finish.

import { createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import type { Clock } from '../base/clock.ts';
import type { Fault } from '../base/fault.ts';
import type { Ms } from '../base/units.ts';
import { Connection, type ConnectionLimits, type Exchange } from './connection.ts';
import { SLICE_BYTES } from './reply.ts';

export interface ListenerLimits extends ConnectionLimits {
  readonly connections: number;
}

export interface ListenerEvents {
  request(exchange: Exchange): void;
  refused(exchange: Exchange, fault: Fault): void;
  /** A connection over the limit was turned away. */
  overflow(): void;
}

const SWEEP_MS: Ms = 250;

export class Listener {
  readonly #server: Server;
  readonly #limits: ListenerLimits;
  readonly #events: ListenerEvents;
  readonly #clock: Clock;
  readonly #connections = new Set<Connection>();
  readonly #sweep: NodeJS.Timeout;
  readonly #overflowText: string;
  #closing: (() => void) | undefined;

  /** @param overflowText the whole answer, head and body, for a connection over the limit */
  constructor(limits: ListenerLimits, events: ListenerEvents, clock: Clock, overflowText: string) {
    this.#limits = limits;
    this.#events = events;
    this.#clock = clock;
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
    this.#server.close();
    return new Promise((resolve) => {
      this.#closing = resolve;
      for (const connection of this.#connections) connection.drain();
      this.#checkClosed();
    });
  }

  /** Ends every connection at once. */
  destroy(): void {
    for (const connection of this.#connections) connection.destroy();
    clearInterval(this.#sweep);
  }

  #accept(socket: Socket): void {
    if (this.#connections.size >= this.#limits.connections) {
      socket.on('error', () => {});
      this.#events.overflow();
      socket.end(this.#overflowText, 'latin1', () => socket.destroy());
      return;
    }
    const connection = new Connection(
      socket,
      this.#limits,
      {
        request: this.#events.request,
        refused: this.#events.refused,
        closed: (gone) => {
          this.#connections.delete(gone);
          this.#checkClosed();
        },
      },
      () => this.#clock.monoMs(),
    );
    this.#connections.add(connection);
    if (this.#closing !== undefined) connection.drain();
  }

  #expire(): void {
    const now = this.#clock.monoMs();
    for (const connection of this.#connections) if (!connection.busy && connection.deadlineMs < now) connection.expire();
  }

  #checkClosed(): void {
    if (this.#closing === undefined || this.#connections.size > 0) return;
    clearInterval(this.#sweep);
    const resolve = this.#closing;
    this.#closing = undefined;
    resolve();
  }
}
