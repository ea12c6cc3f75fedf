// The head of an answer that is kept: its validators and the field lines that every copy of it is sent with, made once.
// Promises: a hit adds only the lines that differ by request.

import type { WallMs } from '../base/units.ts';
import { httpDate } from '../wire/date.ts';
import { firstValue, type HeaderList, joinedValue } from '../wire/headers.ts';

/** The part of a head that is the same for everyone. */
export interface PreparedHead {
  /** Field lines with line ends: the origin's, edited by the site, and deckle's constant ones. */
  readonly lines: string;
  /** The subset of the lines that says nothing of the image: for answers about the request. */
  readonly commonLines: string;
  readonly contentType: string;
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
  readonly date: string;
  /** Cache-Status members of caches nearer to the origin, with the comma that ours follows; else empty. */
  readonly upstreamStatus: string;
  /** The subset of the lines that a 304 carries (RFC 9110 §15.4.5). */
  readonly notModifiedLines: string;
}

export interface ResponseHeaderRules {
  readonly add: Readonly<Record<string, string>>;
  readonly remove: readonly string[];
}

/** Fields written anew for every reply, or that mean nothing behind a cache. */
const WRITTEN_BY_DECKLE: ReadonlySet<string> = new Set([
  'age',
  'via',
  'cache-status',
  'x-request-id',
  'x-content-type-options',
  'content-length',
  'content-range',
  'accept-ranges',
  'date',
]);

export const IN_NOT_MODIFIED: ReadonlySet<string> = new Set([
  'cache-control',
  'content-location',
  'etag',
  'expires',
  'vary',
  'last-modified',
  'cdn-cache-control',
]);

/** One value each by their grammar. Two lines would be one thing to us, who read the first, and another to the client. */
const SINGLE: ReadonlySet<string> = new Set(['content-type', 'etag', 'last-modified']);

/** RFC 9110 §7.6.3: our entry comes last. */
const OUR_VIA = '1.1 deckle';

/** SVG can carry script: it is served as a picture and nothing else. */
const SVG_POLICY = "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox\r\n";

export function prepareHead(headers: HeaderList, rules: ResponseHeaderRules, responseMs: WallMs): PreparedHead {
  const removed = new Set(rules.remove.map((name) => name.toLowerCase()));
  for (const name of Object.keys(rules.add)) removed.add(name.toLowerCase());
  const date = firstValue(headers, 'date') ?? httpDate(responseMs);
  const contentType = firstValue(headers, 'content-type') ?? '';
  const upstreamVia = joinedValue(headers, 'via');
  const common = `Date: ${date}\r\nVia: ${upstreamVia === undefined ? OUR_VIA : `${upstreamVia}, ${OUR_VIA}`}\r\nX-Content-Type-Options: nosniff\r\n`;
  let lines = common;
  let notModifiedLines = common;
  const seen = new Set<string>();
  for (const [name, value] of headers) {
    if (WRITTEN_BY_DECKLE.has(name) || name.startsWith('x-deckle-') || removed.has(name)) continue;
    if (SINGLE.has(name) && seen.has(name)) continue;
    seen.add(name);
    const line = `${fieldCase(name)}: ${value}\r\n`;
    lines += line;
    if (IN_NOT_MODIFIED.has(name)) notModifiedLines += line;
  }
  for (const [name, value] of Object.entries(rules.add)) {
    lines += `${name}: ${value}\r\n`;
    if (IN_NOT_MODIFIED.has(name.toLowerCase())) notModifiedLines += `${name}: ${value}\r\n`;
  }
  if (contentType.toLowerCase().startsWith('image/svg')) lines += SVG_POLICY;
  const upstream = joinedValue(headers, 'cache-status');
  return {
    lines,
    commonLines: common,
    contentType,
    etag: firstValue(headers, 'etag'),
    lastModified: firstValue(headers, 'last-modified'),
    date,
    upstreamStatus: upstream === undefined ? '' : `${upstream}, `,
    notModifiedLines,
  };
}

/** `content-type` as `Content-Type`: how people read fields; receivers compare them case-blind. */
function fieldCase(name: string): string {
  if (name === 'etag') return 'ETag';
  return name.replace(/(^|-)([a-z])/g, (_all, dash: string, letter: string) => dash + letter.toUpperCase());
}
