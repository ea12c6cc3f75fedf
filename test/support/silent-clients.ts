// A process of its own (test/support/child.ts) that holds connections which say nothing, and some which never finish their head.
// Promises: tells `open` when all stand and `closed` when the server has ended them all, or when `mostMs` is over.

import { connect, type Socket } from 'node:net';

export interface SilentOrder {
  readonly port: number;
  readonly idle: number;
  readonly slow: number;
  readonly mostMs: number;
}

/** How the server ended connections of one kind. */
export interface Ended {
  /** Ended by the server. */
  readonly count: number;
  /** After how long, since the connection stood (idle) or the first byte of its head left (slow). */
  readonly firstMs: number;
  readonly lastMs: number;
  /** With a 408. */
  readonly told: number;
}

export type SilentSays =
  | { readonly kind: 'open'; readonly count: number }
  | { readonly kind: 'closed'; readonly idle: Ended; readonly slow: Ended };

interface Held {
  readonly socket: Socket;
  readonly slow: boolean;
  readonly sinceMs: number;
  endedMs: number;
  answer: string;
}

/** As fast as a front with one core takes them; faster ones wait in the socket's queue, and then it is the kernel that is measured. */
const PER_SECOND = 2_000;
const DRIP_MS = 500;

async function hold(order: SilentOrder): Promise<void> {
  const held: Held[] = [];
  const total = order.idle + order.slow;
  let next = 0;
  let left = total;
  const all = Promise.withResolvers<void>();
  const ended = (each: Held) => {
    each.endedMs = performance.now();
    left -= 1;
    if (left === 0) all.resolve();
  };
  const one = () =>
    new Promise<void>((resolve) => {
      // One slow head after every ten idle connections, or as the numbers are.
      const slow = Math.floor(((next + 1) * order.slow) / total) > Math.floor((next * order.slow) / total);
      next += 1;
      const socket = connect({ port: order.port, host: '127.0.0.1', noDelay: true });
      const failed = () => {
        left -= 1;
        if (left === 0) all.resolve();
        resolve();
      };
      socket.once('error', failed);
      socket.once('connect', () => {
        socket.off('error', failed);
        const each: Held = { socket, slow, sinceMs: performance.now(), endedMs: 0, answer: '' };
        held.push(each);
        socket.on('error', () => {});
        socket.on('data', (bytes: Buffer) => (each.answer += bytes.toString('latin1')));
        socket.once('end', () => ended(each));
        socket.once('close', () => {
          if (each.endedMs === 0) ended(each);
        });
        if (slow) socket.write('GET /slow.jpg HTTP/1.1\r\nHost: slow.test\r\n', 'latin1');
        resolve();
      });
    });
  const begun = performance.now();
  const opening: Promise<void>[] = [];
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const due = Math.min(total, ((performance.now() - begun) / 1_000) * PER_SECOND);
      while (next < due) opening.push(one());
      if (next < total) return;
      clearInterval(timer);
      resolve();
    }, 5);
  });
  await Promise.all(opening);
  say({ kind: 'open', count: held.length });
  const drip = setInterval(() => {
    for (const { socket, slow, endedMs } of held)
      if (slow && endedMs === 0 && socket.writable) socket.write('X: y\r\n', 'latin1');
  }, DRIP_MS);
  const late = setTimeout(() => all.resolve(), order.mostMs);
  await all.promise;
  clearTimeout(late);
  clearInterval(drip);
  say({ kind: 'closed', idle: summary(held, false), slow: summary(held, true) });
  process.disconnect?.();
  for (const { socket } of held) socket.destroy();
}

function summary(held: readonly Held[], slow: boolean): Ended {
  const ended = held.filter((each) => each.slow === slow && each.endedMs > 0);
  const after = ended.map(({ sinceMs, endedMs }) => endedMs - sinceMs);
  return {
    count: ended.length,
    firstMs: Math.round(after.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)),
    lastMs: Math.round(after.reduce((a, b) => Math.max(a, b), 0)),
    told: ended.filter(({ answer }) => answer.startsWith('HTTP/1.1 408 ')).length,
  };
}

function say(message: SilentSays): void {
  process.send?.(message);
}

process.once('message', (order: SilentOrder) => void hold(order));
