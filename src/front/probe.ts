// One question to a node on a connection of its own: does it live?
// Promises: `done` is called once, within `timeoutMs`; any answer that is HTTP proves life, whatever it says. Holds nothing afterwards.

import { connect } from 'node:net';
import type { Ms } from '../base/units.ts';

export interface ProbeTarget {
  readonly host: string;
  readonly port: number;
  /** The path that is asked. */
  readonly path: string;
  readonly timeoutMs: Ms;
}

/** An answer with its status; or silence, a refusal, or no HTTP. */
export type ProbeVerdict = { readonly alive: true; readonly status: number } | { readonly alive: false };

const STATUS_LINE = /^HTTP\/1\.[01] ([1-9]\d\d)(?: |\r)/;
/** A status line is known after so many bytes. */
const MOST_BYTES = 13;
const DEAD: ProbeVerdict = { alive: false };

/** Asks. The returned function gives up without a word. */
export function probe(target: ProbeTarget, done: (verdict: ProbeVerdict) => void): () => void {
  const { host, port, path, timeoutMs } = target;
  const socket = connect({ host, port, noDelay: true });
  let said = '';
  let over = false;
  const stop = (): void => {
    over = true;
    clearTimeout(timer);
    socket.destroy();
  };
  const end = (verdict: ProbeVerdict): void => {
    if (over) return;
    stop();
    done(verdict);
  };
  // After a busy spell of ours the timer fires before the answer is read: that is let in first.
  const timer = setTimeout(() => setImmediate(end, DEAD), timeoutMs);
  timer.unref();
  socket.on('error', () => end(DEAD));
  socket.on('close', () => end(DEAD));
  socket.on('data', (bytes: Buffer) => {
    said += bytes.toString('latin1');
    if (said.length < MOST_BYTES) return;
    const line = STATUS_LINE.exec(said);
    end(line === null ? DEAD : { alive: true, status: Number(line[1]) });
  });
  const name = host.includes(':') ? `[${host}]` : host;
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${name}:${port}\r\nConnection: close\r\n\r\n`, 'latin1');
  return stop;
}
