// Variants of one source: which request fields choose among them (Vary) and the key that these make.
// Promises: two requests share a variant key only if every chosen field is equal, white space around commas aside; a field
// that is absent differs from an empty one. A Vary that cannot be read varies on everything.
// Refuses: more than 32 names in a Vary, which count as everything.

import { type HeaderList, joinedValue } from '../wire/headers.ts';

const MOST_NAMES = 32;
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
