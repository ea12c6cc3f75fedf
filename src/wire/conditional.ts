// Conditional requests (RFC 9110 §13) against one stored 200: may a 304 be sent, does a range condition hold.
// Promises: pure; an entity tag or a date that breaks the grammar matches nothing, so the worst a broken validator costs is
// a whole body. Refuses: to judge any other stored status (§13.2.1: conditions are for what would be a 2xx) and any method
// but GET and HEAD; the caller asks only for those.

import type { WallMs } from '../base/units.ts';
import { parseHttpDate } from './date.ts';

/** `strong`: equal and neither weak; `weak`: equal but for the mark (RFC 9110 §8.8.3.2). */
export type EtagComparison = 'strong' | 'weak';

export interface Conditions {
  readonly ifNoneMatch?: string | undefined;
  readonly ifModifiedSince?: string | undefined;
}

export interface Validators {
  readonly etag?: string | undefined;
  readonly lastModified?: string | undefined;
  /** The Date field of the stored answer. */
  readonly date?: string | undefined;
}

interface Etag {
  readonly weak: boolean;
  readonly opaque: string;
}

/** RFC 9110 §8.8.3: `entity-tag = [ weak ] opaque-tag`; the mark is case-sensitive, commas may stand inside the quotes. */
const ETAG = /^(W\/)?("[\x21\x23-\x7e\x80-\xff]*")$/;
const LIST_MEMBER = /(W\/)?("[\x21\x23-\x7e\x80-\xff]*")(?=[ \t]*(?:,|$))|[\s\S]/gy;

/** Whether two entity tags are equal. */
export function sameEtag(a: string, b: string, how: EtagComparison): boolean {
  const left = parseEtag(a);
  const right = parseEtag(b);
  return left !== undefined && right !== undefined && equal(left, right, how);
}

/** Whether `etag` is one of a list of entity tags (the value of If-None-Match or If-Match that is not `*`). */
export function etagInList(list: string, etag: string, how: EtagComparison): boolean {
  const sought = parseEtag(etag);
  if (sought === undefined) return false;
  let whole = true; // nothing foreign stands between the last comma and here
  for (const [text, mark, opaque] of list.matchAll(LIST_MEMBER)) {
    if (opaque !== undefined) {
      if (whole && equal({ weak: mark !== undefined, opaque }, sought, how)) return true;
      whole = false;
    } else if (text === '"')
      return false; // a quote that opens no tag: from here on no comma is known to part members
    else if (text === ',') whole = true;
    else if (text !== ' ' && text !== '\t') whole = false;
  }
  return false;
}

/** Whether the conditions of a GET or HEAD let a stored 200 be answered with 304. */
export function notModified(request: Conditions, stored: Validators): boolean {
  // RFC 9110 §13.2.2, step 3: "When If-None-Match is present, evaluate"; false for GET and HEAD is 304.
  if (request.ifNoneMatch !== undefined) {
    // §13.1.2: with "*" the condition is false "if the origin server has a current representation": the stored one.
    if (request.ifNoneMatch === '*') return true;
    // §13.1.2: "A recipient MUST use the weak comparison function".
    return stored.etag !== undefined && etagInList(request.ifNoneMatch, stored.etag, 'weak');
  }
  // §13.2.2, step 4: only "when If-None-Match is not present". §13.1.3: ignored "if the field value is not a valid HTTP-date".
  const sinceMs = dateMs(request.ifModifiedSince);
  if (sinceMs === undefined) return false;
  // RFC 9111 §4.3.2: where Last-Modified is missing, "a cache SHOULD use the stored response's Date field value".
  const changedMs = dateMs(stored.lastModified) ?? dateMs(stored.date);
  // RFC 9110 §13.1.3: false "if the selected representation's last modification date is earlier or equal".
  return changedMs !== undefined && changedMs <= sinceMs;
}

/** Whether Range may be applied: true without If-Range, else only if its validator is the stored one, strongly. */
export function rangeConditionHolds(ifRange: string | undefined, stored: Validators): boolean {
  if (ifRange === undefined) return true;
  // RFC 9110 §13.1.5: a tag and a date are told apart by "the first three characters for a DQUOTE".
  if (ifRange.slice(0, 3).includes('"')) return stored.etag !== undefined && sameEtag(ifRange, stored.etag, 'strong');
  const presentedMs = dateMs(ifRange);
  const modifiedMs = dateMs(stored.lastModified);
  const sentMs = dateMs(stored.date);
  if (presentedMs === undefined || modifiedMs === undefined || sentMs === undefined) return false;
  // §13.1.5: a date that "is not a strong validator in the sense defined by Section 8.8.2.2" makes the condition false, and
  // for a cache it is strong when the stored answer's Date "is at least one second after the Last-Modified value";
  // else it must exactly match: an older date is no match, unlike in If-Modified-Since.
  return sentMs - modifiedMs >= 1000 && presentedMs === modifiedMs;
}

function parseEtag(text: string): Etag | undefined {
  const match = ETAG.exec(text);
  return match === null ? undefined : { weak: match[1] !== undefined, opaque: match[2]! };
}

function equal(a: Etag, b: Etag, how: EtagComparison): boolean {
  return a.opaque === b.opaque && (how === 'weak' || !(a.weak || b.weak));
}

function dateMs(text: string | undefined): WallMs | undefined {
  return text === undefined ? undefined : parseHttpDate(text);
}
