// Log entries as JSON, and back. One form for every log, so that a file and a stream carry the same words.
// Promises: what `encodeEntry` gives, `decodeEntry` takes; both hold the same bounds.
// Refuses: unknown kinds, unknown or missing keys and values out of bounds. A reader that does not understand a record may
// not skip it, for it would serve what the record purged: it must treat the log as lost.

import type { LogEntry } from './log.ts';

/** A source key is a site name, a path and a query that all came in one bounded request head. */
const MAX_KEY_LENGTH = 65_536;
const ID = /^[\x21-\x7e]{1,64}$/;

export type Decoded = { readonly ok: true; readonly entry: LogEntry } | { readonly ok: false; readonly why: string };

/** A copy of the entry in the shape that is written as JSON. An entry that `decodeEntry` would refuse is a defect and throws. */
export function encodeEntry(entry: LogEntry): LogEntry {
  const decoded = decodeEntry(entry);
  if (!decoded.ok) throw new Error(`not an entry of the purge log: ${decoded.why}`);
  return decoded.entry;
}

export function decodeEntry(value: unknown): Decoded {
  if (!isRecord(value)) return no('an entry is an object');
  if (value['kind'] !== 'purge') return no('the kind of entry is not known');
  if (!hasExactly(value, ['kind', 'id', 'target', 'soft'])) return no('a purge has exactly kind, id, target and soft');
  const { id, target, soft } = value;
  if (typeof id !== 'string' || !ID.test(id)) return no('id is 1 to 64 visible ASCII characters');
  if (typeof soft !== 'boolean') return no('soft is true or false');
  if (!isRecord(target) || target['kind'] !== 'url') return no('the kind of target is not known');
  if (!hasExactly(target, ['kind', 'key'])) return no('a url target has exactly kind and key');
  const key = target['key'];
  if (typeof key !== 'string' || key.length === 0 || key.length > MAX_KEY_LENGTH)
    return no(`key is 1 to ${MAX_KEY_LENGTH} characters`);
  // A lone surrogate would not come back from UTF-8 as it went.
  if (!key.isWellFormed()) return no('key is not well-formed text');
  return { ok: true, entry: { kind: 'purge', id, target: { kind: 'url', key }, soft } };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function hasExactly(value: Readonly<Record<string, unknown>>, keys: readonly string[]): boolean {
  return Object.keys(value).length === keys.length && keys.every((key) => Object.hasOwn(value, key));
}

function no(why: string): Decoded {
  return { ok: false, why };
}
