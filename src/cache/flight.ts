// One fetch from the origin and everyone who waits for it: one fill per key, followers stream it while it comes in.
// Promises: waiters learn how it ended (a body to read, validated, not for sharing, failed), all at once; a fill outlives the
// client that started it; what a purge overtook is not stored; a pass that nobody reads any more is stopped.
// Every wait in here is bounded by the origin's own timeouts and by the least rate below.

import type { Clock } from '../base/clock.ts';
import { Fault } from '../base/fault.ts';
import type { Reason } from '../base/reasons.ts';
import type { Bytes, Ms, WallMs } from '../base/units.ts';
import { sameKind } from '../image/kind.ts';
import type { Origin, OriginBody, OriginHead, OriginRequest } from '../origin/origin.ts';
import type { Position } from '../purge/log.ts';
import type { Tier } from '../store/store.ts';
import type { HeaderList } from '../wire/headers.ts';
import { isBodiless } from '../wire/status.ts';
import { type Answer, type AnswerFacts, type PreparedHead, prepareHead } from './answer.ts';
import { type BodyReader, FillBody, type FillBudget } from './fill-body.ts';
import { ageSeconds, type Freshness, storability } from './freshness.ts';
import type { Passes } from './passes.ts';
import { type FillPlan, keepLimit, passPlan, planFill } from './plan.ts';
import type { CacheSiteRules } from './request.ts';
import { confirms, updatedHeaders, variantKey, varyNames } from './vary.ts';

/** What a waiter is told once. */
export type FlightNews =
  /** The head is known: read the body with a FlightReader. */
  | { readonly kind: 'body' }
  /** The origin said 304: the stored answer, made fresh. */
  | { readonly kind: 'validated'; readonly answer: Answer }
  /** The origin said 500, 502, 503 or 504 while a stored answer may stand in. */
  | { readonly kind: 'sick'; readonly status: number }
  /** The answer belongs to whoever started this; fetch your own. */
  | { readonly kind: 'alone'; readonly reason: Reason }
  /** The answer is of another variant; look again. */
  | { readonly kind: 'other-variant' }
  | { readonly kind: 'failed'; readonly fault: Fault };

export interface FlightWaiter {
  /** The request fields sent to the origin, which choose the variant. */
  readonly fields: HeaderList;
  news(news: FlightNews): void;
}

export interface FlightReader extends BodyReader {
  /** There may be more to read. */
  more(): void;
  ended(): void;
  failed(fault: Fault): void;
}

export interface FlightHead {
  readonly status: number;
  readonly length: number | undefined;
  readonly prepared: PreparedHead;
  /** Whole seconds, for the Age field. */
  readonly age: number;
  /** Why the answer will not be kept; undefined while it will be. */
  readonly passReason: Reason | undefined;
}

/** What a flight needs of its node. */
export interface FlightHouse {
  readonly clock: Clock;
  readonly store: Tier<AnswerFacts> | undefined;
  readonly maxKeep: Bytes;
  readonly budget: FillBudget;
  readonly passes: Passes;
  /** The position of the purge log that this node has applied. */
  position(): Position;
  originAnswered(origin: string, status: number | undefined): void;
  originBytes(origin: string, bytes: Bytes): void;
  passed(reason: Reason): void;
  landed(flight: Flight): void;
}

export interface FlightOrder {
  readonly sourceKey: string;
  readonly origin: Origin;
  readonly rules: CacheSiteRules;
  readonly request: OriginRequest;
  /** The headers of the request less the conditions of a validation. */
  readonly unconditional: HeaderList;
  /** The request fields sent on, without deckle's own: they choose the variant. */
  readonly fields: HeaderList;
  /** The stored answer that is being validated. */
  readonly previous: Answer | undefined;
  /** The previous answer may be served if the origin fails. */
  readonly sickUsable: boolean;
  /** Credentials of the client are sent on: the answer is for it alone. */
  readonly personal: boolean;
  /** Nobody may join: the source is known to be uncacheable, or the request is personal. */
  readonly alone: boolean;
}

/** An origin that sends less than this over a window of waiting is too slow to wait for: a fill must end. */
const LEAST_RATE_BYTES_PER_S = 1024;
const RATE_WINDOW_MS: Ms = 15_000;

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

  read(reader: FlightReader): void {
    this.#readers.add(reader);
    this.body.addReader(reader);
  }

  /** The reader took bytes or goes away: a fill that waited for room goes on. */
  advanced(): void {
    this.body.trim();
    if (this.body.room) this.#wake();
  }

  unread(reader: FlightReader): void {
    this.#readers.delete(reader);
    this.body.removeReader(reader);
    if (this.#state === 'streaming' && this.#readers.size === 0 && !this.body.keeping) {
      this.#originBody?.abort();
      this.#wake();
    } else if (this.body.room) this.#wake();
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
      this.body.release();
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
        this.#house.originAnswered(this.order.origin.name, undefined);
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
        return this.#tell({ kind: 'sick', status: head.status });
      }
      return await this.#stream(head, body, times);
    }
  }

  // RFC 9111 §4.3.4: the stored answer takes the fields of the 304 and its freshness, and keeps its body.
  #validated(previous: Answer, fields: HeaderList, times: { requestMs: WallMs; responseMs: WallMs }): void {
    const headers = updatedHeaders(previous.headers, fields);
    const rules = this.order.rules;
    const verdict = storability({ status: previous.status, headers, length: previous.body.length }, rules, times);
    if (verdict.kind === 'pass') {
      // The origin no longer lets it be kept: this answer may still be used for those who asked, then it is gone.
      this.#house.store?.remove(this.order.sourceKey);
      this.#tell({ kind: 'validated', answer: previous });
      return;
    }
    const facts: AnswerFacts = {
      freshness: verdict.freshness,
      head: prepareHead(headers, rules.response_headers, times.responseMs),
    };
    const answer: Answer = { ...previous, headers, facts, position: this.#position };
    if (!this.#overtaken) this.#house.store?.put(answer);
    this.#tell({ kind: 'validated', answer });
  }

  async #stream(head: OriginHead, body: OriginBody, times: { requestMs: WallMs; responseMs: WallMs }): Promise<void> {
    const { rules, fields } = this.order;
    let plan = this.order.personal ? passPlan('private') : planFill(head, rules, this.#house.maxKeep, times);
    const vary = varyNames(head.headers);
    if (vary !== '*') this.#vary = vary;
    this.#variantKey = this.#variantOf(fields);
    const length = isBodiless(head.status) ? 0 : head.length;
    if (plan.kind === 'keep') {
      const refusal = this.body.keep(length, keepLimit(head.status, rules, this.#house.maxKeep));
      if (refusal !== undefined) plan = passPlan(refusal);
    }
    const prepared = prepareHead(head.headers, rules.response_headers, times.responseMs);
    this.#head = {
      status: head.status,
      length,
      prepared,
      age: ageOf(plan, head.headers, times.responseMs),
      passReason: plan.kind === 'pass' ? plan.reason : undefined,
    };
    this.#state = 'streaming';
    if (plan.kind === 'pass') this.#notKept(plan.reason);
    this.#tellHead(plan);
    if (plan.kind === 'pass' && this.#readers.size === 0) {
      body.abort();
      return;
    }
    const fault = await this.#pour(body);
    if (fault !== undefined) {
      this.#endReaders((reader) => reader.failed(fault));
      return;
    }
    if (plan.kind === 'keep' && this.body.keeping) this.#store(head, prepared, plan.freshness);
    this.#endReaders((reader) => reader.ended());
  }

  // From the origin into the body until its end. Returns the fault that broke it off.
  async #pour(body: OriginBody): Promise<Fault | undefined> {
    let waitedMs = 0;
    let windowBytes = 0;
    for (;;) {
      while (!this.body.room) {
        if (this.#readers.size === 0) break;
        await new Promise<void>((resolve) => {
          this.#wakeFill = resolve;
        });
      }
      if (!this.body.keeping && this.#readers.size === 0) {
        body.abort();
        return new Fault('DECKLE_ORIGIN_RESET', 'nobody reads it any more');
      }
      const beforeMs = this.#house.clock.monoMs();
      const part = await body.read();
      if (part.kind === 'failed') return part.fault;
      if (part.kind === 'end') return undefined;
      this.#house.originBytes(this.order.origin.name, part.bytes.length);
      waitedMs += this.#house.clock.monoMs() - beforeMs;
      windowBytes += part.bytes.length;
      if (waitedMs > RATE_WINDOW_MS) {
        if (windowBytes < (LEAST_RATE_BYTES_PER_S * waitedMs) / 1000) {
          body.abort();
          return new Fault('DECKLE_ORIGIN_TIMEOUT', 'less than 1 KB a second');
        }
        waitedMs = 0;
        windowBytes = 0;
      }
      const refusal = this.body.push(part.bytes);
      if (refusal !== undefined) this.#notKept(refusal);
      for (const reader of [...this.#readers]) reader.more();
    }
  }

  #store(head: OriginHead, prepared: PreparedHead, freshness: Freshness): void {
    const { sourceKey, rules } = this.order;
    const bytes = this.body.whole();
    if (head.status === 200 && !rules.store.includes('*/*') && !sameKind(prepared.contentType, bytes)) {
      this.#notKept('not-image');
      return;
    }
    if (this.#overtaken) {
      this.#house.passed('purged');
      return;
    }
    this.#house.passes.forget(sourceKey);
    this.#house.store?.put({
      sourceKey,
      variantKey: this.#variantKey,
      varyNames: this.#vary,
      status: head.status,
      headers: head.headers,
      body: bytes,
      position: this.#position,
      facts: { freshness, head: prepared },
    });
  }

  // A stored answer that the origin has replaced by one that is not kept would be old bytes from now on.
  #notKept(reason: Reason): void {
    this.#house.passed(reason);
    // A failure of the origin passes; lack of memory says nothing about the source; credentials speak for one client only.
    if (this.head.status >= 500 || reason === 'fill-memory' || this.order.personal) return;
    this.#house.passes.remember(this.order.sourceKey, reason, this.#house.clock.monoMs());
    if (!this.#overtaken) this.#house.store?.remove(this.order.sourceKey);
  }

  #tellHead(plan: FillPlan): void {
    const share = plan.kind === 'keep' || plan.share;
    this.#exclusive ||= !share;
    const starter = this.#starter;
    for (const waiter of [...this.#waiters]) {
      this.#waiters.delete(waiter);
      if (waiter === starter) waiter.news({ kind: 'body' });
      else if (!share) waiter.news({ kind: 'alone', reason: plan.reason });
      else if (this.#variantOf(waiter.fields) !== this.#variantKey) waiter.news({ kind: 'other-variant' });
      else waiter.news({ kind: 'body' });
    }
  }

  #variantOf(fields: HeaderList): string {
    if (this.#vary.length === 0) return this.order.sourceKey;
    return variantKey(this.order.sourceKey, this.#vary, (name) => fields.find((pair) => pair[0] === name)?.[1]);
  }

  #fail(fault: Fault): void {
    this.#tell({ kind: 'failed', fault });
    this.#endReaders((reader) => reader.failed(fault));
  }

  #tell(news: FlightNews): void {
    this.#state = 'landed';
    for (const waiter of [...this.#waiters]) {
      this.#waiters.delete(waiter);
      waiter.news(news);
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

function ageOf(plan: FillPlan, headers: HeaderList, responseMs: WallMs): number {
  if (plan.kind === 'keep') return ageSeconds(plan.freshness, responseMs);
  const age = headers.find((pair) => pair[0] === 'age')?.[1];
  return age !== undefined && /^\d{1,9}$/.test(age) ? Number(age) : 0;
}
