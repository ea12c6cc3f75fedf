// A client for tests that looks closely: what came of a request is one of a few words, a body is known by its hash.
// Promises: never throws, never waits longer than it was told; `atRate` starts requests by the clock, however slow the answers are.

import { createHash } from 'node:crypto';
import { type Agent, get, type IncomingHttpHeaders } from 'node:http';

/** `none`: no byte of an answer came. `cut`: the connection broke in the middle. `whole`: it ended as HTTP says. */
export type Fate = 'whole' | 'cut' | 'none';

export interface Taken {
  readonly url: string;
  readonly fate: Fate;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: number;
  readonly sha256: string;
  /** By performance.now(). */
  readonly beganMs: number;
  /** When the head of the answer came; not a number when none came. */
  readonly headMs: number;
  readonly endedMs: number;
}

export interface TakeOptions {
  /** Undefined: a connection of its own. */
  readonly agent?: Agent | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** Body bytes read a second; undefined: as they come. */
  readonly bytesPerSecond?: number | undefined;
  readonly mostMs?: number;
  /** Told how many bytes of the body have come so far. */
  readonly onBytes?: (bytes: number) => void;
}

export function take(url: string, options: TakeOptions = {}): Promise<Taken> {
  const beganMs = performance.now();
  return new Promise((resolve) => {
    const hash = createHash('sha256');
    let bytes = 0;
    let status = 0;
    let headers: IncomingHttpHeaders = {};
    let headMs = Number.NaN;
    const settle = (fate: Fate) => {
      clearTimeout(late);
      resolve({
        url,
        fate,
        status,
        headers,
        bytes,
        sha256: hash.copy().digest('hex'),
        beganMs,
        headMs,
        endedMs: performance.now(),
      });
    };
    const request = get(url, { agent: options.agent ?? false, headers: options.headers ?? {} }, (response) => {
      headMs = performance.now();
      status = response.statusCode ?? 0;
      headers = response.headers;
      response.on('data', (data: Buffer) => {
        bytes += data.length;
        hash.update(data);
        options.onBytes?.(bytes);
        if (options.bytesPerSecond === undefined) return;
        response.pause();
        setTimeout(() => response.resume(), (data.length / options.bytesPerSecond) * 1_000);
      });
      response.on('end', () => settle(response.complete ? 'whole' : 'cut'));
      response.on('error', () => settle('cut'));
      response.on('close', () => settle('cut'));
    });
    const late = setTimeout(() => request.destroy(new Error('too late')), options.mostMs ?? 30_000);
    request.on('error', () => settle(status === 0 ? 'none' : 'cut'));
  });
}

/** Starts `count` requests, `perSecond` of them a second, and waits for all. */
export async function atRate<T>(perSecond: number, count: number, start: (at: number) => Promise<T>): Promise<readonly T[]> {
  const begun = performance.now();
  const all: Promise<T>[] = [];
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const due = Math.min(count, Math.floor(((performance.now() - begun) / 1_000) * perSecond) + 1);
      while (all.length < due) all.push(start(all.length));
      if (all.length < count) return;
      clearInterval(timer);
      resolve();
    }, 2);
  });
  return Promise.all(all);
}

/** Runs `work` for 0 … count-1, `width` at a time. */
export async function inParallel<T>(count: number, width: number, work: (at: number) => Promise<T>): Promise<readonly T[]> {
  const results = new Array<T>(count);
  let next = 0;
  await Promise.all(
    Array.from({ length: width }, async () => {
      while (next < count) {
        const at = next;
        next += 1;
        results[at] = await work(at);
      }
    }),
  );
  return results;
}

/** The process that decided an answer: the last member of Cache-Status, `n1` or `front`. */
export function decidedBy(headers: IncomingHttpHeaders): string {
  const status = headers['cache-status'];
  const text = Array.isArray(status) ? status.join(', ') : (status ?? '');
  return text.split(',').at(-1)!.split(';', 1)[0]!.trim();
}
