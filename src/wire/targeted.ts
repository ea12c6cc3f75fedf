// Targeted cache control (RFC 9213): fields such as CDN-Cache-Control whose word replaces Cache-Control and Expires for the cache they
// are meant for. Promises: a field is a dictionary of structured fields (RFC 8941 §3.2) or it is not heard at all.
// Refuses: what the grammar refuses, a trailing comma included; a doubled key is not an error, its last value counts.

import { type HeaderList, joinedValue } from './headers.ts';

const KEY = '[a-z*][a-z0-9_.*-]*';
const STRING = '"(?:[\\x20\\x21\\x23-\\x5b\\x5d-\\x7e]|\\\\["\\\\])*"';
const ITEM = `(?:-?\\d{1,12}\\.\\d{1,3}|-?\\d{1,15}|${STRING}|[A-Za-z*][!#$%&'*+.^_\`|~0-9A-Za-z:/-]*|:[A-Za-z0-9+/=]*:|\\?[01])`;
const PARAMETERS = `(?:; *${KEY}(?:=${ITEM})?)*`;
const LIST = `\\( *(?:${ITEM}${PARAMETERS}(?: +${ITEM}${PARAMETERS})*)? *\\)`;
const MEMBER = new RegExp(`(${KEY})(?:=(${ITEM}|${LIST}))?${PARAMETERS}(?:[ \\t]*,[ \\t]*(?=[a-z*])|$)`, 'y');
/** Longer than any that says something; a bound for the expressions above. */
const MOST_BYTES = 4096;

/**
 * The word of the first of `names` (lower case, in order) that is present, valid and not empty, in the form of a Cache-Control
 * value; undefined when there is none, and Cache-Control itself is to be heard (RFC 9213 §2.2).
 */
export function targetedControl(headers: HeaderList, names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = joinedValue(headers, name);
    const directives = value === undefined ? undefined : readDictionary(value.trim());
    // §2.1: a field that is empty or does not parse "MUST be ignored by the cache", as if it were not there.
    if (directives === undefined || directives.size === 0) continue;
    const words: string[] = [];
    for (const [key, item] of directives) {
      if (item === '?0') continue;
      words.push(item === '?1' ? key : `${key}=${item}`);
    }
    return words.join(', ');
  }
  return undefined;
}

// Keys and their items as written; a key alone stands for true. Undefined: not a dictionary.
function readDictionary(text: string): ReadonlyMap<string, string> | undefined {
  if (text.length > MOST_BYTES) return undefined;
  const members = new Map<string, string>();
  let at = 0;
  while (at < text.length) {
    MEMBER.lastIndex = at;
    const match = MEMBER.exec(text);
    if (match === null) return undefined;
    // RFC 8941 §3.2: "when duplicate dictionary keys are encountered, all but the last instance are ignored".
    members.set(match[1]!, match[2] ?? '?1');
    at = MEMBER.lastIndex;
  }
  return members;
}
