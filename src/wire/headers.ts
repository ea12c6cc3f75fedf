// Header lists as the house passes them: pairs of lower-case name and latin1 value, in the order they came.
// Promises: names are compared in lower case only; a list is never changed by its reader.

export type HeaderPair = readonly [name: string, value: string];
export type HeaderList = readonly HeaderPair[];

/** The first value of `name` (lower case), or undefined. */
export function firstValue(headers: HeaderList, name: string): string | undefined {
  for (const pair of headers) if (pair[0] === name) return pair[1];
  return undefined;
}

/** All values of `name` (lower case) as one list value (RFC 9110 §5.3), or undefined when there is none. */
export function joinedValue(headers: HeaderList, name: string): string | undefined {
  let joined: string | undefined;
  for (const pair of headers) if (pair[0] === name) joined = joined === undefined ? pair[1] : `${joined}, ${pair[1]}`;
  return joined;
}

/** Hop-by-hop fields (RFC 9110 §7.6.1); those that `Connection` names come on top. */
export const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
