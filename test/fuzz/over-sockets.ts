// Inputs of the fuzz over real sockets, in pieces, to a listener of ours or a whole edge.
// Promises: every connection is bounded in time; one that the server does not end counts as hung.

import { connect } from 'node:net';
import { inputAt, pieces, randoms } from './inputs.ts';

export interface Sent {
  /** Latin-1. */
  readonly text: string;
  /** All that came back. */
  readonly answer: Buffer;
  /** The server did not close within the bound. */
  readonly hung: boolean;
}

/** Below the time after which an idle connection is closed anyway. */
const MOST_MS = 30_000;
const AT_ONCE = 64;

/** Sends `count` inputs, each on a connection of its own, then a FIN; tells of each what came back. */
export async function sendInputs(port: number, count: number, seed: number, told: (sent: Sent) => void): Promise<void> {
  const random = randoms(seed);
  let next = 0;
  const one = async () => {
    while (next < count) {
      const text = inputAt(next, random);
      next += 1;
      told(await send(port, text, pieces(Buffer.from(text, 'latin1'), random)));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}

function send(port: number, text: string, parts: readonly Buffer[]): Promise<Sent> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const came: Buffer[] = [];
    let hung = false;
    const late = setTimeout(() => {
      hung = true;
      socket.destroy();
    }, MOST_MS);
    socket.on('data', (bytes: Buffer) => came.push(bytes));
    // A reset is how a server ends a connection whose rest it does not want.
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(late);
      resolve({ text, answer: Buffer.concat(came), hung });
    });
    let at = 0;
    const step = () => {
      if (socket.destroyed) return;
      if (at === parts.length) {
        socket.end();
        return;
      }
      socket.write(parts[at]!, () => setImmediate(step));
      at += 1;
    };
    socket.on('connect', step);
  });
}
