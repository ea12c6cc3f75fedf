// The request and response fields that deckle itself reads, each with a small number, so that a scanned head answers
// "the value of X" by an index instead of a search. Fields not listed here are passed on or dropped, never interpreted.

export const FIELD_NAMES = [
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'referer',
  'range',
  'if-range',
  'if-none-match',
  'if-modified-since',
  'accept',
  'accept-language',
  'accept-encoding',
  'user-agent',
  'cookie',
  'authorization',
  'cache-control',
  'pragma',
  'forwarded',
  'via',
  'cdn-loop',
  'expect',
  'upgrade',
  'te',
  'trailer',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'x-forwarded-for',
  'x-request-id',
  'x-deckle-peer',
  'x-deckle-from',
  'x-deckle-result',
  'x-deckle-copy',
  'content-type',
  'cache-status',
] as const;

export type FieldName = (typeof FIELD_NAMES)[number];

/** Field number of a name; numbers begin at 1, 0 means "not one of ours". */
export const FIELD_NUMBER: Readonly<Record<FieldName, number>> = Object.freeze(
  Object.fromEntries(FIELD_NAMES.map((name, at) => [name, at + 1])) as Record<FieldName, number>,
);

/** Case-blind rolling hash of a field name, as the scanner computes it byte by byte. */
function fieldHash(name: string): number {
  let hash = 0;
  for (let at = 0; at < name.length; at += 1) hash = (Math.imul(hash, 31) + (name.charCodeAt(at) | 0x20)) | 0;
  return hash;
}

const BY_HASH: ReadonlyMap<number, number> = new Map(FIELD_NAMES.map((name, at) => [fieldHash(name), at + 1]));
if (BY_HASH.size !== FIELD_NAMES.length) throw new Error('two field names share a hash: change the multiplier');

const NAME_BYTES: readonly Buffer[] = FIELD_NAMES.map((name) => Buffer.from(name, 'latin1'));

/** The number of the field whose name stands in `bytes` from `start` to `end` and has hash `hash`; 0 when it is not ours. */
export function fieldNumber(hash: number, bytes: Buffer, start: number, end: number): number {
  const number = BY_HASH.get(hash);
  if (number === undefined) return 0;
  const name = NAME_BYTES[number - 1]!;
  if (name.length !== end - start) return 0;
  for (let at = 0; at < name.length; at += 1) {
    const byte = bytes[start + at]!;
    const lower = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
    if (lower !== name[at]) return 0;
  }
  return number;
}
