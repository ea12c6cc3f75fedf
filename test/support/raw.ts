// A client on a raw socket: sends the bytes it is given, as they are, and tells what came back and how it ended.
// Promises: every wait is bounded; the socket never sends a FIN of its own unless `end` is called, and never keeps the process.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  /** Names in lower case; of several lines the last. */
  readonly fields: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Whether the message ended where its framing says. */
  readonly whole: boolean;
}

export type RawEnd = 'open' | 'ended' | 'reset';

export interface RawClient {
  readonly socket: Socket;
  /** How the server closed it: with a FIN or with a reset. */
  how(): RawEnd;
  bytes(): Buffer;
  /** The answers so far, interim ones left out; the last one may not be whole. */
  answers(bodiless?: readonly number[]): readonly RawAnswer[];
  send(data: string | Buffer): void;
  /** Sends a FIN; the answer can still be read. */
  end(): void;
  /** Resolves when so many whole answers are there; false when the connection closed or `mostMs` passed before. */
  answered(count: number, mostMs?: number): Promise<boolean>;
  /** Resolves when the server has closed; 'open' when it did not within `mostMs`. */
  closed(mostMs?: number): Promise<RawEnd>;
  close(): void;
}

const MOST_MS = 5_000;

export async function openRaw(port: number, options: { readonly paused?: boolean } = {}): Promise<RawClient> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true, allowHalfOpen: true });
  const chunks: Buffer[] = [];
  let how: RawEnd = 'open';
  const waiting = new Set<() => void>();
  const wake = () => {
    for (const look of [...waiting]) look();
  };
  socket.on('end', () => {
    if (how === 'open') how = 'ended';
    wake();
  });
  socket.on('error', () => {
    if (how === 'open') how = 'reset';
    wake();
  });
  socket.on('close', wake);
  await once(socket, 'connect');
  if (options.paused !== true) {
    socket.on('data', (bytes: Buffer) => {
      chunks.push(bytes);
      wake();
    });
  }
  const wait = (settled: () => boolean, mostMs: number) =>
    new Promise<void>((resolve) => {
      const look = () => {
        if (!settled()) return;
        clearTimeout(timer);
        waiting.delete(look);
        resolve();
      };
      const timer = setTimeout(() => {
        waiting.delete(look);
        resolve();
      }, mostMs);
      waiting.add(look);
      look();
    });
  const client: RawClient = {
    socket,
    how: () => how,
    bytes: () => Buffer.concat(chunks),
    answers: (bodiless = []) => parseAnswers(Buffer.concat(chunks), how !== 'open', bodiless),
    send: (data) => {
      if (!socket.destroyed && socket.writable) socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data);
    },
    end: () => void socket.end(),
    answered: async (count, mostMs = MOST_MS) => {
      const there = () => client.answers().filter((answer) => answer.whole).length >= count;
      await wait(() => how !== 'open' || there(), mostMs);
      return there();
    },
    closed: async (mostMs = MOST_MS) => {
      await wait(() => how !== 'open', mostMs);
      return how;
    },
    close: () => void socket.destroy(),
  };
  return client;
}

/**
 * Answers one after the other.
 * @param closed   whether the connection is closed, which ends a body that nothing else frames
 * @param bodiless places of answers that have no body whatever their head says: those to HEAD
 */
export function parseAnswers(bytes: Buffer, closed: boolean, bodiless: readonly number[] = []): readonly RawAnswer[] {
  const answers: RawAnswer[] = [];
  let at = 0;
  while (at < bytes.length) {
    const headEnd = bytes.indexOf('\r\n\r\n', at, 'latin1');
    if (headEnd < 0) {
      answers.push({ status: 0, fields: {}, body: bytes.subarray(at), whole: false });
      break;
    }
    const [line = '', ...lines] = bytes.toString('latin1', at, headEnd).split('\r\n');
    const status = Number(/^HTTP\/1\.[01] (\d{3}) /.exec(line)?.[1] ?? 0);
    const fields = Object.fromEntries(
      lines.map((text) => [text.slice(0, text.indexOf(':')).toLowerCase(), text.slice(text.indexOf(':') + 1).trim()]),
    );
    at = headEnd + 4;
    if (status >= 100 && status < 200) continue;
    const length = fields['content-length'];
    if (bodiless.includes(answers.length) || status === 204 || status === 304) {
      answers.push({ status, fields, body: bytes.subarray(at, at), whole: true });
    } else if (fields['transfer-encoding'] === 'chunked') {
      const chunks: Buffer[] = [];
      let whole = false;
      for (;;) {
        const lineEnd = bytes.indexOf('\r\n', at, 'latin1');
        if (lineEnd < 0) break;
        const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16);
        const next = lineEnd + 2 + size + 2;
        if (next > bytes.length) break;
        chunks.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size));
        at = next;
        whole = size === 0;
        if (whole) break;
      }
      answers.push({ status, fields, body: Buffer.concat(chunks), whole });
      if (!whole) break;
    } else {
      const end = length === undefined ? bytes.length : at + Number(length);
      const whole = length === undefined ? closed : bytes.length >= end;
      answers.push({ status, fields, body: bytes.subarray(at, end), whole });
      at = Math.min(end, bytes.length);
    }
  }
  return answers;
}
