// What a request to the origin carries: the fields the site sends on, and deckle's own.
// Promises: nothing a client sends can pose as deckle's word; the fields that are sent on are those that may choose a variant.

import { type HeaderList, type HeaderPair, HOP_BY_HOP } from '../wire/headers.ts';
import type { HeadScanner } from '../wire/scanner.ts';

/** Never sent on, named or not: the cache asks for whole answers with conditions of its own, and writes the way itself. */
const NEVER: ReadonlySet<string> = new Set([
  'x-forwarded-for',
  'via',
  'cdn-loop',
  'x-request-id',
  'range',
  'if-range',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
]);
/** Never sent on by `*`: the connection's own, the cache's own, those that rewrite a request, those deckle writes. */
const WITHHELD: ReadonlySet<string> = new Set([
  ...HOP_BY_HOP,
  'host',
  'content-length',
  'content-type',
  'expect',
  'cookie',
  'forwarded',
  'x-host',
  'accept-encoding',
]);
const WITHHELD_PREFIXES = ['x-forwarded-', 'x-original-', 'x-rewrite-', 'x-http-method', 'x-deckle-'];

/** The client's fields that go to the origin, in a stable order, each name once. */
export function forwardedFields(head: HeadScanner, names: readonly string[]): HeaderList {
  const wanted = names.includes('*') ? [...new Set(head.pairs().map(([name]) => name))].filter(mayPass) : names;
  const connection = (head.list('connection') ?? '').toLowerCase();
  const fields: HeaderPair[] = [];
  for (const name of wanted) {
    const value = NEVER.has(name) ? undefined : head.find(name);
    if (value !== undefined && !connection.split(',').some((token) => token.trim() === name)) fields.push([name, value]);
  }
  return fields;
}

function mayPass(name: string): boolean {
  return !WITHHELD.has(name) && !WITHHELD_PREFIXES.some((prefix) => name.startsWith(prefix));
}

export interface Passage {
  readonly forwardedFor: string;
  readonly requestId: string;
  /** The request's own Via and CDN-Loop. */
  readonly via: string | undefined;
  readonly cdnLoop: string | undefined;
}

/** deckle's own fields: honest Via and X-Forwarded-For, CDN-Loop (RFC 8586). */
export function ownFields(passage: Passage): HeaderList {
  return [
    ['via', passage.via === undefined ? '1.1 deckle' : `${passage.via}, 1.1 deckle`],
    ['x-forwarded-for', passage.forwardedFor],
    ['cdn-loop', passage.cdnLoop === undefined ? 'deckle' : `${passage.cdnLoop}, deckle`],
    ['x-request-id', passage.requestId],
  ];
}
