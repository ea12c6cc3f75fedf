// A request on its way through the nodes of its walk: wait for one who asks the same, ask, ask the next when that fails, pass on
// what comes. Promises: the client gets one head; before it another node may be asked; after it, a body that breaks off is finished
// by the next node where its ETag allows that (front/remainder.ts), else the client's connection is cut, never ended. Together at
// most `retries` nodes are asked after the first. A client that leaves ends its relay; one that reads slowly holds one read of it.

import type { Clock } from '../base/clock.ts';
import { Fault } from '../base/fault.ts';
import type { Bytes, Ms } from '../base/units.ts';
import { RESULTS, type Result } from '../metrics/catalogue.ts';
import type { Exchange } from '../wire/connection.ts';
import type { HeadScanner } from '../wire/scanner.ts';
import { isBodiless } from '../wire/status.ts';
import { type RequestHeads, type RequestWords, responseLines } from './heads.ts';
import type { HotCopies } from './hot.ts';
import type { Joined, Joins } from './joins.ts';
import type { NodeLink } from './link.ts';
import type { AnswerTimes } from './node-socket.ts';
import type { FrontNote } from './note.ts';
import { Relay, type RelayEvents } from './relay.ts';
import { after, askingLines, isRemainder, promised, type Remainder } from './remainder.ts';
import type { Ring, RingWalk } from './ring.ts';
import type { Taking } from './taking.ts';

export interface ErrandParts {
  readonly clock: Clock;
  readonly ring: Ring;
  /** In the order of the ring's members. */
  readonly links: readonly NodeLink[];
  readonly joins: Joins;
  /** Further nodes tried after the first. */
  readonly retries: number;
  readonly timeouts: AnswerTimes;
  readonly heads: RequestHeads;
  /** A node failed a request. */
  retried(node: string): void;
}

/** A request that passed the guard and has a name, and for which there is no hot copy. */
export interface Order {
  readonly x: Exchange;
  readonly note: FrontNote;
  readonly key: string;
  /** Of the key (front/ring.ts). */
  readonly hash: number;
  readonly words: RequestWords;
  /** Where a copy of the answer may go; undefined: nowhere. */
  readonly hot: HotCopies | undefined;
  /** Request fields that nodes send on to the origin. */
  readonly sentOn: readonly string[];
}

const RESULT_SET: ReadonlySet<string> = new Set(RESULTS);

export class Errand implements RelayEvents, Joined {
  readonly #parts: ErrandParts;
  readonly #order: Order;
  readonly #refuse: (order: Order, fault: Fault) => void;
  /** Made when the owner is not the one to ask. */
  #walk: RingWalk | undefined;
  /** Nodes passed over because they failed a moment ago; when all are, they get their turn after all. */
  #avoided: NodeLink[] | undefined;
  #link: NodeLink | undefined;
  /** The one to ask after this one, when it is known already. */
  #next: NodeLink | undefined;
  #relay: Relay | undefined;
  /** Others may wait for its answer. */
  #leads = false;
  #waits = false;
  /** What the first answer promised; known when it broke off. */
  #whole: Remainder | undefined;
  /** The client has not read what it got before: what comes in this read is copied, so that the buffer is free again. */
  #copies = false;
  #askedMs: Ms = 0;
  /** The hot copy that is being made of the answer. */
  #taking: Taking | undefined;

  /** @param refuse told at most once, and only before a head has left */
  constructor(parts: ErrandParts, order: Order, refuse: (order: Order, fault: Fault) => void) {
    this.#parts = parts;
    this.#order = order;
    this.#refuse = refuse;
  }

  /** Asks the first node, or waits for somebody who is asking it. */
  begin(): void {
    const { joins, clock, ring, links } = this.#parts;
    const { key, hash, x } = this.#order;
    const owner = links[ring.ownerOf(hash)];
    const link = owner?.avoided === false ? owner : this.#find();
    if (link === undefined) return this.#refuse(this.#order, new Fault('DECKLE_NO_NODE'));
    x.reply.onGone = () => this.#leave();
    this.#link = link;
    const nowMs = clock.monoMs();
    if (!joins.shouldWait(key, link.full, nowMs)) return this.#ask(link, nowMs, false);
    this.#waits = true;
    joins.wait(key, this);
  }

  letGo(): void {
    if (!this.#waits) return;
    this.#waits = false;
    const link = this.#link!;
    if (!link.avoided) return this.#ask(link, this.#parts.clock.monoMs(), true);
    // What the lead met there need not be met again.
    this.#walk = undefined;
    this.#avoided = undefined;
    this.begin();
  }

  // A copy is made on the ordinary way, and so is an answer for a client that is to be told more, or less, than the node said.
  takesQuick(length: Bytes): boolean {
    const { x, key, hash, hot } = this.#order;
    if (!x.reply.plain || this.#whole !== undefined) return false;
    return hot === undefined || !hot.wants(key, hash, length, this.#parts.clock.monoMs());
  }

  quick(message: Buffer, length: Bytes, result: Result): void {
    const { note, x } = this.#order;
    this.#settle(true);
    note.result = result;
    x.reply.relayed(200, message, length);
  }

  answered(head: HeadScanner, first: Buffer, whole: boolean): void {
    this.#copies = this.#order.x.reply.holding;
    const bytes = this.#copies && first.length > 0 ? Buffer.from(first) : first;
    if (this.#whole === undefined) this.#answer(head, bytes, whole);
    else if (!isRemainder(head, this.#missing(this.#whole))) this.#cut();
    else if (bytes.length > 0) this.#pass(bytes);
  }

  data(bytes: Buffer): void {
    this.#pass(this.#copies ? Buffer.from(bytes) : bytes);
  }

  holds(): boolean {
    const { reply } = this.#order.x;
    reply.uncork();
    const copied = this.#copies;
    this.#copies = false;
    if (!reply.started || !reply.holding) return false;
    if (reply.ended) return !copied;
    this.#awaitRelease();
    return true;
  }

  ended(): void {
    this.#relay = undefined;
    this.#taking?.done();
    this.#order.x.reply.end();
  }

  broken(head: HeadScanner): void {
    this.#relay = undefined;
    this.#whole ??= promised(head);
    this.#finish();
  }

  failed(fault: Fault): void {
    this.#relay = undefined;
    this.#settle(false);
    if (this.#whole !== undefined) return this.#finish();
    if (!fault.retryable || fault.source !== 'peer') return this.#refuse(this.#order, fault);
    this.#parts.retried(this.#order.note.node);
    const link = this.#following();
    if (link === undefined) this.#refuse(this.#order, new Fault('DECKLE_NO_NODE'));
    else this.#ask(link, this.#parts.clock.monoMs(), false);
  }

  movesOn(head: HeadScanner | undefined): boolean {
    if (this.#order.note.tries > this.#parts.retries) return false;
    if (head !== undefined && this.#whole === undefined && promised(head) === undefined) return false;
    this.#next ??= this.#healthy();
    return this.#next !== undefined;
  }

  // Drained, the socket may already have the end of what had waited for that.
  #awaitRelease(): void {
    const { reply } = this.#order.x;
    reply.onDrain = () => {
      if (reply.holding) this.#awaitRelease();
      else this.#relay?.resume();
    };
    reply.awaitRelease();
  }

  #pass(bytes: Buffer): void {
    this.#taking?.add(bytes);
    this.#order.x.reply.write(bytes);
  }

  #ask(link: NodeLink, nowMs: Ms, admitted: boolean): void {
    const { joins, heads } = this.#parts;
    const { key, x, words, sentOn } = this.#order;
    this.#askedMs = nowMs;
    joins.begin(key, nowMs);
    this.#leads = true;
    this.#send(link, link.speaksDeckle ? heads.lean(x.head, words, sentOn) : heads.of(x.head, words), admitted);
  }

  // The answer broke off: what is missing of it is asked of the next node.
  #finish(): void {
    const { note, x, words } = this.#order;
    const whole = this.#whole;
    const link = whole === undefined ? undefined : this.#following();
    if (link === undefined) return this.#cut();
    this.#parts.retried(note.node);
    this.#send(link, this.#parts.heads.withConditions(x.head, words, askingLines(this.#missing(whole!))), true);
  }

  #missing(whole: Remainder): Remainder {
    return after(whole, this.#order.x.reply.bytes);
  }

  #send(link: NodeLink, request: string, admitted: boolean): void {
    const { note, words } = this.#order;
    note.tries += 1;
    note.node = link.name;
    this.#link = link;
    this.#relay = new Relay(link, request, words.isHead, this.#parts.timeouts, this);
    this.#relay.start(admitted);
  }

  // The node's head, as the client gets it.
  #answer(head: HeadScanner, first: Buffer, whole: boolean): void {
    const { note, x, words, key, hash, hot, sentOn } = this.#order;
    const { clock } = this.#parts;
    this.#settle(true);
    const said = head.get('x-deckle-result');
    note.result = said !== undefined && RESULT_SET.has(said) ? (said as Result) : 'relayed';
    let lines = responseLines(head);
    if (head.lines('x-request-id') === 0) lines += `X-Request-Id: ${note.id}\r\n`;
    // A node that is not deckle knows nothing of what every answer of ours carries.
    if (said === undefined) {
      lines += 'Via: 1.1 deckle\r\n';
      if (head.find('x-content-type-options') === undefined) lines += 'X-Content-Type-Options: nosniff\r\n';
    }
    this.#taking = hot?.take({ key, hash, head: x.head, sentOn, askedMs: this.#askedMs }, head, lines, clock.monoMs());
    this.#taking?.add(first);
    const { reply } = x;
    if (words.isHead || isBodiless(head.status)) reply.whole(head.status, lines, undefined);
    else if (whole && first.length > 0) reply.whole(head.status, lines, first);
    else {
      // Until all that came in this read is told; what that was may be no more than the head, or the end.
      reply.cork();
      reply.begin(head.status, lines, head.contentLength >= 0 ? head.contentLength : undefined);
      reply.write(first);
    }
  }

  // One more node may be asked: which.
  #following(): NodeLink | undefined {
    if (this.#order.note.tries > this.#parts.retries) return undefined;
    const next = this.#next ?? this.#find();
    this.#next = undefined;
    return next;
  }

  #find(): NodeLink | undefined {
    return this.#healthy() ?? this.#avoided?.shift();
  }

  // The next of the walk that is not avoided, or one that was and is not any more.
  #healthy(): NodeLink | undefined {
    const { ring, links } = this.#parts;
    this.#walk ??= ring.walk(this.#order.key, this.#order.hash);
    for (let at = this.#walk.next(); at >= 0; at = this.#walk.next()) {
      const link = links[at]!;
      // The owner was asked without a walk.
      if (link === this.#link) continue;
      if (!link.avoided) return link;
      this.#avoided ??= [];
      this.#avoided.push(link);
    }
    const back = this.#avoided?.findIndex((link) => !link.avoided) ?? -1;
    return back < 0 ? undefined : this.#avoided!.splice(back, 1)[0];
  }

  #settle(answered: boolean): void {
    if (!this.#leads) return;
    this.#leads = false;
    this.#parts.joins.settled(this.#order.key, answered);
  }

  #cut(): void {
    const { note, x } = this.#order;
    note.result = 'error';
    note.reason = 'node-broken';
    x.reply.abort();
  }

  // The client is gone, or was cut.
  #leave(): void {
    if (this.#waits) this.#parts.joins.leave(this.#order.key, this);
    this.#waits = false;
    this.#taking?.drop();
    this.#relay?.cancel();
    this.#relay = undefined;
    this.#settle(false);
  }
}
