// The listening sockets of the fronts, kept by the supervisor: one per slot, so that a front that dies or is replaced drops no
// connection that waits to be accepted. The supervisor never accepts; a front listens on the socket it is handed.

import * as net from 'node:net';
import { type Address, addressText } from '../base/address.ts';

export interface SlotSocket {
  readonly handle: object;
  close(): void;
}

type CreateHandle = (
  address: string,
  port: number,
  family: number,
  fd: number | undefined,
  flags: number,
) => number | { close(): void };

// node:cluster makes the sockets it shares with this function; there is no documented way to bind without accepting.
const createHandle = (net as unknown as { readonly _createServerHandle: CreateHandle })._createServerHandle;
const REUSE_PORT = 2;

/**
 * Binds `slots` sockets to one address. Resolves to an error text when the address cannot be had: two programs could share a port
 * by SO_REUSEPORT without either of them knowing, so the address is bound alone first.
 */
export async function bindSlots(address: Address, slots: number): Promise<readonly SlotSocket[] | string> {
  const alone = await tryBind(address);
  if (typeof alone === 'string') return alone;
  const sockets: SlotSocket[] = [];
  for (let slot = 0; slot < slots; slot += 1) {
    const handle = createHandle(alone.host, alone.port, net.isIPv6(alone.host) ? 6 : 4, undefined, slots > 1 ? REUSE_PORT : 0);
    if (typeof handle === 'number') {
      for (const socket of sockets) socket.close();
      return `cannot listen on ${addressText(address)} (error ${handle})`;
    }
    sockets.push({ handle, close: () => handle.close() });
  }
  return sockets;
}

/** Binds and lets go: the numeric address that was bound, or why it cannot be. */
export function tryBind(address: Address): Promise<Address | string> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(bindProblem(address, error)));
    server.listen({ host: address.host, port: address.port, exclusive: true }, () => {
      const bound = server.address() as net.AddressInfo;
      server.close(() => resolve({ host: bound.address, port: bound.port }));
    });
  });
}

export function bindProblem(address: Address, error: NodeJS.ErrnoException): string {
  const where = addressText(address);
  switch (error.code) {
    case 'EADDRINUSE':
      return `${where} is taken by another program`;
    case 'EACCES':
      return `${where} needs a right to bind (CAP_NET_BIND_SERVICE for ports below 1024)`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `${where} is not an address of this machine`;
    default:
      return `cannot listen on ${where}: ${error.message}`;
  }
}
