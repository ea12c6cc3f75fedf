// May this answer be kept, and for how long: the storing side of RFC 9111, with the site's ttl rules on top.
// Promises: a pure function of the answer, the rules and two times; each clause stands under the sentence it implements.
// Refuses: to keep what the origin forbade, whatever the site's rules say; to guess where the origin gave a lifetime that
// cannot be read (it is then 0). Authorization needs no rule here: what was asked with a client's credentials is never kept
// (flight.ts).

import { varyNames } from '../answer/variant.ts';
import type { Reason } from '../base/reasons.ts';
import type { Ms, WallMs } from '../base/units.ts';
import type { OriginHead } from '../origin/origin.ts';
import { type CacheControl, deltaSeconds, MOST_SECONDS, parseCacheControl } from '../wire/cache-control.ts';
import { parseHttpDate } from '../wire/date.ts';
import { firstValue, type HeaderList, joinedValue } from '../wire/headers.ts';
import { targetedControl } from '../wire/targeted.ts';

/** The part of a site's rules that this file reads. */
export interface LifetimeRules {
  readonly ttl: {
    /** For answers without an explicit lifetime and with a status of DEFAULT_STATUSES; 0: the heuristic of RFC 9111 §4.2.2. */
    readonly default: Ms;
    readonly min: Ms;
    readonly max: Ms;
    /** By status, for answers without an explicit lifetime; more special than `default`, taken as it stands. */
    readonly status: Readonly<Record<string, Ms>>;
  };
  /** Lower-case names of targeted fields (RFC 9213), in order; the first that says something replaces Cache-Control and Expires. */
  readonly cdn_cache_control?: readonly string[];
}

export interface Freshness {
  /** When the answer had age 0: the response time minus the corrected initial age. */
  readonly bornMs: WallMs;
  readonly lifetimeMs: Ms;
  /** Never to be used stale: must-revalidate, proxy-revalidate or a bare s-maxage. */
  readonly mustRevalidate: boolean;
  /** Never to be used without asking the origin, however young. */
  readonly noCache: boolean;
  /** The origin's own words on use after the lifetime; undefined where it said nothing. */
  readonly staleWhileRevalidateMs: Ms | undefined;
  readonly staleIfErrorMs: Ms | undefined;
}

export type Storability =
  | { readonly kind: 'store'; readonly freshness: Freshness }
  | { readonly kind: 'pass'; readonly reason: Reason };

/** By the wall clock: when the request was sent and when the head of its answer came. */
export interface FetchTimes {
  readonly requestMs: WallMs;
  readonly responseMs: WallMs;
}

/** Statuses that ttl.default is for. */
const DEFAULT_STATUSES: ReadonlySet<number> = new Set([200, 203, 204, 300, 301, 308]);

/**
 * Statuses kept when the origin gave them a lifetime. RFC 9111 §3 would let us keep any final one; those left out are
 * forbidden to caches (428, 429, 431, 511: RFC 6585), mean something beyond the answer (206, 304, 401, 407, 412, 416, 421),
 * or are a failure of the moment (5xx), which only ttl.status may keep.
 */
const UNDERSTOOD: ReadonlySet<number> = new Set([200, 203, 204, 300, 301, 302, 303, 307, 308, 400, 403, 404, 405, 410, 414, 451]);

const DAY_MS: Ms = 86_400_000;

/** Whether an answer to a whole GET may be kept. For a 304: ask again with the stored status and the updated headers. */
export function storability(answer: OriginHead, rules: LifetimeRules, times: FetchTimes): Storability {
  const { status } = answer;
  const headers = heardHeaders(answer.headers, rules.cdn_cache_control ?? []);
  const control = parseCacheControl(joinedValue(headers, 'cache-control'));

  // RFC 9111 §3: "the response status code is final"; "if the response status code is 206 or 304 ...: the cache understands
  // the response status code". A 206 was not asked for; a 304 is no answer to keep.
  if (status === 206) return pass('partial');
  if (status < 200 || status === 304) return pass('status');
  // §3: "the no-store cache directive is not present in the response".
  if (control.noStore) return pass('no-store');
  // §3: "if the cache is shared: the private response directive is either not present or allows a shared cache".
  if (control.private) return pass('private');
  // RFC 6265 §3 lets caches keep Set-Cookie; one visitor's cookie must not reach the next, so no shared image cache does.
  if (firstValue(headers, 'set-cookie') !== undefined) return pass('set-cookie');
  // §4.1: "A stored response with a Vary header field value containing a member "*" always fails to match."
  if (varyNames(headers) === '*') return pass('vary-star');
  // None is asked for, unless the site sends Accept-Encoding on; and whether a client can read it is asked of nobody here.
  if (isEncoded(headers)) return pass('encoding');

  // §3: an explicit lifetime, or "a status code that is defined as heuristically cacheable": of these the site's choice.
  const explicitMs = explicitLifetimeMs(control, headers, times.responseMs);
  const named = rules.ttl.status[String(status)];
  if (named === undefined && !(explicitMs === undefined ? DEFAULT_STATUSES : UNDERSTOOD).has(status)) return pass('status');
  // §3: "if ... the must-understand cache directive ... is present: the cache understands the response status code".
  if (control.mustUnderstand && !UNDERSTOOD.has(status)) return pass('status');

  const noCache = control.noCache || pragmaNoCache(headers);
  const lifetimeMs = noCache ? 0 : chosenLifetimeMs(explicitMs, named, headers, rules, times.responseMs);
  // An answer that must be asked about before every use is worth keeping only if the origin can say "not modified".
  if (lifetimeMs === 0 && !canBeRevalidated(status, headers, times.responseMs)) return pass('zero-ttl');

  return { kind: 'store', freshness: { bornMs: bornMs(headers, times), lifetimeMs, noCache, ...staleness(control) } };
}

/** RFC 9213 §2.2: with a targeted field the cache "MUST ignore the Cache-Control and Expires header fields"; Pragma speaks no louder. */
function heardHeaders(headers: HeaderList, targets: readonly string[]): HeaderList {
  const targeted = targetedControl(headers, targets);
  if (targeted === undefined) return headers;
  const others = headers.filter(([name]) => name !== 'cache-control' && name !== 'expires' && name !== 'pragma');
  return [...others, ['cache-control', targeted]];
}

/** The Age to send (RFC 9111 §5.1): whole seconds, 0 to 2^31. */
export function ageSeconds(freshness: Freshness, nowMs: WallMs): number {
  return Math.min(MOST_SECONDS, Math.floor(ageMs(freshness, nowMs) / 1000));
}

/** §4.2.3: `current_age = corrected_initial_age + resident_time`; never negative, though a wall clock may step back. */
export function ageMs(freshness: Freshness, nowMs: WallMs): Ms {
  return Math.max(0, nowMs - freshness.bornMs);
}

function pass(reason: Reason): Storability {
  return { kind: 'pass', reason };
}

function isEncoded(headers: HeaderList): boolean {
  const codings = joinedValue(headers, 'content-encoding') ?? '';
  return codings.split(',').some((coding) => !/^[ \t]*(?:identity)?[ \t]*$/i.test(coding));
}

/** RFC 9111 §4.2.1, "the first match": s-maxage, max-age, Expires minus Date; undefined when there is none of them. */
function explicitLifetimeMs(control: CacheControl, headers: HeaderList, responseMs: WallMs): Ms | undefined {
  const seconds = control.sMaxage ?? control.maxAge;
  if (seconds !== undefined) return seconds * 1000;
  const expires = firstValue(headers, 'expires');
  if (expires === undefined) return undefined;
  // §5.3: invalid dates, "especially the value "0"", represent "a time in the past (i.e., "already expired")".
  const expiresMs = parseHttpDate(expires, responseMs);
  return expiresMs === undefined ? 0 : Math.max(0, expiresMs - dateMs(headers, responseMs));
}

function chosenLifetimeMs(
  explicitMs: Ms | undefined,
  named: Ms | undefined,
  headers: HeaderList,
  rules: LifetimeRules,
  responseMs: WallMs,
): Ms {
  if (explicitMs === undefined && named !== undefined) return named;
  const ms = explicitMs ?? (rules.ttl.default > 0 ? rules.ttl.default : heuristicMs(headers, responseMs));
  return Math.max(rules.ttl.min, Math.min(rules.ttl.max, ms));
}

/** §4.2.2: "no more than some fraction of the interval since" Last-Modified; "a typical setting of this fraction might be 10%". */
function heuristicMs(headers: HeaderList, responseMs: WallMs): Ms {
  const modifiedMs = lastModifiedMs(headers, responseMs);
  if (modifiedMs === undefined) return 0;
  return Math.max(0, Math.min(DAY_MS, Math.floor((dateMs(headers, responseMs) - modifiedMs) / 10)));
}

/** §5.4: Pragma is deprecated, but who sends `no-cache` there and no Cache-Control at all speaks to caches of old. */
function pragmaNoCache(headers: HeaderList): boolean {
  if (firstValue(headers, 'cache-control') !== undefined) return false;
  return parseCacheControl(joinedValue(headers, 'pragma')).noCache; // §5.4: the same grammar as Cache-Control
}

/** RFC 9110 §13.2.1: conditions are answered only for what would be a 2xx; only there can a validator be asked with. */
function canBeRevalidated(status: number, headers: HeaderList, nowMs: WallMs): boolean {
  if (status >= 300) return false;
  const etag = firstValue(headers, 'etag');
  return (etag !== undefined && etag !== '') || lastModifiedMs(headers, nowMs) !== undefined;
}

function bornMs(headers: HeaderList, { requestMs, responseMs }: FetchTimes): WallMs {
  // RFC 9111 §4.2.3, term by term. A Date ahead of our clock is skew, not youth: the apparent age is never negative.
  const apparentAgeMs = Math.max(0, responseMs - dateMs(headers, responseMs));
  const responseDelayMs = Math.max(0, responseMs - requestMs);
  const correctedAgeMs = ageFieldSeconds(headers) * 1000 + responseDelayMs;
  return responseMs - Math.max(apparentAgeMs, correctedAgeMs);
}

/** The Age that came, 0 without one. §5.1: "SHOULD use the first member of the field value"; what is then no non-negative integer, "a cache SHOULD ignore". */
export function ageFieldSeconds(headers: HeaderList): number {
  const first = /^[ \t]*(\d+)[ \t]*(?:,|$)/.exec(firstValue(headers, 'age') ?? '');
  return deltaSeconds(first?.[1]) ?? 0;
}

/** RFC 9110 §6.6.1: an answer without a (readable) Date is taken to be of the time it came. */
function dateMs(headers: HeaderList, responseMs: WallMs): WallMs {
  const date = firstValue(headers, 'date');
  return (date === undefined ? undefined : parseHttpDate(date, responseMs)) ?? responseMs;
}

function lastModifiedMs(headers: HeaderList, nowMs: WallMs): WallMs | undefined {
  const modified = firstValue(headers, 'last-modified');
  return modified === undefined ? undefined : parseHttpDate(modified, nowMs);
}

function staleness(control: CacheControl): Pick<Freshness, 'mustRevalidate' | 'staleWhileRevalidateMs' | 'staleIfErrorMs'> {
  const staleWhileRevalidateMs = milliseconds(control.staleWhileRevalidate);
  const staleIfErrorMs = milliseconds(control.staleIfError);
  // RFC 9111 §4.2.4: not stale "if prohibited by an explicit in-protocol directive (e.g., by a no-cache response directive, a
  // must-revalidate response directive, or an applicable s-maxage or proxy-revalidate response directive)".
  if (control.mustRevalidate || control.proxyRevalidate)
    return { mustRevalidate: true, staleWhileRevalidateMs: undefined, staleIfErrorMs: undefined };
  if (control.sMaxage === undefined) return { mustRevalidate: false, staleWhileRevalidateMs, staleIfErrorMs };
  // RFC 5861 written beside s-maxage lifts that for the use it names, as CDNs read it; the other use stays forbidden.
  if (staleWhileRevalidateMs === undefined && staleIfErrorMs === undefined)
    return { mustRevalidate: true, staleWhileRevalidateMs: undefined, staleIfErrorMs: undefined };
  return {
    mustRevalidate: false,
    staleWhileRevalidateMs: staleWhileRevalidateMs ?? 0,
    staleIfErrorMs: staleIfErrorMs ?? 0,
  };
}

function milliseconds(seconds: number | undefined): Ms | undefined {
  return seconds === undefined ? undefined : seconds * 1000;
}
