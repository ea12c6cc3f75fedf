// Heads on their way through the front: the client's request as the node gets it, the node's answer as the client gets it.
// Promises: fields of one connection stay on it (RFC 9110 §7.6.1); X-Deckle-* is only ever written by us.

import { FIELD_NAMES, FIELD_NUMBER, type FieldName } from '../wire/fields.ts';
import { HOP_BY_HOP } from '../wire/headers.ts';
import type { HeadScanner } from '../wire/scanner.ts';

function numbersOf(names: readonly FieldName[]): ReadonlySet<number> {
  return new Set(names.map((name) => FIELD_NUMBER[name]));
}

const CONNECTION_FIELDS: readonly FieldName[] = FIELD_NAMES.filter((name) => HOP_BY_HOP.has(name));

/** Written anew towards the node, or of the connection. */
const REQUEST_DROPS = numbersOf([
  ...CONNECTION_FIELDS,
  'host',
  'content-length',
  'expect',
  'x-forwarded-for',
  'x-request-id',
  'x-deckle-peer',
  'x-deckle-from',
  'x-deckle-result',
]);

const RESPONSE_DROPS = numbersOf([...CONNECTION_FIELDS, 'x-deckle-peer', 'x-deckle-from', 'x-deckle-result']);

export interface RequestWords {
  readonly isHead: boolean;
  /** Canonical path and kept query. */
  readonly target: string;
  readonly authority: string;
  readonly forwardedFor: string;
  readonly id: string;
  /** Our own name, `front-1`. */
  readonly from: string;
  /** `X-Deckle-Peer: …` with its line end, or empty. */
  readonly peerLine: string;
}

/** The request head for the node. */
export function requestHead(head: HeadScanner, words: RequestWords): string {
  // Only a client of HTTP/1.0 may leave out Host: its request goes on as it is, since an empty one is refused.
  const end = words.authority === '' ? '1.0\r\n' : `1.1\r\nHost: ${words.authority}\r\n`;
  let text = `${words.isHead ? 'HEAD' : 'GET'} ${words.target} HTTP/${end}`;
  text += `X-Forwarded-For: ${words.forwardedFor}\r\nX-Request-Id: ${words.id}\r\nX-Deckle-From: ${words.from}\r\n${words.peerLine}`;
  return `${text}${fields(head, REQUEST_DROPS)}\r\n`;
}

/** The answer's field lines for the client, without the framing of the connection. */
export function responseLines(head: HeadScanner): string {
  return fields(head, RESPONSE_DROPS);
}

function fields(head: HeadScanner, drops: ReadonlySet<number>): string {
  const named = connectionNamed(head);
  let text = '';
  for (let at = 0; at < head.count; at += 1) {
    const number = head.numberAt(at);
    if (number !== 0) {
      if (drops.has(number)) continue;
    } else {
      const name = head.nameAt(at).toLowerCase();
      if (HOP_BY_HOP.has(name) || name.startsWith('x-deckle-')) continue;
    }
    if (named?.has(head.nameAt(at).toLowerCase()) === true) continue;
    text += head.lineAt(at);
  }
  return text;
}

// Names that Connection lists beside close and keep-alive.
function connectionNamed(head: HeadScanner): ReadonlySet<string> | undefined {
  const connection = head.list('connection');
  if (connection === undefined || /^(?:keep-alive|close)$/i.test(connection)) return undefined;
  // The fields that say what the message is are never of one connection, whoever claims it.
  const named = connection
    .toLowerCase()
    .split(',')
    .map((token) => token.trim());
  return new Set(
    named.filter((name) => !['host', 'content-length', 'content-type', 'cache-control', 'content-encoding'].includes(name)),
  );
}
