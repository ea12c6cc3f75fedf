// Who reads the bytes of a connection: node:http, and the lane. Both over sockets in memory, so that a million are affordable.
// Promises: what is heard of a connection stands in its `heard`, in order, as soon as the bytes are in (the lane) or after the next
// turn of the loop (node:http); a connection that has been ended counts as open until its reader has let go of it.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { Connection, type ConnectionLimits } from '../../src/wire/connection.ts';
import type { HeadScanner } from '../../src/wire/scanner.ts';

export interface Reading {
  readonly method: string;
  readonly target: string;
  /** Names in lower case. */
  readonly pairs: readonly (readonly [string, string])[];
}

export function readingOf(head: HeadScanner): Reading {
  return { method: head.method, target: head.target, pairs: head.pairs() };
}

/** What of node:net's socket the two readers use. */
class MemorySocket extends Duplex {
  readonly heard: (Reading | string)[] = [];
  bytesWritten = 0;

  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.bytesWritten += chunk.length;
    done();
  }
  setTimeout(): this {
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  resetAndDestroy(): this {
    return this.destroy();
  }
}

/** node:http as it is, with the strict Host rule off: that one is the scanner's. */
export class HttpReader {
  readonly #server: Server;

  constructor() {
    this.#server = createServer({ requireHostHeader: false, connectionsCheckingInterval: 1 << 30, maxHeaderSize: 16_384 });
    const note = (request: IncomingMessage, response: ServerResponse) => {
      (request.socket as unknown as MemorySocket).heard.push(fromHttp(request));
      request.resume();
      response.end();
    };
    this.#server.on('request', note);
    this.#server.on('checkContinue', note);
    this.#server.on('checkExpectation', note);
    this.#server.on('clientError', (error: Error & { code?: string }, socket) => {
      (socket as unknown as MemorySocket).heard.push(error.code ?? error.message);
    });
  }

  /** What comes of it is there after a turn of the loop. */
  read(bytes: Buffer): MemorySocket {
    const socket = new MemorySocket();
    this.#server.emit('connection', socket);
    socket.push(bytes);
    return socket;
  }

  close(): void {
    this.#server.close();
  }
}

function fromHttp(request: IncomingMessage): Reading {
  const pairs: [string, string][] = [];
  for (let at = 0; at < request.rawHeaders.length; at += 2)
    pairs.push([request.rawHeaders[at]!.toLowerCase(), request.rawHeaders[at + 1]!]);
  return { method: request.method ?? '', target: request.url ?? '', pairs };
}

/** The lane: a connection of ours, with a story that answers everything at once. */
export class LaneReader {
  readonly #limits: ConnectionLimits;
  readonly defects: unknown[] = [];
  /** Connections that the lane has not let go of. */
  open = 0;

  constructor(head: { readonly maxBytes: number; readonly maxFields: number }) {
    this.#limits = {
      headBytes: head.maxBytes,
      headFields: head.maxFields,
      bodyBytes: 1 << 20,
      headMs: 60_000,
      idleMs: 60_000,
      sendMs: 60_000,
    };
  }

  /** Pieces come one by one, as a socket gives them. */
  async read(pieces: readonly Buffer[]): Promise<MemorySocket> {
    const socket = new MemorySocket();
    this.open += 1;
    new Connection(
      socket as unknown as Socket,
      '127.0.0.1',
      this.#limits,
      {
        request: (x) => {
          socket.heard.push(readingOf(x.head));
          x.reply.whole(200, 'Content-Length: 0\r\n', undefined);
        },
        refused: (x, fault) => x.reply.whole(fault.status, 'Content-Length: 0\r\n', undefined),
        closed: () => {
          this.open -= 1;
        },
        defect: (error) => this.defects.push(error),
      },
      () => 0,
    );
    // From the next turn on the socket flows, and a piece is read as it is pushed.
    await undefined;
    for (const piece of pieces) if (!socket.destroyed) socket.push(piece);
    return socket;
  }
}
