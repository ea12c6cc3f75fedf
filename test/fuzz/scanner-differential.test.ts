// The scanner against node:http: what we accept, node:http must accept and read the same way: method, target, fields, and where
// the body ends (the request behind it is found where we would find it). FUZZ_INPUTS and FUZZ_SEED make longer and other runs.

import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { HeadScanner } from '../../src/wire/scanner.ts';
import { CASES } from '../accept/end-to-end/07-malformed.ts';

const INPUTS = Number(process.env['FUZZ_INPUTS'] ?? 200_000);
const SEED = Number(process.env['FUZZ_SEED'] ?? 20_261);
const BATCH = 100;
const LIMITS = { maxBytes: 8192, maxFields: 50 };
const LONGEST_BODY = 64;
const SECOND = 'GET /second HTTP/1.1\r\nHost: second\r\n\r\n';

const GOOD = [
  'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /p/a.jpg?w=1&h=%20 HTTP/1.1\r\nHost: www.example.com:8080\r\nAccept: image/avif,*/*;q=0.8\r\nUser-Agent: x (y; z)\r\n\r\n',
  'HEAD /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
  'POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n',
  'PUT /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, close\r\nUpgrade: h2c\r\nExpect: 100-continue\r\n\r\n',
  'DELETE /x HTTP/1.1\r\nhost:a\r\nX:\t\xe9 \t\r\nX: \r\nIf-None-Match: "a", W/"b"\r\nCookie: a=b; c=d\r\n\r\n',
  'OPTIONS * HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1\r\nReferer: http://b/\r\n\r\n',
  'GET http://a/b HTTP/1.1\r\nHost: a\r\nProxy-Connection: x\r\n\r\n',
];
const PIECES = [
  ...['\r\n', '\r', '\n', ' ', '\t', ':', ',', ';', '\0', '\x0b', '\x7f', '\x80', '\xff', '"', '#', '%', '\\', '/', '?', '*'],
  ...['HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', 'GET ', 'POST ', 'PURGE ', 'Host: b\r\n', 'Host:', 'X: y\r\n', ' folded\r\n'],
  ...['Content-Length: 3\r\n', 'content-length: 0\r\n', 'Content-Length:', '1', '007', '+1', '0x1', '1e1', '1, 1', '-'],
  ...['Transfer-Encoding: chunked\r\n', 'Transfer-Encoding: identity\r\n', 'transfer-encoding:', 'chunked', ', chunked', 'gzip'],
  ...['Connection: close\r\n', 'Connection: keep-alive\r\n', 'Upgrade: websocket\r\nConnection: upgrade\r\n', 'Expect: x\r\n'],
];

interface Reading {
  readonly method: string;
  readonly target: string;
  readonly pairs: readonly (readonly [string, string])[];
}

/** mulberry32 */
function randoms(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** One to four changes: a piece put in, put over something or taken out, a byte of another value, a line moved or doubled. */
function mutate(text: string, random: (below: number) => number): string {
  let changed = text;
  for (let times = 1 + random(4); times > 0; times -= 1) {
    const at = random(changed.length + 1);
    const piece = PIECES[random(PIECES.length)] as string;
    const kind = random(7);
    if (kind === 0) changed = changed.slice(0, at) + piece + changed.slice(at);
    else if (kind === 1) changed = changed.slice(0, at) + piece + changed.slice(at + piece.length);
    else if (kind === 2) changed = changed.slice(0, at) + changed.slice(at + 1 + random(3));
    else if (kind === 3) changed = changed.slice(0, at) + String.fromCharCode(random(256)) + changed.slice(at + 1);
    else {
      // A whole line behind the first: fields are what most rules are about.
      const lines = changed.split('\r\n');
      const line = 1 + random(Math.max(1, lines.length - 2));
      if (kind === 4) lines.splice(line, 0, piece.trimEnd());
      else if (kind === 5) lines.splice(line, 0, lines[random(lines.length)] as string);
      else lines[line] = (lines[line] ?? '') + piece.trimEnd();
      changed = lines.join('\r\n');
    }
  }
  return changed;
}

class FakeSocket extends Duplex {
  override _read(): void {}
  override _write(_chunk: unknown, _encoding: string, done: () => void): void {
    done();
  }
  setTimeout(): this {
    return this;
  }
}

function readingOf(request: IncomingMessage): Reading {
  const pairs: [string, string][] = [];
  for (let at = 0; at < request.rawHeaders.length; at += 2)
    pairs.push([(request.rawHeaders[at] as string).toLowerCase(), request.rawHeaders[at + 1] as string]);
  return { method: request.method ?? '', target: request.url ?? '', pairs };
}

test(`what the scanner accepts, node:http reads the same way (${INPUTS} inputs, seed ${SEED})`, async () => {
  const random = randoms(SEED);
  const seeds = [...GOOD, ...GOOD, ...CASES.map(({ bytes }) => bytes.toString('latin1')).filter((text) => text.length < 2000)];
  const oracle = createServer({ requireHostHeader: false, connectionsCheckingInterval: 1 << 30, maxHeaderSize: 16_384 });
  const heard = new WeakMap<object, (Reading | string)[]>();
  const note = (request: IncomingMessage, response: ServerResponse) => {
    heard.get(request.socket)?.push(readingOf(request));
    request.resume();
    response.end();
  };
  oracle.on('request', note);
  oracle.on('checkContinue', note);
  oracle.on('checkExpectation', note);
  oracle.on('upgrade', (request: IncomingMessage) => void heard.get(request.socket)?.push('upgrade'));
  oracle.on('clientError', (error: Error & { code?: string }, socket: object) => {
    heard.get(socket)?.push(error.code ?? error.message);
  });
  oracle.removeAllListeners('upgrade');

  const scanner = new HeadScanner('request', LIMITS);
  const known = new Set<string>();
  const divergences: string[] = [];
  let accepted = 0;
  let batch: {
    readonly text: string;
    readonly mine: readonly Reading[];
    readonly socket: FakeSocket;
    readonly heard: unknown[];
  }[] = [];
  const compare = async () => {
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    for (const each of batch) {
      try {
        assert.deepEqual(each.heard, each.mine);
      } catch {
        divergences.push(
          `${JSON.stringify(each.text)}\n   ours ${JSON.stringify(each.mine)}\n   node ${JSON.stringify(each.heard)}`,
        );
      }
      each.socket.destroy();
    }
    batch = [];
  };

  for (let input = 0; input < INPUTS && divergences.length < 10; input += 1) {
    const seed = seeds[input % seeds.length] as string;
    const text = input < seeds.length ? seed : mutate(seed, random);
    const bytes = Buffer.from(text, 'latin1');
    scanner.reset();
    if (scanner.scan(bytes, 0, bytes.length) !== 'done') continue;
    const head = text.slice(0, scanner.length);
    if (known.has(head) || scanner.contentLength > LONGEST_BODY) continue;
    known.add(head);
    accepted += 1;
    const body = scanner.chunked ? '5;a=b\r\nhello\r\n0\r\n\r\n' : 'x'.repeat(Math.max(0, scanner.contentLength));
    const mine: Reading[] = [{ method: scanner.method, target: scanner.target, pairs: scanner.pairs() }];
    if (scanner.keepAlive) mine.push({ method: 'GET', target: '/second', pairs: [['host', 'second']] });
    const socket = new FakeSocket();
    const found: (Reading | string)[] = [];
    heard.set(socket, found);
    oracle.emit('connection', socket);
    socket.push(Buffer.from(head + body + (scanner.keepAlive ? SECOND : ''), 'latin1'));
    batch.push({ text: head, mine, socket, heard: found });
    if (batch.length === BATCH) await compare();
  }
  await compare();
  oracle.close();
  assert.deepEqual(divergences, []);
  // A fuzz that accepts nothing shows nothing.
  assert.ok(accepted > Math.min(INPUTS / 50, 100_000), `${accepted} of ${INPUTS} heads were accepted`);
});
