// One fetch from the origin and everyone who waits for it: one fill per key, followers stream it while it comes in.
// Promises: waiters learn how it ended (a body to read, validated, not for sharing, failed), all at once, and only of the variant
// they asked for; a fill outlives the client that started it; what a purge overtook is not stored; what is for one client only
// stops when that client leaves.
// Every wait in here is bounded: on the origin by its own timeouts and a least rate, on readers by the time that a socket may
// take nothing and a least rate of their own.

import { type PreparedHead, prepareHead } from '../answer/prepared.ts';
import { variantKey, varyNames } from '../answer/variant.ts';
import { Fault } from '../base/fault.ts';
import type { Position } from '../base/position.ts';
import type { Reason } from '../base/reasons.ts';
import type { Bytes, Ms, WallMs } from '../base/units.ts';
import { SNIFF_BYTES, sameKind } from '../image/kind.ts';
import type { OriginBody, OriginHead } from '../origin/origin.ts';
import { entryCost } from '../store/memory.ts';
import { firstValue, type HeaderList } from '../wire/headers.ts';
import { isBodiless } from '../wire/status.ts';
import { FillBody, PASS_WINDOW } from './fill-body.ts';
import type { FlightHead, FlightHouse, FlightNews, FlightOrder, FlightReader, FlightWaiter } from './flight-contract.ts';
import { ageFieldSeconds, ageSeconds, type FetchTimes, type Freshness, storability } from './freshness.ts';
import { LeastRate } from './least-rate.ts';
import { type FillPlan, keepLimit, passPlan, planFill } from './plan.ts';
import type { Answer } from './request.ts';
import { confirms, updatedHeaders } from './vary.ts';

const RATE_WINDOW_MS: Ms = 15_000;
/** An origin that sends less than this while it is waited for is too slow: a fill must end. */
const LEAST_ORIGIN_RATE = 1024;
/** A reader that takes less than this while others wait for it, or while it holds fill memory, is cut. */
const LEAST_READER_RATE = 16 * 1024;

const SICK: ReadonlySet<number> = new Set([500, 502, 503, 504]);

type State = 'waiting' | 'streaming' | 'landed';

export class Flight {
  readonly order: FlightOrder;
  readonly body: FillBody;
  readonly #house: FlightHouse;
  readonly #waiters = new Set<FlightWaiter>();
  readonly #readers = new Set<FlightReader>();
  readonly #abort = new AbortController();
  /** Where the log stood when the fetch began: records after it apply to what it brings. */
  readonly #position: Position;
  #state: State = 'waiting';
  #overtaken = false;
  #exclusive = false;
  #starter: FlightWaiter | undefined;
  #head: FlightHead | undefined;
  #vary: readonly string[] = [];
  #variantKey = '';
  #originBody: OriginBody | undefined;
  /** The declared type, until enough of the body is here to see whether it is true. */
  #unproven: string | undefined;
  #stored: Buffer | undefined;
  #wakeFill: (() => void) | undefined;

  constructor(order: FlightOrder, house: FlightHouse, starter: FlightWaiter | undefined) {
    this.order = order;
    this.#house = house;
    this.#position = house.position();
    this.#starter = starter;
    this.#exclusive = order.alone;
    this.body = new FillBody(house.budget);
    if (starter !== undefined) this.#waiters.add(starter);
  }

  /** Known from the news `body` on. */
  get head(): FlightHead {
    return this.#head!;
  }

  get landed(): boolean {
    return this.#state === 'landed';
  }

  /** Whether a request with these fields may wait for this flight or read it from its first byte. */
  takes(fields: HeaderList): boolean {
    if (this.#overtaken || this.#exclusive || this.#state === 'landed') return false;
    if (this.#state === 'waiting') return true;
    return this.body.keeping && this.#variantOf(fields) === this.#variantKey;
  }

  /** Told once what became of it, at once when that is known. */
  wait(waiter: FlightWaiter): void {
    if (this.#state === 'waiting') this.#waiters.add(waiter);
    else waiter.news({ kind: 'body' });
  }

  leave(waiter: FlightWaiter): void {
    this.#waiters.delete(waiter);
    if (this.#starter === waiter) this.#starter = undefined;
  }

  /** The client of a waiter is gone: what would be for it alone is not waited for any longer. */
  abandon(waiter: FlightWaiter): void {
    this.leave(waiter);
    if (this.order.alone && this.#state === 'waiting' && this.#waiters.size === 0) this.#abort.abort();
  }

  read(reader: FlightReader): void {
    this.#readers.add(reader);
    this.body.addReader(reader);
  }

  /** The reader took bytes: a fill that waited for room may go on. */
  advanced(): void {
    this.body.trim();
    this.#wake();
  }

  unread(reader: FlightReader): void {
    this.#readers.delete(reader);
    this.body.removeReader(reader);
    if (this.#state === 'streaming' && this.#readers.size === 0 && !this.body.keeping) this.#originBody?.abort();
    this.#wake();
  }

  /** A purge came: newcomers start anew and what this brings is not stored. Those who wait asked before the purge. */
  overtake(): void {
    this.#overtaken = true;
  }

  /** The process ends. */
  cancel(): void {
    this.#abort.abort();
    this.#originBody?.abort();
    this.#wake();
  }

  async fly(): Promise<void> {
    try {
      await this.#fetch();
    } catch (error) {
      this.#originBody?.abort();
      this.#fail(error instanceof Fault ? error : new Fault('DECKLE_INTERNAL', String(error)));
    } finally {
      this.#state = 'landed';
      this.body.release(this.#stored);
      this.#house.landed(this);
    }
  }

  async #fetch(): Promise<void> {
    const previous = this.order.previous;
    let request = this.order.request;
    for (;;) {
      const requestMs = this.#house.clock.wallMs();
      const answer = await this.order.origin.fetch(request, this.#abort.signal);
      if (answer.kind === 'failed') {
        if (!this.#abort.signal.aborted) this.#house.originAnswered(this.order.origin.name, undefined);
        return this.#fail(answer.fault);
      }
      const times = { requestMs, responseMs: this.#house.clock.wallMs() };
      const { head, body } = answer;
      this.#originBody = body;
      this.#house.originAnswered(this.order.origin.name, head.status);
      if (head.status === 304) {
        body.abort();
        if (previous !== undefined && confirms(previous.headers, head.headers))
          return this.#validated(previous, head.headers, times);
        // RFC 9111 §4.3.4: it speaks of another representation than the stored one. Ask once more, without conditions.
        if (request.headers === this.order.unconditional) {
          return this.#fail(new Fault('DECKLE_ORIGIN_BROKEN', '304 to a request without conditions'));
        }
        request = { ...request, headers: this.order.unconditional };
        continue;
      }
      if (this.order.sickUsable && SICK.has(head.status)) {
        body.abort();
        return this.#tell(() => ({ kind: 'sick', status: head.status }));
      }
      return await this.#stream(head, body, times);
    }
  }

  // RFC 9111 §4.3.4: the stored answer takes the fields of the 304 and its freshness, and keeps its body.
  #validated(previous: Answer, fields: HeaderList, times: FetchTimes): void {
    const { rules, sourceKey } = this.order;
    const headers = updatedHeaders(previous.headers, fields);
    const verdict = storability({ status: previous.status, headers, length: previous.body.length }, rules, times);
    const plan: FillPlan = verdict.kind === 'store' ? { kind: 'keep', freshness: verdict.freshness } : passPlan(verdict.reason);
    this.#chooseVariant(headers);
    const answer: Answer = {
      ...previous,
      variantKey: this.#variantKey,
      varyNames: this.#vary,
      headers,
      position: this.#position,
      facts: {
        // What may no longer be kept is good for those who asked, and for nobody after them.
        freshness:
          plan.kind === 'keep' ? plan.freshness : { ...previous.facts.freshness, bornMs: times.responseMs, lifetimeMs: 0 },
        head: prepareHead(headers, rules.response_headers, times.responseMs),
        said: undefined,
      },
    };
    let stored = false;
    if (plan.kind === 'pass') this.#notKept(plan.reason, previous.status);
    else if (!this.#overtaken) stored = this.#house.store?.put(answer) ?? false;
    if (stored) this.#house.passes.forget(sourceKey);
    const starter = this.#starter;
    this.#tell((waiter) => this.#turnedAway(waiter, starter, plan) ?? { kind: 'validated', answer, stored });
  }

  async #stream(head: OriginHead, body: OriginBody, times: FetchTimes): Promise<void> {
    const { rules, sourceKey, personal } = this.order;
    this.#chooseVariant(head.headers);
    const maxKeep = roomFor(this.#house.maxKeep, entryCost({ sourceKey, variantKey: this.#variantKey, headers: head.headers }));
    let plan = personal ? passPlan('private') : planFill(head, rules, maxKeep, times);
    const length = isBodiless(head.status) ? 0 : head.length;
    if (plan.kind === 'keep') {
      const refusal = this.body.keep(length, keepLimit(head.status, rules, maxKeep));
      if (refusal !== undefined) plan = passPlan(refusal);
    }
    const made = prepareHead(head.headers, rules.response_headers, times.responseMs);
    // A part that nobody asked for stays a part: without its range it would pass for the whole.
    const range = head.status === 206 ? firstValue(head.headers, 'content-range') : undefined;
    const prepared = range === undefined ? made : { ...made, lines: `${made.lines}Content-Range: ${range}\r\n` };
    if (head.status === 200 && !rules.store.includes('*/*')) this.#unproven = prepared.contentType;
    this.#head = {
      status: head.status,
      length,
      prepared,
      age: ageOf(plan, head.headers, times.responseMs),
      passReason: plan.kind === 'pass' ? plan.reason : undefined,
    };
    this.#state = 'streaming';
    if (plan.kind === 'pass') this.#notKept(plan.reason, head.status);
    this.#tellHead(plan);
    if (plan.kind === 'pass' && this.#readers.size === 0) {
      body.abort();
      return;
    }
    if (!(await this.#pour(body))) {
      this.#endReaders((reader) => reader.cut());
      return;
    }
    if (plan.kind === 'keep' && this.body.keeping) this.#store(head, prepared, plan.freshness);
    this.#endReaders((reader) => reader.ended());
  }

  // From the origin into the body until its end. False when it broke off, or when there was nobody left to go on for.
  async #pour(body: OriginBody): Promise<boolean> {
    const originRate = new LeastRate(LEAST_ORIGIN_RATE, RATE_WINDOW_MS);
    const readerRate = new LeastRate(LEAST_READER_RATE, RATE_WINDOW_MS);
    for (;;) {
      while (!this.body.room && !this.#abort.signal.aborted) await this.#readersTake(readerRate);
      if (!this.body.keeping && this.#readers.size === 0) {
        body.abort();
        return false;
      }
      const beforeMs = this.#house.clock.monoMs();
      const part = await body.read();
      if (part.kind !== 'data') return part.kind === 'end';
      this.#house.originBytes(this.order.origin.name, part.bytes.length);
      if (!originRate.holds(this.#house.clock.monoMs() - beforeMs, part.bytes.length)) {
        body.abort();
        return false;
      }
      const refusal = this.body.push(part.bytes) ?? this.#disprove();
      if (refusal !== undefined) this.#notKept(refusal, this.head.status);
      for (const reader of [...this.#readers]) reader.more();
    }
  }

  // Until a reader moves or leaves. One that crawls must not hold up the others for ever, nor the memory of all fills.
  async #readersTake(rate: LeastRate): Promise<void> {
    const beforeMs = this.#house.clock.monoMs();
    const before = this.body.lowest;
    await new Promise<void>((resolve) => {
      this.#wakeFill = resolve;
    });
    const lowest = this.body.lowest;
    if (rate.holds(this.#house.clock.monoMs() - beforeMs, Math.max(0, lowest - before))) return;
    const near = lowest + PASS_WINDOW / 4;
    const crawling = [...this.#readers].filter((reader) => reader.position <= near);
    if (crawling.length === this.#readers.size && this.body.reserved === 0) return;
    for (const reader of crawling) reader.cut();
  }

  // A body that is not what its type says is found out by its first bytes, before much of it is kept.
  #disprove(): Reason | undefined {
    if (this.#unproven === undefined || !this.body.keeping || this.body.filled < SNIFF_BYTES) return undefined;
    const type = this.#unproven;
    this.#unproven = undefined;
    if (sameKind(type, this.body.at(0, SNIFF_BYTES)!)) return undefined;
    this.body.turnToPass();
    return 'not-image';
  }

  #store(head: OriginHead, prepared: PreparedHead, freshness: Freshness): void {
    const { sourceKey } = this.order;
    const bytes = this.body.whole();
    if (this.#unproven !== undefined && !sameKind(this.#unproven, bytes)) {
      this.#notKept('not-image', head.status);
      return;
    }
    if (this.#overtaken) {
      this.#house.passed('purged');
      return;
    }
    const kept = this.#house.store?.put({
      sourceKey,
      variantKey: this.#variantKey,
      varyNames: this.#vary,
      status: head.status,
      headers: head.headers,
      body: bytes,
      position: this.#position,
      facts: { freshness, head: prepared, said: undefined },
    });
    if (kept !== true) return this.#house.passed('too-big');
    this.#stored = bytes;
    this.#house.passes.forget(sourceKey);
  }

  #notKept(reason: Reason, status: number): void {
    this.#house.passed(reason);
    // A failure of the origin passes; lack of memory says nothing about the source; credentials speak for one client only.
    if (status >= 500 || reason === 'fill-memory' || this.order.personal) return;
    this.#house.passes.remember(this.order.sourceKey, reason, this.#house.clock.monoMs());
    if (this.order.previous !== undefined && !this.#overtaken && isReplacement(status, reason))
      this.#house.store?.remove(this.order.sourceKey);
  }

  #tellHead(plan: FillPlan): void {
    this.#exclusive ||= !isShared(plan);
    const starter = this.#starter;
    for (const waiter of [...this.#waiters]) {
      this.#waiters.delete(waiter);
      waiter.news(this.#turnedAway(waiter, starter, plan) ?? { kind: 'body' });
    }
  }

  // Why a waiter may not have the answer that came: it is for another, or of another variant.
  #turnedAway(waiter: FlightWaiter, starter: FlightWaiter | undefined, plan: FillPlan): FlightNews | undefined {
    if (waiter === starter) return undefined;
    if (plan.kind === 'pass' && !plan.share) return { kind: 'alone', reason: plan.reason };
    return this.#variantOf(waiter.fields) === this.#variantKey ? undefined : { kind: 'other-variant' };
  }

  #chooseVariant(headers: HeaderList): void {
    const vary = varyNames(headers);
    this.#vary = vary === '*' ? [] : vary;
    this.#variantKey = this.#variantOf(this.order.fields);
  }

  #variantOf(fields: HeaderList): string {
    if (this.#vary.length === 0) return this.order.sourceKey;
    return variantKey(this.order.sourceKey, this.#vary, (name) => firstValue(fields, name));
  }

  #fail(fault: Fault): void {
    this.#tell(() => ({ kind: 'failed', fault }));
    this.#endReaders((reader) => reader.cut());
  }

  #tell(newsFor: (waiter: FlightWaiter) => FlightNews): void {
    this.#state = 'landed';
    for (const waiter of [...this.#waiters]) {
      this.#waiters.delete(waiter);
      waiter.news(newsFor(waiter));
    }
  }

  #endReaders(tell: (reader: FlightReader) => void): void {
    this.#state = 'landed';
    for (const reader of [...this.#readers]) {
      this.#readers.delete(reader);
      tell(reader);
    }
  }

  #wake(): void {
    const wake = this.#wakeFill;
    this.#wakeFill = undefined;
    wake?.();
  }
}

function isShared(plan: FillPlan): boolean {
  return plan.kind === 'keep' || plan.share;
}

/**
 * Whether an answer that is not kept takes the place of the stored one (RFC 9111 §4.3.3: a full response to a validation says that
 * the stored one is no longer suitable). Other errors than "it is gone" speak of the request or of the moment, and bytes that are
 * no image of a page that some wall has put in the way: the stored image may still stand in when the origin fails.
 */
function isReplacement(status: number, reason: Reason): boolean {
  if (reason === 'not-image' || reason === 'partial') return false;
  return status < 400 || status === 404 || status === 410 || status === 451;
}

/** A tier that keeps anything at all finds every body too big whose head alone fills it, which is not the tier being off. */
function roomFor(maxKeep: Bytes, headCost: Bytes): Bytes {
  return maxKeep === 0 ? 0 : Math.max(1, maxKeep - headCost);
}

function ageOf(plan: FillPlan, headers: HeaderList, responseMs: WallMs): number {
  if (plan.kind === 'keep') return ageSeconds(plan.freshness, responseMs);
  return ageFieldSeconds(headers);
}
