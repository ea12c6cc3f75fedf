// One attempt to get an answer from a node: a slot, a socket, the request out, the answer in.
// Promises: `head` is told once, then the body's bytes, then `ended` or `broken`; before the head only `failed`, with whether
// another node may be asked. Answers are parsed strictly (wire/scanner.ts); bytes behind an answer cost the socket.

import type { Socket } from 'node:net';
import { Fault } from '../base/fault.ts';
import type { Ms } from '../base/units.ts';
import { ChunkReader } from '../wire/chunked.ts';
import { Gathered } from '../wire/gathered.ts';
import type { HeadScanner } from '../wire/scanner.ts';
import { isBodiless } from '../wire/status.ts';
import type { NodeLink } from './link.ts';

export interface RelayEvents {
  /** The final head. `bytesFollow`: more came in the same read, so that head and body can leave in one piece. */
  head(head: HeadScanner, bytesFollow: boolean): void;
  /** False: pause until `resume`. */
  data(bytes: Buffer): boolean;
  ended(): void;
  /** After the head: the answer broke off. */
  broken(): void;
  /** Before the head. */
  failed(fault: Fault): void;
}

export interface RelayTimeouts {
  readonly firstByteMs: Ms;
  readonly betweenBytesMs: Ms;
}

const MOST_INTERIM = 1_000;

type BodyKind = 'none' | 'length' | 'chunked' | 'close';

export class Relay {
  readonly #link: NodeLink;
  readonly #request: string;
  readonly #isHead: boolean;
  readonly #timeouts: RelayTimeouts;
  readonly #events: RelayEvents;
  readonly #scanner: HeadScanner;
  readonly #gathered = new Gathered();
  #takeBack: (() => void) | undefined;
  #hasSlot = false;
  #socket: Socket | undefined;
  #reused = false;
  #anyByte = false;
  #interim = 0;
  #body: BodyKind = 'none';
  #left = 0;
  #chunks: ChunkReader | undefined;
  #headTold = false;
  #over = false;

  constructor(link: NodeLink, request: string, isHead: boolean, timeouts: RelayTimeouts, events: RelayEvents) {
    this.#link = link;
    this.#scanner = link.borrowScanner();
    this.#request = request;
    this.#isHead = isHead;
    this.#timeouts = timeouts;
    this.#events = events;
  }

  /** @param admitted see `NodeLink.acquire` */
  start(admitted = false): void {
    this.#takeBack = this.#link.acquire((fault) => {
      this.#takeBack = undefined;
      if (this.#over) {
        if (fault === undefined) this.#link.release();
        return;
      }
      if (fault !== undefined) {
        this.#end(false);
        this.#events.failed(fault);
        return;
      }
      this.#hasSlot = true;
      this.#send(this.#link.takeIdle());
    }, admitted);
  }

  resume(): void {
    this.#socket?.resume();
  }

  /** The client went away: nothing more is told. */
  cancel(): void {
    if (this.#over) return;
    this.#takeBack?.();
    this.#end(false);
  }

  #send(kept: Socket | undefined): void {
    if (kept !== undefined) {
      this.#reused = true;
      this.#use(kept);
      return;
    }
    this.#reused = false;
    this.#socket = this.#link.dial((socket) => {
      if (this.#over) {
        socket?.destroy();
        return;
      }
      if (socket === undefined) this.#fail(new Fault('DECKLE_NODE_BROKEN', `${this.#link.name}: no connection`));
      else this.#use(socket);
    });
  }

  #use(socket: Socket): void {
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => this.#read(bytes));
    socket.on('end', () => this.#closedByNode());
    socket.on('error', () => this.#closedByNode());
    socket.on('close', () => this.#closedByNode());
    socket.on('timeout', () => this.#silent());
    socket.setTimeout(this.#timeouts.firstByteMs);
    socket.resume();
    socket.write(this.#request, 'latin1');
  }

  #read(bytes: Buffer): void {
    if (this.#over) return;
    this.#anyByte = true;
    if (this.#headTold) this.#bodyBytes(bytes);
    else this.#headBytes(bytes);
  }

  #headBytes(bytes: Buffer): void {
    const gathered = this.#gathered;
    gathered.append(bytes);
    for (;;) {
      const view = gathered.view;
      const result = this.#scanner.scan(view, 0, view.length);
      if (result === 'more') return;
      if (result === 'refused') return this.#fail(new Fault('DECKLE_NODE_BROKEN', `${this.#link.name}: not an HTTP answer`));
      gathered.drop(this.#scanner.length);
      const status = this.#scanner.status;
      if (status >= 200) break;
      this.#interim += 1;
      if (status === 101 || this.#interim > MOST_INTERIM)
        return this.#fail(new Fault('DECKLE_NODE_BROKEN', `${this.#link.name}: ${status}`));
      this.#scanner.reset();
      if (gathered.view.length === 0) return;
    }
    const rest = gathered.view;
    this.#frame();
    this.#headTold = true;
    this.#link.succeeded();
    this.#socket?.setTimeout(this.#timeouts.betweenBytesMs);
    this.#events.head(this.#scanner, rest.length > 0);
    if (this.#over) return;
    if (this.#body === 'none' || (this.#body === 'length' && this.#left === 0)) this.#complete(rest.length === 0);
    else if (rest.length > 0) this.#bodyBytes(rest);
  }

  // RFC 9112 §6.3.
  #frame(): void {
    const head = this.#scanner;
    if (this.#isHead || isBodiless(head.status)) this.#body = 'none';
    else if (head.chunked) {
      this.#body = 'chunked';
      this.#chunks = new ChunkReader();
    } else if (head.contentLength >= 0) {
      this.#body = 'length';
      this.#left = head.contentLength;
    } else this.#body = 'close';
  }

  #bodyBytes(bytes: Buffer): void {
    if (this.#chunks !== undefined) {
      const result = this.#chunks.read(bytes, (data) => this.#tell(data));
      if (this.#over) return;
      if (result === 'broken') this.#break();
      else if (result === 'done') this.#complete(this.#chunks.used === bytes.length);
      return;
    }
    if (this.#body === 'close') {
      this.#tell(bytes);
      return;
    }
    const mine = bytes.length <= this.#left ? bytes : bytes.subarray(0, this.#left);
    this.#left -= mine.length;
    this.#tell(mine);
    if (!this.#over && this.#left === 0) this.#complete(mine.length === bytes.length);
  }

  #tell(data: Buffer): void {
    // The reader of chunks goes on to the end of its bytes, also when nobody listens any more.
    if (!this.#over && !this.#events.data(data) && !this.#over) this.#socket?.pause();
  }

  #silent(): void {
    if (this.#over) return;
    if (this.#headTold) {
      // A paused socket is silent because our client is slow. The timer fires once: it must be there when the client reads on.
      if (this.#socket?.isPaused() === true) this.#socket.setTimeout(this.#timeouts.betweenBytesMs);
      else this.#break();
      return;
    }
    this.#fail(new Fault('DECKLE_NODE_TIMEOUT', this.#link.name));
  }

  #closedByNode(): void {
    if (this.#over) return;
    if (this.#headTold) {
      if (this.#body === 'close' && this.#socket?.errored === null) this.#complete(false);
      else this.#break();
      return;
    }
    if (this.#reused && !this.#anyByte) {
      // A kept socket that the node closed while it was idle: no word about the node's health.
      this.#discard();
      this.#send(undefined);
      return;
    }
    this.#fail(new Fault('DECKLE_NODE_BROKEN', `${this.#link.name}: closed before its answer`));
  }

  #complete(clean: boolean): void {
    this.#end(clean && this.#scanner.keepAlive && this.#body !== 'close');
    this.#events.ended();
  }

  #break(): void {
    this.#end(false);
    this.#events.broken();
  }

  #fail(fault: Fault): void {
    if (fault.source === 'peer') this.#link.failed();
    this.#end(false);
    this.#events.failed(fault);
  }

  #end(keep: boolean): void {
    if (!this.#over) this.#link.returnScanner(this.#scanner);
    this.#over = true;
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket !== undefined) {
      if (keep) this.#link.keep(socket);
      else this.#drop(socket);
    }
    if (!this.#hasSlot) return;
    this.#hasSlot = false;
    this.#link.release();
  }

  #discard(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket !== undefined) this.#drop(socket);
  }

  #drop(socket: Socket): void {
    socket.removeAllListeners();
    socket.on('error', () => {});
    socket.destroy();
  }
}
