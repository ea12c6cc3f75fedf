// What a stored answer asks of it at the origin, and what its word changes: the conditions of a revalidation, what a 304 speaks
// of, and the fields after it (RFC 9111 §4.3). Which request fields choose a variant stands in answer/variant.ts.
// Promises: pure; neither a list that is given nor one that was made before is changed.

import { sameEtag } from '../wire/conditional.ts';
import { parseHttpDate } from '../wire/date.ts';
import { firstValue, type HeaderList, type HeaderPair } from '../wire/headers.ts';

/** RFC 9111 §3.2: a 304 does not change Content-Length nor the fields that the stored body "depends upon". */
const OF_THE_BODY: ReadonlySet<string> = new Set(['content-length', 'content-encoding', 'content-type', 'content-range']);
/** Of the moment the stored answer was made. Kept under the time of a 304 that omits them, they would age it twice (§4.2.3). */
const OF_THE_MOMENT: ReadonlySet<string> = new Set(['age', 'date']);

/** The conditions that ask the origin whether a stored answer still stands; empty when it has no validator. */
export function conditionalHeaders(stored: HeaderList): HeaderList {
  const conditions: HeaderPair[] = [];
  // RFC 9111 §4.3.1: "MUST send the relevant entity tags" in If-None-Match; "SHOULD send the Last-Modified value".
  const etag = firstValue(stored, 'etag');
  if (etag !== undefined && etag !== '') conditions.push(['if-none-match', etag]);
  const modified = firstValue(stored, 'last-modified');
  if (modified !== undefined && parseHttpDate(modified) !== undefined) conditions.push(['if-modified-since', modified]);
  return conditions;
}

/**
 * Whether a 304 speaks of the stored answer (RFC 9111 §4.3.4): its validators, where it has any, are the stored ones. If not,
 * "the cache MUST NOT use the new response to update any stored responses": ask again without conditions.
 */
export function confirms(stored: HeaderList, from304: HeaderList): boolean {
  const etag = firstValue(from304, 'etag');
  const storedEtag = firstValue(stored, 'etag');
  if (etag !== undefined && storedEtag !== undefined) return etag === storedEtag || sameEtag(etag, storedEtag, 'weak');
  const modified = firstValue(from304, 'last-modified');
  const storedModified = firstValue(stored, 'last-modified');
  if (modified === undefined || storedModified === undefined) return true;
  return modified === storedModified || parseHttpDate(modified) === parseHttpDate(storedModified);
}

/** The fields of a stored answer after a 304 confirmed it (RFC 9111 §3.2): those of the 304 replace, the others stay. */
export function updatedHeaders(stored: HeaderList, from304: HeaderList): HeaderList {
  const fresh = from304.filter(([name]) => !OF_THE_BODY.has(name));
  const replaced = new Set(fresh.map(([name]) => name));
  return [...stored.filter(([name]) => !replaced.has(name) && !OF_THE_MOMENT.has(name)), ...fresh];
}
