// The admin listener: the page, the figures, purges, health and readiness. node:http does for it: it is not on the path of images.
// Promises: every answer is `no-store`; every error is `{"error":{"code","message"}}` and never a stack; a purge that was not
// logged is 503, never a false 200; what runs here asks the backend and waits for it no longer than a bound.
// Refuses: whom auth.ts refuses, before it says whether a path exists; bodies over 1 MB, more than a bounded sum of bodies, more
// than 256 connections, heads and requests that do not come to an end; to listen beyond loopback without a token.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { isLoopback } from '../base/address.ts';
import type { Bytes, Ms } from '../base/units.ts';
import { decideAccess } from './auth.ts';
import type { AdminBackend } from './backend.ts';
import { parsePurge } from './purges.ts';
import { type ErrorCode, failure, outcomeReply, type Reply, renderMetrics, renderStats, text } from './replies.ts';

export interface AdminServerOptions {
  /** An IP address or a name; without a token it must be loopback. */
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** '' for none. */
  readonly token: string;
  /** Told of what went wrong unexpectedly, for the log. */
  readonly report?: (error: unknown) => void;
  /** How long `close` lets requests finish. */
  readonly closeMs?: Ms;
  /** How long the backend may take to tell its figures. */
  readonly figuresMs?: Ms;
}

export interface AdminServer {
  /** Rejects with the error of the system (EADDRINUSE …) when it cannot listen. */
  listen(): Promise<{ readonly port: number }>;
  close(): Promise<void>;
}

const MAX_BODY: Bytes = 1024 ** 2;
/** All bodies that are read or acted upon at one moment. */
const MAX_BODIES: Bytes = 16 * 1024 ** 2;
const MAX_HEAD: Bytes = 16 * 1024;
const MAX_CONNECTIONS = 256;
const HEAD_TIMEOUT: Ms = 10_000;
const REQUEST_TIMEOUT: Ms = 30_000;
const KEEP_ALIVE: Ms = 15_000;
/** How exact the two time-outs are. */
const CHECK_INTERVAL: Ms = 2_000;
/** Longer than the longest wait of a purge. */
const SILENCE: Ms = 90_000;

/** Paths and their methods; those that are open need no right to be asked. */
const ROUTES: Readonly<Record<string, { readonly methods: readonly string[]; readonly open?: true }>> = {
  '/': { methods: ['GET', 'HEAD'] },
  '/metrics': { methods: ['GET', 'HEAD'] },
  '/stats.json': { methods: ['GET', 'HEAD'] },
  '/stats.csv': { methods: ['GET', 'HEAD'] },
  '/purge': { methods: ['POST'] },
  '/-/health': { methods: ['GET', 'HEAD'], open: true },
  '/-/ready': { methods: ['GET', 'HEAD'], open: true },
};

/** Throws when it would listen beyond loopback without a token. */
export function createAdminServer(backend: AdminBackend, options: AdminServerOptions): AdminServer {
  if (options.token === '' && !isLoopback(options.host))
    throw new Error(`without a token the admin listener must be on loopback, not on ${options.host}`);
  return new Admin(backend, options);
}

class Admin implements AdminServer {
  readonly #backend: AdminBackend;
  readonly #options: AdminServerOptions;
  readonly #server: Server;
  #heldBytes: Bytes = 0;
  #closing: Promise<void> | undefined;

  constructor(backend: AdminBackend, options: AdminServerOptions) {
    this.#backend = backend;
    this.#options = options;
    this.#server = createServer({
      maxHeaderSize: MAX_HEAD,
      headersTimeout: HEAD_TIMEOUT,
      requestTimeout: REQUEST_TIMEOUT,
      keepAliveTimeout: KEEP_ALIVE,
      connectionsCheckingInterval: CHECK_INTERVAL,
    });
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.timeout = SILENCE;
    this.#server.on('request', (request, response) => void this.#answer(request, response));
    this.#server.on('clientError', answerBroken);
  }

  listen(): Promise<{ readonly port: number }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ readonly port: number }>();
    this.#server.once('error', reject);
    this.#server.listen({ host: this.#options.host, port: this.#options.port }, () => {
      this.#server.off('error', reject);
      this.#server.on('error', (error) => this.#options.report?.(error));
      resolve({ port: (this.#server.address() as AddressInfo).port });
    });
    return promise;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (!this.#server.listening) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    this.#server.closeIdleConnections();
    const deadline = setTimeout(() => this.#server.closeAllConnections(), this.#options.closeMs ?? 2_000);
    await promise;
    clearTimeout(deadline);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let reply: Reply;
    try {
      reply = await this.#reply(request);
    } catch (error) {
      // A client that went away in mid-request is no defect, and nobody is left to be answered.
      if (request.destroyed && !request.complete) return;
      this.#options.report?.(error);
      reply = failure('internal', 'something went wrong in deckle');
    }
    // An answer given before the body was read leaves bytes behind that the next request would begin with.
    const unread = !request.complete && (request.headers['content-length'] ?? '0') !== '0';
    const close = unread || this.#closing !== undefined || request.headers['transfer-encoding'] !== undefined;
    response.writeHead(reply.status, {
      'Content-Type': reply.type,
      'Content-Length': Buffer.byteLength(reply.body),
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
      'Referrer-Policy': 'no-referrer',
      ...reply.headers,
      ...(close ? { Connection: 'close' } : {}),
    });
    response.end(reply.body);
  }

  async #reply(request: IncomingMessage): Promise<Reply> {
    const method = request.method ?? '';
    const path = (request.url ?? '').split('?', 1)[0]!;
    const route = Object.hasOwn(ROUTES, path) ? ROUTES[path] : undefined;
    if (route?.open !== true) {
      const fields = request.headersDistinct;
      const verdict = decideAccess(
        {
          method,
          authorization: fields['authorization'] ?? [],
          host: fields['host'] ?? [],
          origin: fields['origin'] ?? [],
          contentType: fields['content-type'] ?? [],
        },
        this.#options.token,
      );
      if (verdict.kind === 'unauthorized')
        return failure('unauthorized', verdict.why, { 'WWW-Authenticate': 'Bearer realm="deckle"' });
      if (verdict.kind === 'forbidden') return failure('forbidden', verdict.why);
    }
    if (route === undefined) return failure('not-found', 'there is nothing at this path');
    if (!route.methods.includes(method)) {
      const allow = route.methods.join(', ');
      return failure('method-not-allowed', `this path takes ${allow}`, { Allow: allow });
    }
    switch (path) {
      case '/-/health':
        return text('ok\n');
      case '/-/ready': {
        const { ready, why } = this.#backend.ready();
        return ready ? text('ready\n') : { ...text(`${why}\n`), status: 503 };
      }
      case '/purge':
        return await this.#purge(request);
      default:
        return await this.#figures(path);
    }
  }

  async #figures(path: string): Promise<Reply> {
    const limitMs = this.#options.figuresMs ?? 5_000;
    const snapshot = this.#backend.snapshot();
    const pending =
      path === '/metrics'
        ? snapshot.then(renderMetrics)
        : Promise.all([this.#backend.status(), snapshot]).then(renderStats(path));
    return (
      (await within(pending, limitMs)) ??
      failure('not-answering', `the processes did not tell their figures within ${limitMs} ms`)
    );
  }

  async #purge(request: IncomingMessage): Promise<Reply> {
    const chunks: Buffer[] = [];
    let size: Bytes = 0;
    try {
      if (Number(request.headers['content-length'] ?? 0) > MAX_BODY)
        return failure('body-too-large', 'a purge takes at most 1 MB');
      // A body that is given up must not take the connection with it: the answer still has to go out.
      for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        size += chunk.length;
        this.#heldBytes += chunk.length;
        if (size > MAX_BODY) return failure('body-too-large', 'a purge takes at most 1 MB');
        if (this.#heldBytes > MAX_BODIES) return failure('busy', 'too many purges at once', { 'Retry-After': '1' });
        chunks.push(chunk);
      }
      const parsed = parsePurge(Buffer.concat(chunks));
      if (parsed.kind === 'bad') return failure('bad-request', parsed.why);
      if (parsed.kind === 'unbuilt') return failure('not-in-effect', `not in effect yet: ${parsed.what}`);
      return outcomeReply(await this.#backend.purge(parsed.request));
    } finally {
      this.#heldBytes -= size;
    }
  }
}

/** A head that node:http could not read. Nothing of it is trusted, so nothing but the error is said. */
function answerBroken(error: Error & { readonly code?: string }, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const codes: Readonly<Record<string, ErrorCode>> = {
    HPE_HEADER_OVERFLOW: 'head-too-large',
    ERR_HTTP_REQUEST_TIMEOUT: 'request-timeout',
  };
  const { status, type, body } = failure(
    codes[error.code ?? ''] ?? 'bad-request',
    'the request is not well-formed HTTP, too large or too slow',
  );
  const fields = [
    `HTTP/1.1 ${status} Refused`,
    `Content-Type: ${type}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    'X-Content-Type-Options: nosniff',
    'Connection: close',
  ];
  socket.end(`${fields.join('\r\n')}\r\n\r\n${body}`);
}

/** The value, or undefined when it takes longer. */
async function within<T>(pending: Promise<T>, limitMs: Ms): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(resolve, limitMs, undefined);
  try {
    return await Promise.race([pending, promise]);
  } finally {
    clearTimeout(timer);
  }
}
