// A new connection to an origin: TCP, TLS where the url says so, and a moment of silence.
// Promises: what `dial` resolves to is a socket on which nothing has come, or the fault; whatever happens between here and the next
// owner of the socket is no uncaught error. Refuses: a server that speaks before it was asked.

import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { Fault } from '../base/fault.ts';
import type { Ms } from '../base/units.ts';
import { givenUp } from './given-up.ts';

/**
 * How long a new connection must stay silent before the request is written: an answer that comes by itself would else be taken
 * for the answer. A server on loopback that speaks on accept was heard within 3.9 ms in 99 of 100 tries on a busy machine.
 */
const QUIET_MS: Ms = 5;
export interface Endpoint {
  /** An http or https origin, without path. */
  readonly url: URL;
  /** Whether the certificate must be right. */
  readonly verify: boolean;
  /** PEM text of the authorities to trust instead of the usual ones. */
  readonly ca: string | undefined;
  /** Kept by `dial`: the TLS session to resume. */
  session?: Buffer;
}

/**
 * Connects and listens for a moment. `signal` gives up. Faults: DECKLE_ORIGIN_REFUSED, DECKLE_ORIGIN_TIMEOUT (no connection within
 * `connectMs`), DECKLE_ORIGIN_BROKEN (it spoke unasked), DECKLE_ORIGIN_RESET (`signal`).
 */
export async function dial(endpoint: Endpoint, connectMs: Ms, signal: AbortSignal): Promise<Socket | Fault> {
  if (signal.aborted) return givenUp();
  const socket = connectTo(endpoint);
  const fault = await standing(socket, endpoint.url.protocol === 'https:' ? 'secureConnect' : 'connect', connectMs, signal);
  if (fault === undefined) return socket;
  socket.destroy();
  return fault;
}

function connectTo(endpoint: Endpoint): Socket | TLSSocket {
  const { url } = endpoint;
  const secure = url.protocol === 'https:';
  const host = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname;
  const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port);
  const base = { host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000, highWaterMark: 64 * 1024 };
  if (!secure) return connectTcp(base);
  const socket = connectTls({
    ...base,
    // RFC 6066 §3: an address is not a server name.
    servername: /^[\d.]+$|:/.test(host) ? '' : host,
    ALPNProtocols: ['http/1.1'],
    rejectUnauthorized: endpoint.verify,
    ...(endpoint.ca === undefined ? {} : { ca: endpoint.ca }),
    ...(endpoint.session === undefined ? {} : { session: endpoint.session }),
  });
  socket.on('session', (session) => {
    endpoint.session = session;
  });
  return socket;
}

/** Waits until the socket stands and has been silent for a moment; the fault when it does not, or is not. */
function standing(
  socket: Socket,
  event: 'connect' | 'secureConnect',
  connectMs: Ms,
  signal: AbortSignal,
): Promise<Fault | undefined> {
  return new Promise((resolve) => {
    let quiet: NodeJS.Timeout | undefined;
    const settle = (fault: Fault | undefined): void => {
      clearTimeout(limit);
      clearTimeout(quiet);
      socket.off(event, onStanding).off('error', onError).off('close', onClose).off('readable', onReadable);
      signal.removeEventListener('abort', onAbort);
      // Whatever happens between here and the next owner of the socket must not be an uncaught error.
      socket.on('error', () => {});
      resolve(fault);
    };
    const onError = (error: Error): void => settle(new Fault('DECKLE_ORIGIN_REFUSED', error.message));
    const onClose = (): void => settle(new Fault('DECKLE_ORIGIN_REFUSED', 'closed while connecting'));
    const onAbort = (): void => settle(givenUp());
    const onReadable = (): void => {
      if (socket.readableLength > 0) settle(broken('bytes before the request'));
    };
    const onStanding = (): void => {
      clearTimeout(limit);
      socket.on('readable', onReadable);
      quiet = setTimeout(() => settle(undefined), QUIET_MS);
    };
    const limit = setTimeout(() => settle(new Fault('DECKLE_ORIGIN_TIMEOUT', 'no connection in time')), connectMs);
    socket.once(event, onStanding).once('error', onError).once('close', onClose);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

export function broken(detail: string): Fault {
  return new Fault('DECKLE_ORIGIN_BROKEN', detail);
}
