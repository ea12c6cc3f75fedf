// Many clients at once on raw sockets: each sends one GET, reads its answer to the end as HTTP/1.1 frames it, keeps only a hash.
// Promises: every socket is connected before the first request leaves; a body that ends short of its framing is not `whole`;
// everything is over after `mostMs`, what is unfinished then is cut.

import { createHash } from 'node:crypto';
import { connect, type Socket } from 'node:net';

export interface Fetched {
  /** 0 when no head came. */
  readonly status: number;
  readonly bytes: number;
  readonly sha256: string;
  readonly whole: boolean;
  readonly cacheStatus: string;
}

/** Connects `count` sockets, then sends all requests at once. Resolves when every answer has ended one way or another. */
export async function crowd(
  port: number,
  count: number,
  pathOf: (at: number) => string,
  mostMs: number,
): Promise<readonly Fetched[]> {
  const sockets = await Promise.all(Array.from({ length: count }, () => connected(port)));
  const late = setTimeout(() => {
    for (const socket of sockets) socket.destroy();
  }, mostMs);
  const fetched = await Promise.all(sockets.map((socket, at) => fetchOn(socket, pathOf(at))));
  clearTimeout(late);
  return fetched;
}

function connected(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
    socket.once('error', reject);
  });
}

function fetchOn(socket: Socket, path: string): Promise<Fetched> {
  return new Promise((resolve) => {
    const reader = new AnswerReader();
    socket.on('data', (bytes: Buffer) => {
      reader.read(bytes);
      if (reader.whole) socket.destroy();
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(reader.fetched()));
    socket.write(`GET ${path} HTTP/1.1\r\nHost: crowd.test\r\nConnection: close\r\n\r\n`, 'latin1');
  });
}

class AnswerReader {
  readonly #hash = createHash('sha256');
  #head = '';
  #isHeadDone = false;
  #chunked = false;
  /** Of the body, or of the chunk at hand with its line end. */
  #left = 0;
  #line = '';
  #bytes = 0;
  whole = false;

  read(bytes: Buffer): void {
    let at = 0;
    if (!this.#isHeadDone) {
      const before = this.#head.length;
      this.#head += bytes.toString('latin1');
      const end = this.#head.indexOf('\r\n\r\n');
      if (end < 0) return;
      at = end + 4 - before;
      this.#head = this.#head.slice(0, end + 2);
      this.#isHeadDone = true;
      this.#chunked = /^transfer-encoding: chunked\r$/im.test(this.#head);
      this.#left = this.#chunked ? 0 : Number(/^content-length: (\d+)\r$/im.exec(this.#head)?.[1] ?? Number.NaN);
    }
    if (this.#chunked) this.#readChunks(bytes, at);
    else {
      this.#take(bytes.subarray(at));
      this.whole = this.#left === 0;
    }
  }

  fetched(): Fetched {
    return {
      status: Number(/^HTTP\/1\.1 (\d{3})/.exec(this.#head)?.[1] ?? 0),
      bytes: this.#bytes,
      sha256: this.#hash.digest('hex'),
      whole: this.whole,
      cacheStatus: /^cache-status: (.*)\r$/im.exec(this.#head)?.[1] ?? '',
    };
  }

  #take(bytes: Buffer): void {
    this.#hash.update(bytes);
    this.#bytes += bytes.length;
    this.#left -= bytes.length;
  }

  #readChunks(bytes: Buffer, from: number): void {
    let at = from;
    while (at < bytes.length && !this.whole) {
      if (this.#left > 2) {
        const end = Math.min(bytes.length, at + this.#left - 2);
        this.#take(bytes.subarray(at, end));
        at = end;
      } else if (this.#left > 0) {
        this.#left -= 1;
        at += 1;
      } else {
        const char = String.fromCharCode(bytes[at]!);
        at += 1;
        this.#line += char;
        if (char !== '\n') continue;
        const size = Number.parseInt(this.#line, 16);
        this.#line = '';
        if (size === 0) this.whole = true;
        else this.#left = size + 2;
      }
    }
  }
}
