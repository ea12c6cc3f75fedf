// The contract of an origin: where originals live. Types and prose only; test/contracts/origin.ts runs over every implementation.
//
// An origin answers `fetch` with a value, never with a throw: the head of an answer and a body to be read, or a fault.
// It keeps its own bounds: connections, waiting requests, time to connect, to the first byte and between bytes.
// It never follows a redirect, never retries after a byte of the answer, and hands out no answer whose length is in doubt:
// what the body yields between the head and `end` is exactly what the origin meant to send, or the body ends in `failed`.
// The last bytes before `end` are handed out only once the origin's message is known to end there.

import type { Fault } from '../base/fault.ts';
import type { HeaderList } from '../wire/headers.ts';

export interface OriginRequest {
  /** Always asked as GET; HEAD is answered by the cache from a GET. */
  readonly method: 'GET';
  /** Canonical path and kept query as they stand in the source key; begins with `/`. */
  readonly target: string;
  /** The client's host, for origins that want it (`host: client`). */
  readonly clientHost: string;
  /** End-to-end fields to send, lower-case names: filtered by the site, conditions of a revalidation included. */
  readonly headers: HeaderList;
}

export interface OriginHead {
  /** 200 to 599. */
  readonly status: number;
  /** End-to-end fields only, lower-case names; `content-length` and `transfer-encoding` are left out. */
  readonly headers: HeaderList;
  /** Bytes of the body when the origin declared them. */
  readonly length: number | undefined;
}

export type BodyPart =
  | { readonly kind: 'data'; readonly bytes: Buffer }
  | { readonly kind: 'end' }
  | { readonly kind: 'failed'; readonly fault: Fault };

export interface OriginBody {
  /**
   * The next part; one read at a time. The reader owns the bytes. No read for long means no bytes are taken from the origin
   * (back-pressure), and no timer of the origin runs meanwhile. After `end` or `failed` the same part comes again.
   */
  read(): Promise<BodyPart>;
  /** Stop; frees the connection or the file. Safe to call at any time, more than once. A pending read gets `failed`. */
  abort(): void;
}

export type OriginAnswer =
  | { readonly kind: 'answer'; readonly head: OriginHead; readonly body: OriginBody }
  | { readonly kind: 'failed'; readonly fault: Fault };

export interface OriginCounts {
  /** Requests that hold a connection or a file now. */
  readonly busy: number;
  /** Requests that wait for one. */
  readonly waiting: number;
}

export interface Origin {
  readonly name: string;
  /** `signal` ends the attempt before the head came (fault DECKLE_ORIGIN_RESET). After the head use `body.abort()`. */
  fetch(request: OriginRequest, signal: AbortSignal): Promise<OriginAnswer>;
  counts(): OriginCounts;
  /** Ends idle connections; what is in flight fails. */
  close(): Promise<void>;
}
