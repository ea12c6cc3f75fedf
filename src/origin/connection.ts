// One connection to one HTTP origin, and the one exchange it may carry at a time. The only file that knows undici.
// Promises: every answer passes the strict gate of answer-head.ts before undici reads a byte of it; a body ends well only
// if its message did, with nothing behind it; a connection of which anything was amiss, or on which a byte came unasked,
// never carries another request; `ask` answers with a value and the connection tells once when it is free.
// Refuses: redirects, upgrades, pipelining, HTTP/2, answers to a question that was not yet put.

import type { Socket } from 'node:net';
import { Client, type Dispatcher } from 'undici';
import { Fault } from '../base/fault.ts';
import type { Bytes, Ms } from '../base/units.ts';
import { AnswerBody } from './answer-body.ts';
import { type AnswerHead, HeadScan } from './answer-head.ts';
import { broken } from './dial.ts';
import { givenUp } from './given-up.ts';
import type { OriginHead } from './origin.ts';

/** How long an idle connection is kept when the origin does not say (Node closes its own after 5 s), and at most. */
const IDLE_MS: Ms = 4_000;
const LONGEST_IDLE_MS: Ms = 60_000;
/** An idle connection is given up this much before the origin would. */
const IDLE_MARGIN_MS: Ms = 1_000;

export interface Question {
  readonly path: string;
  /** Names and values in turn; `host` among them or the url's own is sent. */
  readonly fields: readonly string[];
  readonly firstByteMs: Ms;
  readonly betweenBytesMs: Ms;
}

export type ConnectionAnswer =
  | { readonly kind: 'answer'; readonly head: OriginHead; readonly body: AnswerBody }
  /** `silent`: not a byte of an answer had come, so another connection may be asked. */
  | { readonly kind: 'failed'; readonly fault: Fault; readonly silent: boolean };

/** What is known of the exchange that the connection carries. */
interface Exchange {
  readonly question: Question;
  readonly scan: HeadScan;
  readonly settle: (answer: ConnectionAnswer) => void;
  /** The request is being written: from here on bytes may come. */
  sent: boolean;
  heard: boolean;
  head: AnswerHead | undefined;
  body: AnswerBody | undefined;
  /** Bytes that came behind the head, before undici took off any chunking. */
  bodyBytes: Bytes;
  complete: boolean;
  controller: Dispatcher.DispatchController | undefined;
}

export class Connection {
  readonly #socket: Socket;
  readonly #client: Client;
  #exchange: Exchange | undefined;
  #onFree: ((keepMs: Ms) => void) | undefined;
  #finSeen = false;
  #dead = false;
  #onDead: (() => void) | undefined;
  readonly #closed = Promise.withResolvers<void>();

  constructor(url: URL, socket: Socket) {
    this.#socket = socket;
    this.#tap();
    // Registered before undici's own: when undici ends a body with the connection, it is known how the connection ended.
    socket.on('end', () => {
      this.#finSeen = true;
    });
    socket.on('error', () => {});
    let handed = false;
    this.#client = new Client(url, {
      pipelining: 1,
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: IDLE_MS,
      keepAliveMaxTimeout: LONGEST_IDLE_MS,
      keepAliveTimeoutThreshold: IDLE_MARGIN_MS,
      maxHeaderSize: 64 * 1024,
      allowH2: false,
      connect: (_options, callback) => {
        const again = handed;
        handed = true;
        queueMicrotask(() => {
          if (again) callback(new Error('a connection is used up when it closes'), null);
          else callback(null, socket);
        });
      },
    });
    socket.on('close', () => this.#onClose());
  }

  /** Whether another request may be put. */
  get usable(): boolean {
    return (
      !this.#dead &&
      this.#exchange === undefined &&
      !this.#socket.destroyed &&
      this.#socket.readableLength === 0 &&
      !this.#finSeen
    );
  }

  /** Called once when the connection is of no more use. */
  set onDead(call: () => void) {
    this.#onDead = call;
    if (this.#dead) queueMicrotask(call);
  }

  /**
   * Puts one question. `onFree` is called once if the connection may then carry another for `keepMs`; else `onDead` was.
   * Faults before the head: DECKLE_ORIGIN_TIMEOUT, DECKLE_ORIGIN_RESET, DECKLE_ORIGIN_BROKEN.
   */
  ask(question: Question, signal: AbortSignal, onFree: (keepMs: Ms) => void): Promise<ConnectionAnswer> {
    if (!this.usable) {
      const fault = new Fault('DECKLE_ORIGIN_RESET', 'the connection had ended');
      this.#die(fault);
      return Promise.resolve({ kind: 'failed', fault, silent: true });
    }
    this.#onFree = onFree;
    return new Promise((resolve) => {
      let settled = false;
      const giveUp = (): void => this.#die(givenUp());
      const timer = setTimeout(() => this.#die(new Fault('DECKLE_ORIGIN_TIMEOUT', 'no answer')), question.firstByteMs);
      signal.addEventListener('abort', giveUp, { once: true });
      const settle = (answer: ConnectionAnswer): void => {
        if (settled) return;
        settled = true;
        clearTimeout(timer);
        signal.removeEventListener('abort', giveUp);
        resolve(answer);
      };
      const exchange: Exchange = {
        question,
        scan: new HeadScan(),
        settle,
        sent: false,
        heard: false,
        head: undefined,
        body: undefined,
        bodyBytes: 0,
        complete: false,
        controller: undefined,
      };
      this.#exchange = exchange;
      if (signal.aborted) giveUp();
      else this.#dispatch(exchange);
    });
  }

  /** Ends the connection and what it carries; resolves when the socket is closed. */
  destroy(fault: Fault): Promise<void> {
    this.#die(fault);
    return this.#closed.promise;
  }

  #dispatch(exchange: Exchange): void {
    // The name is passed so that undici never takes it from Host and thinks it must connect anew; it is not used otherwise.
    const options: Dispatcher.DispatchOptions & { servername: string } = {
      method: 'GET',
      path: exchange.question.path,
      headers: [...exchange.question.fields],
      servername: 'origin',
    };
    this.#client.dispatch(options, {
      onRequestStart: (controller) => {
        exchange.controller = controller;
        exchange.sent = true;
      },
      onResponseStart: (_controller, status) => this.#onHead(exchange, status),
      onResponseData: (controller, bytes) => {
        if (exchange.body?.push(bytes) === false) controller.pause();
      },
      onResponseEnd: () => this.#onComplete(exchange),
      onResponseError: (_controller, error) => this.#die(this.#faultOf(exchange, error)),
    });
  }

  /** Every byte passes here on its way from the socket to undici. */
  #tap(): void {
    const socket = this.#socket;
    const read = socket.read.bind(socket) as (size?: number) => Buffer | null;
    const unshift = socket.unshift.bind(socket);
    socket.read = (size?: number) => {
      if (size === 0) return read(0);
      for (;;) {
        const chunk = read();
        const passed = chunk === null ? null : this.#inspect(chunk);
        // A head that is not whole yet, or an interim answer, is kept from undici: ask for what came behind it.
        if (passed !== undefined) return passed;
      }
    };
    socket.unshift = (chunk: Buffer, encoding?: BufferEncoding) => {
      // undici gives back what it did not want to read: behind a whole message there must be nothing.
      const exchange = this.#exchange;
      if (exchange !== undefined) exchange.bodyBytes -= chunk.length;
      if (exchange?.complete && chunk.length > 0) this.#die(broken('bytes behind the answer'));
      else if (!socket.destroyed) unshift(chunk, encoding);
    };
  }

  /** The bytes that undici may see: undefined is none of these, null none at all any more. */
  #inspect(chunk: Buffer): Buffer | null | undefined {
    const exchange = this.#exchange;
    if (exchange === undefined || !exchange.sent || exchange.complete) return this.#drop('bytes that nobody asked for');
    exchange.heard = true;
    let passed = chunk;
    if (exchange.head === undefined) {
      const step = exchange.scan.push(chunk);
      if (step.kind === 'more') return undefined;
      if (step.kind === 'broken') return this.#drop(step.detail);
      exchange.head = step.head;
      exchange.bodyBytes = step.bytes.length - step.bodyAt;
      passed = step.bytes;
    } else exchange.bodyBytes += chunk.length;
    const { framing } = exchange.head;
    const most = framing.kind === 'length' ? framing.bytes : framing.kind === 'none' ? 0 : Number.POSITIVE_INFINITY;
    return exchange.bodyBytes > most ? this.#drop('bytes behind the answer') : passed;
  }

  #drop(detail: string): null {
    this.#die(broken(detail));
    return null;
  }

  #onHead(exchange: Exchange, status: number): void {
    const { head, question } = exchange;
    if (head === undefined || head.status !== status) {
      this.#die(broken('two readers of one head disagree'));
      return;
    }
    const { framing } = head;
    const length = framing.kind === 'length' ? framing.bytes : framing.kind === 'none' ? 0 : undefined;
    const body = new AnswerBody(length, question.betweenBytesMs, {
      resume: () => exchange.controller?.resume(),
      stop: () => {
        if (!exchange.complete) this.#die(givenUp());
      },
    });
    exchange.body = body;
    // RFC 9110 §15.4.5: a length in a 304 is that of the body it stands for; a bodiless answer declares none of its own.
    exchange.settle({
      kind: 'answer',
      head: { status, headers: head.headers, length: framing.kind === 'length' ? framing.bytes : undefined },
      body,
    });
  }

  /** undici says that the message is whole. It is so if nothing contradicts that until the loop has gone round. */
  #onComplete(exchange: Exchange): void {
    exchange.complete = true;
    if (exchange.head?.framing.kind === 'close' && (!this.#finSeen || this.#socket.errored !== null)) {
      this.#die(new Fault('DECKLE_ORIGIN_RESET', 'a body without length was cut'));
      return;
    }
    // An immediate of the poll phase runs before the next poll: the second one stands behind a whole poll.
    setImmediate(() => setImmediate(() => this.#onVerified(exchange)));
  }

  #onVerified(exchange: Exchange): void {
    if (this.#exchange !== exchange) return;
    this.#exchange = undefined;
    exchange.body?.end();
    const head = exchange.head;
    if (head?.persistent && this.usable) {
      const hintMs = head.keepAliveSeconds === undefined ? IDLE_MS : head.keepAliveSeconds * 1_000 - IDLE_MARGIN_MS;
      this.#onFree?.(Math.min(hintMs, LONGEST_IDLE_MS));
    } else this.#die(new Fault('DECKLE_ORIGIN_RESET', 'used up'));
  }

  #onClose(): void {
    this.#closed.resolve();
    const exchange = this.#exchange;
    if (exchange === undefined) this.#die(new Fault('DECKLE_ORIGIN_RESET', 'closed while idle'));
    else if (!exchange.complete) this.#die(this.#faultOf(exchange, this.#socket.errored ?? new Error('closed')));
    // Ended by the origin, or by undici, which may not use it again (UND_ERR_INFO), the message stays whole; undici's other
    // errors of a whole message mean that something stood behind it.
    else if (!this.#finSeen && this.#socket.errored !== null && !isHarmless(this.#socket.errored))
      this.#die(broken('bytes behind the answer'));
  }

  #die(fault: Fault): void {
    if (this.#dead) return;
    this.#dead = true;
    const exchange = this.#exchange;
    this.#exchange = undefined;
    exchange?.settle({ kind: 'failed', fault, silent: !exchange.heard });
    exchange?.body?.fail(fault);
    void this.#client.destroy(fault).catch(() => {});
    this.#socket.destroy();
    this.#onDead?.();
  }

  #faultOf(exchange: Exchange, error: Error & { code?: string }): Fault {
    // undici gave up an idle connection in the moment it was asked: nobody has failed, another connection may be asked.
    if (!exchange.heard && isHarmless(error)) return new Fault('DECKLE_ORIGIN_RESET', error.message);
    const cut = this.#finSeen || isSystemError(error) || error.code === 'UND_ERR_SOCKET';
    if (cut && (exchange.head !== undefined || !exchange.heard)) return new Fault('DECKLE_ORIGIN_RESET', error.message);
    return broken(cut ? 'the head was cut' : error.message);
  }
}

function isHarmless(error: Error & { code?: string }): boolean {
  return error.code === 'UND_ERR_INFO' || isSystemError(error);
}

function isSystemError(error: Error & { code?: string; syscall?: string }): boolean {
  return error.syscall !== undefined || error.code === 'ECONNRESET' || error.code === 'EPIPE';
}
