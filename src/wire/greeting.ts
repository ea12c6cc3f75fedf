// What comes on a connection before HTTP: the PROXY header of a balancer, then the TLS handshake, where a listener wants them.
// Promises: both together within one deadline; a socket is handed on with the client's address and with every byte behind them;
// certificates can be exchanged at any time, for handshakes that begin later. A failure costs its connection, nothing else.

import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import type { Ms } from '../base/units.ts';
import { ProxyHeader } from './proxy-protocol.ts';
import type { CertificateTable } from './tls.ts';

export type GreetingStep = 'proxy' | 'tls';

export interface Greetings {
  readonly proxyProtocol: boolean;
  /** undefined: in the clear. */
  readonly certificates: CertificateTable | undefined;
}

export interface GreetingEvents {
  /** @param address the client's */
  greeted(socket: Socket, address: string): void;
  /** A client that had sent something was cut in this step. */
  failed(step: GreetingStep): void;
  /** One less is waited for. */
  left(): void;
}

interface Guest {
  readonly deadlineMs: Ms;
  step: GreetingStep;
  address: string;
  /** In `#securing`. */
  key: string | undefined;
}

/** Deadlines are looked at by the listener's sweep; the timer of each handshake that comes with node:tls is put out of the way. */
const NEVER_MS: Ms = 2 ** 31 - 1;

export class Greeter {
  readonly #proxyProtocol: boolean;
  readonly #events: GreetingEvents;
  readonly #waitMs: Ms;
  readonly #guests = new Map<Socket, Guest>();
  /** Sockets in their handshake by both their ends: what they have in common with the TLS socket that comes out of it. */
  readonly #securing = new Map<string, Socket>();
  #certificates: CertificateTable | undefined;
  readonly #tls: Server | undefined;

  /** @param waitMs for both steps together */
  constructor(greetings: Greetings, waitMs: Ms, events: GreetingEvents) {
    this.#proxyProtocol = greetings.proxyProtocol;
    this.#certificates = greetings.certificates;
    this.#waitMs = waitMs;
    this.#events = events;
    if (greetings.certificates === undefined) return;
    this.#tls = createServer({
      ...greetings.certificates.usual,
      ALPNProtocols: ['http/1.1'],
      handshakeTimeout: NEVER_MS,
      SNICallback: (name, answer) => answer(null, this.#certificates?.find(name)),
    });
    this.#tls.on('secureConnection', (socket) => this.#secured(socket));
    // Its socket is destroyed, and #left counts it.
    this.#tls.on('tlsClientError', () => {});
  }

  get count(): number {
    return this.#guests.size;
  }

  get isSecure(): boolean {
    return this.#tls !== undefined;
  }

  /** For handshakes from now on. */
  certify(certificates: CertificateTable): void {
    if (this.#tls === undefined) return;
    this.#certificates = certificates;
    this.#tls.setSecureContext(certificates.usual);
  }

  greet(socket: Socket, nowMs: Ms): void {
    const guest: Guest = {
      deadlineMs: nowMs + this.#waitMs,
      step: this.#proxyProtocol ? 'proxy' : 'tls',
      address: socket.remoteAddress ?? '',
      key: undefined,
    };
    this.#guests.set(socket, guest);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => this.#left(socket));
    if (this.#proxyProtocol) this.#readHeader(socket, guest);
    else this.#secure(socket, guest);
  }

  expire(nowMs: Ms): void {
    for (const [socket, { deadlineMs }] of this.#guests) if (deadlineMs < nowMs) socket.destroy();
  }

  destroy(): void {
    for (const socket of this.#guests.keys()) socket.destroy();
  }

  #readHeader(socket: Socket, guest: Guest): void {
    const header = new ProxyHeader();
    const cut = () => socket.destroy();
    const take = (bytes: Buffer) => {
      const read = header.read(bytes);
      if (read.kind === 'more') return;
      socket.off('data', take);
      socket.off('end', cut);
      if (read.kind === 'bad') {
        socket.destroy();
        return;
      }
      if (read.source !== undefined) guest.address = read.source;
      // Whoever reads next finds the rest in front of what is still to come.
      socket.pause();
      if (read.rest.length > 0) socket.unshift(read.rest);
      this.#secure(socket, guest);
      if (this.#tls === undefined) socket.resume();
    };
    socket.on('data', take);
    socket.on('end', cut);
  }

  #secure(socket: Socket, guest: Guest): void {
    if (this.#tls === undefined) {
      this.#guests.delete(socket);
      this.#events.greeted(socket, guest.address);
      return;
    }
    guest.step = 'tls';
    guest.key = endsOf(socket);
    if (guest.key === undefined) {
      socket.destroy();
      return;
    }
    this.#securing.set(guest.key, socket);
    // Who leaves in the middle of a handshake wants no answer; the TLS socket takes this over.
    socket.allowHalfOpen = false;
    this.#tls.emit('connection', socket);
  }

  #secured(secured: TLSSocket): void {
    const key = endsOf(secured);
    const socket = key === undefined ? undefined : this.#securing.get(key);
    const guest = socket === undefined ? undefined : this.#guests.get(socket);
    if (key === undefined || socket === undefined || guest === undefined) {
      // Gone while it shook hands: nobody knows any more whom it spoke for.
      secured.destroy();
      return;
    }
    this.#securing.delete(key);
    this.#guests.delete(socket);
    secured.allowHalfOpen = true;
    // Only the socket below can be reset.
    secured.resetAndDestroy = () => {
      socket.resetAndDestroy();
      return secured;
    };
    this.#events.greeted(secured, guest.address);
  }

  #left(socket: Socket): void {
    const guest = this.#guests.get(socket);
    if (guest === undefined) return;
    this.#guests.delete(socket);
    if (guest.key !== undefined) this.#securing.delete(guest.key);
    // A balancer that only looks whether the port is open sends nothing.
    if (socket.bytesRead > 0) this.#events.failed(guest.step);
    this.#events.left();
  }
}

/** The four numbers that no two live connections share; undefined when the client has gone. */
function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string | undefined {
  return remoteAddress === undefined ? undefined : `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
