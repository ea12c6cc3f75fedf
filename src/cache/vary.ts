// Variants and revalidation by header fields: which request fields choose (Vary), the key they make, the conditions that
// ask an origin about a stored answer, and what a 304 changes in it.
// Promises: two requests share a variant key only if every chosen field is equal, white space around commas aside; a field
// that is absent differs from an empty one. A Vary that cannot be read varies on everything.
// Refuses: more than 32 names in a Vary, which count as everything.

import { sameEtag } from '../wire/conditional.ts';
import { parseHttpDate } from '../wire/date.ts';
import { firstValue, type HeaderList, type HeaderPair, joinedValue } from '../wire/headers.ts';

const MOST_NAMES = 32;
/** RFC 9111 §3.2: a 304 does not change Content-Length nor the fields that the stored body "depends upon". */
const OF_THE_BODY: ReadonlySet<string> = new Set(['content-length', 'content-encoding', 'content-type', 'content-range']);
/** Of the moment the stored answer was made. Kept under the time of a 304 that omits them, they would age it twice (§4.2.3). */
const OF_THE_MOMENT: ReadonlySet<string> = new Set(['age', 'date']);
const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;

/** The request fields that Vary names: lower case, sorted, each once; `*` when no later request can be known to match. */
export function varyNames(headers: HeaderList): readonly string[] | '*' {
  const vary = joinedValue(headers, 'vary');
  if (vary === undefined) return [];
  const names = new Set<string>();
  for (const member of vary.split(',')) {
    const name = trimmed(member).toLowerCase();
    if (name === '') continue;
    // RFC 9110 §12.5.5: a member "*" means that other aspects than fields "might have played a role".
    if (name === '*' || !FIELD_NAME.test(name) || names.size === MOST_NAMES) return '*';
    names.add(name);
  }
  return [...names].sort();
}

/**
 * The key of one variant: the source key, and for each name (as `varyNames` gives them) its value, with its length before it
 * so that no value can pose as the next field. `fieldOf` gives a field's lines joined by commas.
 */
export function variantKey(sourceKey: string, names: readonly string[], fieldOf: (name: string) => string | undefined): string {
  let key = sourceKey;
  for (const name of names) {
    const value = fieldOf(name);
    const plain = value === undefined ? undefined : withoutListSpace(value);
    key += plain === undefined ? `\0${name}` : `\0${name}=${plain.length}:${plain}`;
  }
  return key;
}

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

/** RFC 9111 §4.1: values match when they can be made equal by white space "where allowed in the header field's syntax". */
function withoutListSpace(value: string): string {
  const members: string[] = [];
  let start = 0;
  let quoted = false;
  for (let at = 0; at < value.length; at += 1) {
    const char = value[at];
    if (quoted && char === '\\') at += 1;
    else if (char === '"') quoted = !quoted;
    else if (char === ',' && !quoted) {
      members.push(trimmed(value.slice(start, at)));
      start = at + 1;
    }
  }
  members.push(trimmed(value.slice(start)));
  return members.join(',');
}

/** Without the spaces and tabs at its ends. A loop, since a pattern for the end of a text tries every run of spaces in it. */
function trimmed(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isSpace(text[start])) start += 1;
  while (end > start && isSpace(text[end - 1])) end -= 1;
  return text.slice(start, end);
}

function isSpace(char: string | undefined): boolean {
  return char === ' ' || char === '\t';
}
