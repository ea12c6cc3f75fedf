// Heads on their way through the front: the client's request as the node gets it, the node's answer as the client gets it.
// Promises: fields of one connection stay on it (RFC 9110 §7.6.1); X-Deckle-* is only ever written by us.

import { FIELD_NAMES, FIELD_NUMBER, type FieldName } from '../wire/fields.ts';
import { HOP_BY_HOP } from '../wire/headers.ts';
import { PerFields } from '../wire/per-fields.ts';
import type { HeadScanner } from '../wire/scanner.ts';

function numbersOf(names: readonly FieldName[]): ReadonlySet<number> {
  return new Set(names.map((name) => FIELD_NUMBER[name]));
}

/** Fields whose names begin so are only ever written by us. */
const OURS = 'x-deckle-';
/** Every hop-by-hop field has a number. */
const CONNECTION_FIELDS: readonly FieldName[] = FIELD_NAMES.filter((name) => HOP_BY_HOP.has(name));

/** Written anew towards the node, or of the connection. */
const REQUEST_DROPS = numbersOf([...CONNECTION_FIELDS, 'host', 'content-length', 'expect', 'x-forwarded-for', 'x-request-id']);

const RESPONSE_DROPS = numbersOf(CONNECTION_FIELDS);

/** Conditions and ranges (RFC 9110 §13, §14): a request for what is missing of an answer has its own. */
const CONDITIONS: ReadonlySet<string> = new Set([
  'range',
  'if-range',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
]);
const NO_NAMES: ReadonlySet<string> = new Set();

/** What a node of ours reads of a client's request beside what the site sends on to the origin. */
const READ_BY_NODES: readonly FieldName[] = [
  'range',
  'if-range',
  'if-none-match',
  'if-modified-since',
  'cache-control',
  'pragma',
  'via',
  'cdn-loop',
];
/** For its access log. */
const LOGGED_BY_NODES: readonly FieldName[] = ['user-agent', 'referer'];

interface LeanLines {
  sentOn: readonly string[] | undefined;
  text: string;
}

export interface RequestWords {
  readonly isHead: boolean;
  /** Canonical path and kept query. */
  readonly target: string;
  readonly authority: string;
  readonly forwardedFor: string;
  readonly id: string;
}

/** The request heads for the nodes. */
export class RequestHeads {
  readonly #own: string;
  readonly #passed = new PerFields((head) => fields(head, REQUEST_DROPS, NO_NAMES));
  readonly #always: readonly string[];
  /** By the site's list of fields. */
  readonly #kept = new WeakMap<readonly string[], ReadonlySet<string>>();
  /** Of the site that the connection asked last. */
  readonly #lean = new PerFields<LeanLines>(() => ({ sentOn: undefined, text: '' }));

  /**
   * @param from     our own name, `front-1`
   * @param peerLine `X-Deckle-Peer: …` with its line end, or empty
   * @param logged   nodes write an access log
   */
  constructor(from: string, peerLine: string, logged = true) {
    this.#own = `X-Deckle-From: ${from}\r\n${peerLine}`;
    this.#always = logged ? [...READ_BY_NODES, ...LOGGED_BY_NODES] : READ_BY_NODES;
  }

  of(head: HeadScanner, words: RequestWords): string {
    return `${this.#start(words)}${this.#passed.of(head)}\r\n`;
  }

  /**
   * The request for a node of deckle that knows us for its front: without what it would read and never use.
   * @param sentOn request fields that the site's nodes send on to the origin; the same list each time for the same site
   */
  lean(head: HeadScanner, words: RequestWords, sentOn: readonly string[]): string {
    if (sentOn.includes('*')) return this.of(head, words);
    const lines = this.#lean.of(head);
    if (lines.sentOn !== sentOn) {
      lines.sentOn = sentOn;
      lines.text = fields(head, REQUEST_DROPS, NO_NAMES, this.#keptNames(sentOn));
    }
    return `${this.#start(words)}${lines.text}\r\n`;
  }

  /** The same request with other conditions and ranges: field lines with their line ends. */
  withConditions(head: HeadScanner, words: RequestWords, conditions: string): string {
    return `${this.#start(words)}${fields(head, REQUEST_DROPS, CONDITIONS)}${conditions}\r\n`;
  }

  #keptNames(sentOn: readonly string[]): ReadonlySet<string> {
    let names = this.#kept.get(sentOn);
    if (names === undefined) {
      names = new Set([...this.#always, ...sentOn]);
      this.#kept.set(sentOn, names);
    }
    return names;
  }

  #start({ isHead, target, authority, forwardedFor, id }: RequestWords): string {
    // Only a client of HTTP/1.0 may leave out Host: its request goes on as it is, since an empty one is refused.
    const version = authority === '' ? '1.0\r\n' : `1.1\r\nHost: ${authority}\r\n`;
    const method = isHead ? 'HEAD' : 'GET';
    return `${method} ${target} HTTP/${version}X-Forwarded-For: ${forwardedFor}\r\nX-Request-Id: ${id}\r\n${this.#own}`;
  }
}

/** The answer's field lines for the client, without the framing of the connection. */
export function responseLines(head: HeadScanner): string {
  return fields(head, RESPONSE_DROPS, NO_NAMES);
}

// Lines that stay are taken in runs, as they were written. With `keptNames` only lines of these names stay.
function fields(
  head: HeadScanner,
  drops: ReadonlySet<number>,
  dropNames: ReadonlySet<string>,
  keptNames?: ReadonlySet<string>,
): string {
  const named = connectionNamed(head);
  const byName = named !== undefined || dropNames.size > 0 || keptNames !== undefined;
  let text = '';
  let from = 0;
  for (let at = 0; at < head.count; at += 1) {
    if (!drops.has(head.numberAt(at))) {
      const name = head.nameAt(at);
      if (!isOurs(name)) {
        if (!byName) continue;
        const lower = name.toLowerCase();
        if (named?.has(lower) !== true && !dropNames.has(lower) && keptNames?.has(lower) !== false) continue;
      }
    }
    text += head.linesText(from, at);
    from = at + 1;
  }
  return text + head.linesText(from, head.count);
}

function isOurs(name: string): boolean {
  if ((name.charCodeAt(0) | 0x20) !== 0x78) return false;
  return name.length >= OURS.length && name.slice(0, OURS.length).toLowerCase() === OURS;
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
