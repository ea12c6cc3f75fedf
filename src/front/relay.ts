// One attempt to get an answer from a node: a slot, a connection, the request out, the answer in.
// Promises: `answered` is told once, then the body's bytes, then `ended` or `broken`, or `quick` for all of it, then `ended`; before
// the head only `failed`, with whether another node may be asked. A kept connection that the node had closed meanwhile costs only a new connection.

import { Fault } from '../base/fault.ts';
import type { Bytes } from '../base/units.ts';
import type { Result } from '../metrics/catalogue.ts';
import type { HeadScanner } from '../wire/scanner.ts';
import type { NodeLink, SlotUser } from './link.ts';
import type { AnswerTimes, Closing, NodeSocket, SocketUser } from './node-socket.ts';

export interface RelayEvents {
  /** See `SocketUser`: whether a whole answer is wanted by `quick`, which is told instead of `answered`. */
  takesQuick(length: Bytes): boolean;
  quick(message: Buffer, length: Bytes, result: Result): void;
  /** The final head, and what of the body came with it; `whole`: that is all of it. */
  answered(head: HeadScanner, first: Buffer, whole: boolean): void;
  /** The bytes change after the next `holds` that was false. */
  data(bytes: Buffer): void;
  /** After each read. True: its bytes are still in use, or there is no room for more: nothing is told until `resume`. */
  holds(): boolean;
  ended(): void;
  /** After the head: the answer broke off. */
  broken(head: HeadScanner): void;
  /** Before the head. */
  failed(fault: Fault): void;
  /** The node does not live. Whether there is another to ask: then `failed` is told, or `broken`. @param head after the head */
  movesOn(head: HeadScanner | undefined): boolean;
}

export class Relay implements SlotUser, SocketUser {
  readonly #link: NodeLink;
  readonly #request: string;
  readonly #isHead: boolean;
  readonly #times: AnswerTimes;
  readonly #events: RelayEvents;
  #socket: NodeSocket | undefined;
  #state: 'new' | 'queued' | 'asked' | 'answered' | 'over' = 'new';

  constructor(link: NodeLink, request: string, isHead: boolean, times: AnswerTimes, events: RelayEvents) {
    this.#link = link;
    this.#request = request;
    this.#isHead = isHead;
    this.#times = times;
    this.#events = events;
  }

  /** @param admitted see `NodeLink.acquire` */
  start(admitted = false): void {
    this.#state = 'queued';
    this.#link.acquire(this, admitted);
  }

  resume(): void {
    this.#socket?.resume();
  }

  /** The client went away: nothing more is told. */
  cancel(): void {
    if (this.#state === 'queued') this.#link.leave(this);
    this.#leave();
  }

  granted(fault: Fault | undefined): void {
    if (fault === undefined) {
      this.#state = 'asked';
      this.#ask(this.#link.connection());
      return;
    }
    this.#state = 'over';
    this.#events.failed(fault);
  }

  takesQuick(length: Bytes): boolean {
    return this.#events.takesQuick(length);
  }

  quick(message: Buffer, length: Bytes, result: Result): void {
    this.#state = 'answered';
    this.#link.succeeded();
    this.#link.speaksDeckle = true;
    this.#events.quick(message, length, result);
  }

  answered(head: HeadScanner, first: Buffer, whole: boolean): void {
    this.#state = 'answered';
    this.#link.succeeded();
    this.#link.speaksDeckle = head.lines('x-deckle-result') > 0;
    this.#events.answered(head, first, whole);
  }

  data(bytes: Buffer): void {
    this.#events.data(bytes);
  }

  holds(): boolean {
    return this.#events.holds();
  }

  ended(clean: boolean): void {
    this.#state = 'over';
    if (clean) this.#link.keep(this.#socket!);
    this.#socket = undefined;
    this.#link.release();
    this.#events.ended();
  }

  closed(why: Closing): void {
    const socket = this.#socket!;
    if (this.#state === 'answered') return this.#break(socket);
    // The node closed it while nobody used it: no word about its health.
    if (why === 'gone' && socket.reused && !socket.heardAny) return this.#ask(this.#link.dial());
    this.#fail(new Fault(why === 'silent' ? 'DECKLE_NODE_TIMEOUT' : 'DECKLE_NODE_BROKEN', `${this.#link.name}: ${why}`));
  }

  lost(): void {
    const answered = this.#state === 'answered';
    if (this.#state === 'over' || !this.#events.movesOn(answered ? this.#socket!.head : undefined)) return;
    if (answered) return this.#break(this.#socket!);
    if (this.#state === 'queued') this.#link.leave(this);
    this.#fail(new Fault('DECKLE_NODE_BROKEN', `${this.#link.name}: lost`));
  }

  #ask(socket: NodeSocket): void {
    this.#socket = socket;
    socket.ask(this.#request, this.#isHead, this.#times, this);
  }

  #break(socket: NodeSocket): void {
    this.#leave();
    this.#events.broken(socket.head);
  }

  #fail(fault: Fault): void {
    this.#link.failed();
    this.#leave();
    this.#events.failed(fault);
  }

  #leave(): void {
    const had = this.#state;
    this.#state = 'over';
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.drop();
    if (had === 'asked' || had === 'answered') this.#link.release();
  }
}
