// Origins for tests, on loopback: one that breaks every rule of HTTP on raw sockets, one that behaves and counts.
// Promises: what is sent depends on the path alone, bodies on seed and path; `close` ends every connection.
// The table BEHAVIOURS says of each path what a careful client must make of it, so that a test can walk it.

import { createHash } from 'node:crypto';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

const KB = 1024;
/** 36 bytes. */
const HELLO = 'hello, this is the body of an answer';
const OK = 'HTTP/1.1 200 OK\r\n';
const TYPE = 'Content-Type: image/png\r\n';
const LENGTH = `Content-Length: ${HELLO.length}\r\n`;
const GOOD = `${OK}${TYPE}${LENGTH}\r\n${HELLO}`;
const CHUNKED = `${OK}${TYPE}Transfer-Encoding: chunked\r\n\r\n`;
const CHUNKS = `5\r\n${HELLO.slice(0, 5)}\r\n${(HELLO.length - 5).toString(16)};ext=1\r\n${HELLO.slice(5)}\r\n`;

/** What must become of an answer. */
export type Outcome =
  /** HELLO, whole; the connection may be kept. */
  | 'whole'
  /** HELLO, whole; the connection must not carry another request. */
  | 'whole-then-closed'
  /** An answer without a body. */
  | 'empty'
  /** No head is handed out: DECKLE_ORIGIN_BROKEN. */
  | 'broken'
  /** No byte came: DECKLE_ORIGIN_RESET after the retries. */
  | 'reset'
  | 'timeout'
  /** The head is handed out, the body ends `failed`. */
  | 'cut'
  /** As `broken` or `cut`: where the bytes are split decides. */
  | 'broken-or-cut';

export interface Behaviour {
  readonly outcome: Outcome;
  /** Answers one request. */
  act(socket: Socket): void;
}

function says(outcome: Outcome, text: string, then: 'stay' | 'end' | 'reset' = 'stay'): Behaviour {
  return {
    outcome,
    act: (socket) => {
      if (then === 'end') socket.end(text, 'latin1');
      else socket.write(text, 'latin1', () => (then === 'reset' ? socket.resetAndDestroy() : undefined));
    },
  };
}

/** The texts one after the other, each when the one before has left and the loop has gone round. */
function saysInTurn(outcome: Outcome, texts: Iterable<string>, then: 'stay' | 'end' = 'stay'): Behaviour {
  return {
    outcome,
    act: (socket) => {
      const left = texts[Symbol.iterator]();
      const step = (): void => {
        if (socket.destroyed) return;
        const { done, value } = left.next();
        if (!done) socket.write(value, 'latin1', () => setImmediate(step));
        else if (then === 'end') socket.end();
      };
      step();
    },
  };
}

function* endless(first: string, text: string): Generator<string> {
  yield first;
  for (;;) yield text;
}

function withHeader(line: string): string {
  return `${OK}${TYPE}${line}${LENGTH}\r\n${HELLO}`;
}

/** By the path without its slash. */
export const BEHAVIOURS: Readonly<Record<string, Behaviour>> = {
  good: says('whole', GOOD),
  'good-byte-by-byte': saysInTurn('whole', GOOD),
  'good-connection-close': says('whole-then-closed', withHeader('Connection: close\r\n'), 'end'),
  'good-chunked': says('whole', `${CHUNKED}${CHUNKS}0\r\n\r\n`),
  'good-chunked-byte-by-byte': saysInTurn('whole', `${CHUNKED}${CHUNKS}0\r\nTrailer: x\r\n\r\n`),
  'good-http10-length': says('whole-then-closed', `HTTP/1.0 200 OK\r\n${LENGTH}\r\n${HELLO}`, 'end'),
  'good-until-close': says('whole-then-closed', `HTTP/1.0 200 OK\r\n${TYPE}\r\n${HELLO}`, 'end'),
  'good-http11-until-close': says('whole-then-closed', `${OK}${TYPE}\r\n${HELLO}`, 'end'),
  'good-interim': says('whole', `${'HTTP/1.1 102 Processing\r\n\r\n'.repeat(7)}HTTP/1.1 100 Continue\r\n\r\n${GOOD}`),
  'good-interim-byte-by-byte': saysInTurn('whole', `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${GOOD}`),
  'empty-204': says('empty', 'HTTP/1.1 204 No Content\r\n\r\n'),
  'empty-204-length-0': says('empty', 'HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n'),
  'empty-304': says('empty', 'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n'),
  'empty-304-length': says('empty', `HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n${LENGTH}\r\n`),
  'empty-200': says('empty', `${OK}Content-Length: 0\r\n\r\n`),
  'empty-redirect': says('empty', 'HTTP/1.1 302 Found\r\nLocation: /good\r\nContent-Length: 0\r\n\r\n'),

  frozen: { outcome: 'timeout', act: () => {} },
  'closes-at-once': { outcome: 'reset', act: (socket) => void socket.end() },
  'resets-at-once': { outcome: 'reset', act: (socket) => void socket.resetAndDestroy() },
  'closes-in-head': says('broken', `${OK}${TYPE}`, 'end'),
  'dribbles-head': saysInTurn('timeout', [OK, TYPE, 'X: ']),
  'endless-interim': saysInTurn('broken', endless('', 'HTTP/1.1 102 Processing\r\n\r\n')),
  'interim-1000': says('broken', 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(1000) + GOOD),
  'interim-101': says('broken', `HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n${GOOD}`),
  'interim-with-length': says('broken', `HTTP/1.1 102 Processing\r\nContent-Length: 3\r\n\r\n${GOOD}`),

  'stalls-in-body': says('cut', GOOD.slice(0, -6)),
  'closes-in-body': says('cut', GOOD.slice(0, -6), 'end'),
  'resets-in-body': says('cut', GOOD.slice(0, -6), 'reset'),
  'length-too-long': says('cut', `${OK}Content-Length: ${HELLO.length + 1}\r\n\r\n${HELLO}`, 'end'),
  'length-too-short': says('broken-or-cut', `${OK}Content-Length: ${HELLO.length - 1}\r\n\r\n${HELLO}`),
  'length-too-short-by-line-end': says('broken-or-cut', `${GOOD}\r\n`),
  'length-too-short-and-close': says('broken-or-cut', `${OK}Connection: close\r\nContent-Length: 5\r\n\r\n${HELLO}`, 'end'),
  'length-zero-with-body': says('broken-or-cut', `${OK}Content-Length: 0\r\n\r\n${HELLO}`),
  'two-answers': says('broken-or-cut', GOOD + GOOD),
  'two-chunked-answers': says('cut', `${CHUNKED}${CHUNKS}0\r\n\r\n${GOOD}`),
  'body-in-204': says('broken-or-cut', `HTTP/1.1 204 No Content\r\n\r\n${HELLO}`),
  'length-in-204': says('broken', `HTTP/1.1 204 No Content\r\n${LENGTH}\r\n${HELLO}`),
  'chunked-204': says('broken', `HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`),
  'body-in-304': says('broken-or-cut', `HTTP/1.1 304 Not Modified\r\n${LENGTH}\r\n${HELLO}`),
  'until-close-reset': says('cut', `HTTP/1.0 200 OK\r\n${TYPE}\r\n${HELLO}`, 'reset'),

  'two-lengths': says('broken', withHeader(`Content-Length: 5\r\n`)),
  'two-equal-lengths': says('broken', withHeader(LENGTH)),
  'length-list': says('broken', `${OK}Content-Length: 36, 36\r\n\r\n${HELLO}`),
  'length-plus': says('broken', `${OK}Content-Length: +36\r\n\r\n${HELLO}`),
  'length-minus': says('broken', `${OK}Content-Length: -36\r\n\r\n${HELLO}`),
  'length-hex': says('broken', `${OK}Content-Length: 0x24\r\n\r\n${HELLO}`),
  'length-empty': says('broken', `${OK}Content-Length:\r\n\r\n${HELLO}`),
  'length-huge': says('broken', `${OK}Content-Length: 9007199254740993\r\n\r\n${HELLO}`),
  'length-overflow': says('broken', `${OK}Content-Length: 18446744073709551652\r\n\r\n${HELLO}`),
  'length-and-chunked': says('broken', `${OK}${LENGTH}Transfer-Encoding: chunked\r\n\r\n${CHUNKS}0\r\n\r\n`),
  'chunked-and-length': says('broken', `${OK}Transfer-Encoding: chunked\r\n${LENGTH}\r\n${CHUNKS}0\r\n\r\n`),
  'chunked-twice': says('broken', `${OK}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKS}0\r\n\r\n`),
  'chunked-list': says('broken', `${OK}Transfer-Encoding: chunked, chunked\r\n\r\n${CHUNKS}0\r\n\r\n`),
  'gzip-chunked': says('broken', `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n${CHUNKS}0\r\n\r\n`),
  'identity-coding': says('broken', `${OK}Transfer-Encoding: identity\r\n\r\n${HELLO}`, 'end'),
  'http10-chunked': says('broken', `HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKS}0\r\n\r\n`),

  'no-last-chunk': says('cut', CHUNKED + CHUNKS, 'end'),
  'no-last-chunk-stalls': says('cut', CHUNKED + CHUNKS),
  'last-chunk-without-line': says('cut', `${CHUNKED}${CHUNKS}0\r\n`, 'end'),
  'chunk-size-garbage': says('cut', `${CHUNKED}${CHUNKS}zz\r\nhello\r\n0\r\n\r\n`),
  'chunk-size-negative': says('cut', `${CHUNKED}${CHUNKS}-5\r\nhello\r\n0\r\n\r\n`),
  'chunk-size-overflow': says('cut', `${CHUNKED}${CHUNKS}10000000000000005\r\nhello\r\n0\r\n\r\n`),
  'chunk-size-spaced': says('cut', `${CHUNKED}${CHUNKS}5 \r\nhello\r\n0\r\n\r\n`),
  'chunk-without-line-end': says('cut', `${CHUNKED}5\r\nhelloworld\r\n0\r\n\r\n`),
  'chunk-line-feeds': says('cut', `${CHUNKED}5\nhello\n0\n\n`),
  'chunk-in-trickles': saysInTurn('cut', [CHUNKED, '5', '\r\n', 'he', 'llo', '\r'], 'end'),

  'bare-cr': says('broken', withHeader('X-A: a\rX-B: b\r\n')),
  'bare-cr-in-name': says('broken', withHeader('X\r-A: a\r\n')),
  'bare-lf': says('broken', withHeader('X-A: a\n')),
  'bare-lf-all': says('broken', GOOD.replaceAll('\r\n', '\n')),
  nul: says('broken', withHeader('X-A: a\0b\r\n')),
  control: says('broken', withHeader('X-A: a\x01b\r\n')),
  delete: says('broken', withHeader('X-A: a\x7fb\r\n')),
  'obs-fold': says('broken', withHeader('X-A: a\r\n b\r\n')),
  'obs-fold-first': says('broken', `${OK} X: a\r\n${LENGTH}\r\n${HELLO}`),
  'space-before-colon': says('broken', withHeader('X-A : a\r\n')),
  'no-colon': says('broken', withHeader('X-A\r\n')),
  'empty-name': says('broken', withHeader(': a\r\n')),
  'name-not-token': says('broken', withHeader('X(A): a\r\n')),
  'head-64k': says('broken', withHeader(`X-A: ${'a'.repeat(64 * KB)}\r\n`)),
  'head-33k': says('broken', withHeader(`X-A: ${'a'.repeat(33 * KB)}\r\n`)),
  'headers-5000': says('broken', withHeader('X: a\r\n'.repeat(5000))),
  'headers-300': says('broken', withHeader('X: a\r\n'.repeat(300))),
  'endless-header': saysInTurn('broken', endless(OK, 'X-Another: header\r\n'.repeat(20))),

  garbage: says('broken', '\x16\x03\x01\x00\xa5garbage\r\n\r\n'),
  'garbage-line': says('broken', 'SSH-2.0-OpenSSH_9.9\r\n'),
  'leading-line-end': says('broken', `\r\n${GOOD}`),
  'http-2': says('broken', `HTTP/2 200 OK\r\n${LENGTH}\r\n${HELLO}`),
  'http-12': says('broken', `HTTP/1.2 200 OK\r\n${LENGTH}\r\n${HELLO}`),
  'http-09': says('broken', HELLO, 'end'),
  'lower-case-version': says('broken', `http/1.1 200 OK\r\n${LENGTH}\r\n${HELLO}`),
  'status-short': says('broken', `HTTP/1.1 20 OK\r\n${LENGTH}\r\n${HELLO}`),
  'status-long': says('broken', `HTTP/1.1 2000 OK\r\n${LENGTH}\r\n${HELLO}`),
  'status-000': says('broken', `HTTP/1.1 000 OK\r\n${LENGTH}\r\n${HELLO}`),
  'status-999': says('broken', `HTTP/1.1 999 OK\r\n${LENGTH}\r\n${HELLO}`),
  'status-control': says('broken', `HTTP/1.1 200 O\0K\r\n${LENGTH}\r\n${HELLO}`),
};

export const GOOD_BODY: Buffer = Buffer.from(HELLO);

export interface BadOriginOptions {
  /** Every request is answered so; else the path names the behaviour. */
  readonly behaviour?: Behaviour;
  /** Sent on every new connection before any request. */
  readonly onConnect?: string;
  readonly port?: number;
}

export interface BadOrigin {
  readonly port: number;
  readonly url: string;
  /** Heads of requests, in the order they came. */
  readonly heads: readonly string[];
  /** Requests so far. */
  requests(): number;
  /** Connections so far. */
  connections(): number;
  /** Connections open now. */
  open(): readonly Socket[];
  close(): Promise<void>;
}

/** An origin on raw sockets. Unknown paths are answered well. */
export async function startBadOrigin(options: BadOriginOptions = {}): Promise<BadOrigin> {
  const sockets = new Set<Socket>();
  const heads: string[] = [];
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    let received = '';
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    if (options.onConnect !== undefined) socket.write(options.onConnect, 'latin1');
    socket.on('data', (bytes) => {
      received += bytes.toString('latin1');
      for (;;) {
        const end = received.indexOf('\r\n\r\n');
        if (end === -1) return;
        const head = received.slice(0, end + 4);
        received = received.slice(end + 4);
        heads.push(head);
        const name = head.slice(head.indexOf('/') + 1, head.indexOf(' HTTP/'));
        (options.behaviour ?? BEHAVIOURS[name] ?? (BEHAVIOURS['good'] as Behaviour)).act(socket);
      }
    });
  });
  const port = await listening(server, options.port ?? 0);
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    heads,
    requests: () => heads.length,
    connections: () => connections,
    open: () => [...sockets],
    close: () => closed(server, sockets),
  };
}

export interface OriginSettings {
  /** Before the head of each answer. */
  delayMs?: number;
  /** Added to each answer; a value of undefined takes a field away. */
  headers?: Record<string, string | undefined>;
  /** Instead of 200, with a short text. */
  status?: number;
  /** Bytes of the body of a path. */
  size?: (path: string) => number;
  /** Part of the seed: another version has another body and another tag. */
  version?: number;
  /** Answers a request in place of all this when it returns true. */
  answer?: (request: IncomingMessage, response: ServerResponse) => boolean;
}

export interface TestOrigin {
  readonly port: number;
  readonly url: string;
  /** Requests by path, without query. */
  readonly counts: ReadonlyMap<string, number>;
  /** All requests. */
  total(): number;
  /** Requests that were answered with 304. */
  revalidated(): number;
  /** The last request of a path, as node:http saw it. */
  last(path: string): IncomingMessage | undefined;
  /** May be changed at any time, for requests to come. */
  readonly settings: OriginSettings;
  body(path: string): Buffer;
  sha256(path: string): string;
  etag(path: string): string;
  /** Requests wait from here on until the returned function is called. */
  hold(): () => void;
  /** Resolves when so many requests are there in all. */
  arrived(count: number): Promise<void>;
  close(): Promise<void>;
}

/** A well-behaved origin: any path is an image by its name, revalidated by its tag. */
export async function startOrigin(given: OriginSettings & { seed?: string; port?: number } = {}): Promise<TestOrigin> {
  const { seed = 'deckle', port: wanted = 0, ...settings } = given;
  const counts = new Map<string, number>();
  const lasts = new Map<string, IncomingMessage>();
  const sockets = new Set<Socket>();
  const arrivals: { readonly count: number; readonly resolve: () => void }[] = [];
  let total = 0;
  let revalidated = 0;
  let held: PromiseWithResolvers<void> | undefined;
  const body = (path: string): Buffer =>
    imageBytes(`${seed}:${settings.version ?? 0}:${path}`, path, (settings.size ?? (() => 16 * KB))(path));
  const etag = (path: string): string =>
    `"${createHash('sha256')
      .update(`${seed}:${settings.version ?? 0}:${path}`)
      .digest('hex')
      .slice(0, 16)}"`;

  const server = createHttpServer(async (request, response) => {
    const path = (request.url ?? '/').split('?', 1)[0] as string;
    total += 1;
    counts.set(path, (counts.get(path) ?? 0) + 1);
    lasts.set(path, request);
    for (const arrival of arrivals) if (arrival.count <= total) arrival.resolve();
    if (held !== undefined) await held.promise;
    if (settings.delayMs) await new Promise((resolve) => setTimeout(resolve, settings.delayMs));
    if (response.destroyed || settings.answer?.(request, response)) return;
    const matches = request.headers['if-none-match'] === etag(path);
    const status = settings.status ?? (matches ? 304 : 200);
    const bytes =
      status === 304 || status === 204
        ? undefined
        : settings.status === undefined
          ? body(path)
          : Buffer.from(`status ${status}\n`);
    if (status === 304) revalidated += 1;
    const fields: Record<string, string | undefined> = {
      'content-type': settings.status === undefined ? typeOf(path) : 'text/plain',
      etag: settings.status === undefined ? etag(path) : undefined,
      ...(bytes === undefined ? {} : { 'content-length': String(bytes.length) }),
      ...settings.headers,
    };
    for (const [name, value] of Object.entries(fields)) if (value !== undefined) response.setHeader(name, value);
    response.writeHead(status).end(bytes);
  });
  server.keepAliveTimeout = 60_000;
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  const port = await listening(server, wanted);
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    counts,
    total: () => total,
    revalidated: () => revalidated,
    last: (path) => lasts.get(path),
    settings,
    body,
    sha256: (path) => createHash('sha256').update(body(path)).digest('hex'),
    etag,
    hold: () => {
      const holding = Promise.withResolvers<void>();
      held = holding;
      return () => {
        if (held === holding) held = undefined;
        holding.resolve();
      };
    },
    arrived: (count) =>
      new Promise((resolve) => {
        if (total >= count) resolve();
        else arrivals.push({ count, resolve });
      }),
    close: () => closed(server, sockets),
  };
}

/** Bytes that look like an image of the kind the path names (JPEG, or PNG for `.png`) and are else random by the seed. */
export function imageBytes(seed: string, path: string, size: number): Buffer {
  if (size === 0) return Buffer.alloc(0);
  const bytes = createHash('shake256', { outputLength: size }).update(seed).digest();
  const magic = Buffer.from(path.endsWith('.png') ? '89504e470d0a1a0a' : 'ffd8ffe0', 'hex');
  magic.copy(bytes, 0, 0, Math.min(size, magic.length));
  return bytes;
}

function typeOf(path: string): string {
  return path.endsWith('.png') ? 'image/png' : 'image/jpeg';
}

async function listening(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return (server.address() as AddressInfo).port;
}

async function closed(server: Server, sockets: ReadonlySet<Socket>): Promise<void> {
  const done = new Promise<void>((resolve) => server.close(() => resolve()));
  for (const socket of sockets) socket.destroy();
  await done;
}
