// The contract between a flight and those around it: what it is ordered to fetch, what it needs of its node, what it tells those who
// wait for it and those who read it. Types and prose only.

import type { PreparedHead } from '../answer/prepared.ts';
import type { Clock } from '../base/clock.ts';
import type { Fault } from '../base/fault.ts';
import type { Position } from '../base/position.ts';
import type { Reason } from '../base/reasons.ts';
import type { Bytes } from '../base/units.ts';
import type { Origin, OriginRequest } from '../origin/origin.ts';
import type { Tier } from '../store/store.ts';
import type { HeaderList } from '../wire/headers.ts';
import type { BodyReader, FillBudget } from './fill-body.ts';
import type { Passes } from './passes.ts';
import type { Answer, AnswerFacts, CacheSiteRules } from './request.ts';

/** What a waiter is told once. */
export type FlightNews =
  /** The head is known: read the body with a FlightReader. */
  | { readonly kind: 'body' }
  /** The origin said 304: the stored answer, made fresh. */
  | { readonly kind: 'validated'; readonly answer: Answer; readonly stored: boolean }
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
  /** It will never be whole: the client must see that. */
  cut(): void;
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
  landed(flight: { readonly order: FlightOrder }): void;
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
