// A process of its own (test/support/child.ts): clients that ask for one image each and read it far too slowly, over TCP or TLS.
// Promises: tells `stalled` when every one has taken its first pieces; told `finish`, they read on as fast as they can, and `read`
// says what they got, by hash; over after `mostMs`.

import { createHash, type Hash } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

export interface SlowOrder {
  readonly port: number;
  readonly tls: boolean;
  readonly count: number;
  readonly path: string;
  /** What each takes before it counts as stalled. */
  readonly stalledBytes: number;
  readonly mostMs: number;
}

export type SlowSays =
  | { readonly kind: 'stalled' }
  /** Bodies that came whole, by their hash. */
  | { readonly kind: 'read'; readonly bodies: Readonly<Record<string, number>>; readonly cut: number };

interface Reader {
  readonly socket: Socket;
  readonly hash: Hash;
  head: string;
  isHeadDone: boolean;
  left: number;
  taken: number;
  done: boolean;
}

/** What a reader takes. Slower ones look idle: the kernel tells of room in what it holds, a few MB, a third at a time. */
const BYTES_PER_SECOND = 64 * 1024;
/** Connections that are begun at a time. */
const AT_ONCE = 50;

async function read(order: SlowOrder): Promise<void> {
  const readers: Reader[] = [];
  let finishing = false;
  let left = order.count;
  let stalled = 0;
  const all = Promise.withResolvers<void>();

  const take = (reader: Reader, bytes: Buffer) => {
    const before = reader.taken;
    reader.taken += bytes.length;
    if (before < order.stalledBytes && reader.taken >= order.stalledBytes) {
      stalled += 1;
      if (stalled === order.count) say({ kind: 'stalled' });
    }
    let body = bytes;
    if (!reader.isHeadDone) {
      const had = reader.head.length;
      reader.head += bytes.toString('latin1');
      const end = reader.head.indexOf('\r\n\r\n');
      if (end < 0) return;
      body = bytes.subarray(end + 4 - had);
      reader.isHeadDone = true;
      reader.left = Number(/^content-length: (\d+)\r$/im.exec(reader.head)?.[1] ?? Number.NaN);
    }
    reader.hash.update(body);
    reader.left -= body.length;
    if (reader.left === 0) reader.socket.destroy();
    else if (!finishing) {
      reader.socket.pause();
      setTimeout(() => reader.socket.resume(), (bytes.length / BYTES_PER_SECOND) * 1_000);
    }
  };

  const one = () =>
    new Promise<void>((resolve) => {
      const where = { port: order.port, host: '127.0.0.1' };
      const socket = order.tls ? connectTls({ ...where, rejectUnauthorized: false }) : connect(where);
      const reader: Reader = {
        socket,
        hash: createHash('sha256'),
        head: '',
        isHeadDone: false,
        left: 0,
        taken: 0,
        done: false,
      };
      readers.push(reader);
      socket.on('error', () => {});
      socket.on('close', () => {
        reader.done = true;
        left -= 1;
        if (left === 0) all.resolve();
        resolve();
      });
      socket.on(order.tls ? 'secureConnect' : 'connect', () => {
        socket.on('data', (bytes: Buffer) => take(reader, bytes));
        socket.write(`GET ${order.path} HTTP/1.1\r\nHost: slow.test\r\n\r\n`, 'latin1', () => resolve());
      });
    });
  process.on('message', () => {
    finishing = true;
    for (const { socket } of readers) socket.resume();
  });
  const late = setTimeout(() => all.resolve(), order.mostMs);
  let next = 0;
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (next < order.count) {
        next += 1;
        await one();
      }
    }),
  );
  await all.promise;
  clearTimeout(late);
  const whole = readers.filter(({ isHeadDone, left: missing, head }) => isHeadDone && missing === 0 && head.includes(' 200 '));
  const bodies: Record<string, number> = {};
  for (const { hash } of whole) {
    const sha256 = hash.digest('hex');
    bodies[sha256] = (bodies[sha256] ?? 0) + 1;
  }
  say({ kind: 'read', bodies, cut: order.count - whole.length });
  process.disconnect?.();
  for (const { socket } of readers) socket.destroy();
}

function say(message: SlowSays): void {
  process.send?.(message);
}

process.once('message', (order: SlowOrder) => void read(order));
