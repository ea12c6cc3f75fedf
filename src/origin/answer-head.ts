// The strict gate for what an origin sends before its body: raw bytes to a verified head, or why it cannot be trusted.
// Promises: every line ends in CRLF; names are tokens; values have no controls; the body's length is said once or not at all;
// at most 32 KB and 256 lines a head, at most 8 interim answers, which are dropped; right at every split of the bytes.
// Refuses: anything that two readers could read in two ways (RFC 9112 §2.2, §5, §6.3, §11.1): a cache would keep the wrong half.

import type { Bytes } from '../base/units.ts';
import { type HeaderList, type HeaderPair, HOP_BY_HOP } from '../wire/headers.ts';

const MAX_HEAD_BYTES: Bytes = 32 * 1024;
const MAX_HEAD_LINES = 256;
const MAX_INTERIM = 8;

const CR = 0x0d;
const LF = 0x0a;
const VERSION_START = Buffer.from('HTTP/1.');
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: .*)?$/;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Fields that `Connection` may name but not take away: without them an answer would be kept, or read, against its origin's word. */
const NOT_FOR_CONNECTION: ReadonlySet<string> = new Set([
  'age',
  'cache-control',
  'content-encoding',
  'content-range',
  'content-type',
  'date',
  'etag',
  'expires',
  'last-modified',
  'set-cookie',
  'vary',
]);

/** Where the body ends (RFC 9112 §6.3). */
export type Framing =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly bytes: Bytes }
  | { readonly kind: 'chunked' }
  /** By the end of the connection: one cut by a clean close looks the same. */
  | { readonly kind: 'close' };

export interface AnswerHead {
  readonly status: number;
  /** End-to-end fields, lower-case names, `content-length` left out. */
  readonly headers: HeaderList;
  readonly framing: Framing;
  /** Whether the connection may carry another request. */
  readonly persistent: boolean;
  /** Seconds of `Keep-Alive: timeout=`, when the origin says how long it will wait for that other request. */
  readonly keepAliveSeconds: number | undefined;
}

export type HeadVerdict = ({ readonly kind: 'head' } & AnswerHead) | { readonly kind: 'broken'; readonly detail: string };

export type ScanStep =
  | { readonly kind: 'more' }
  /** `bytes` begin with the final head; `bodyAt` is where its body begins in them. */
  | { readonly kind: 'head'; readonly head: AnswerHead; readonly bytes: Buffer; readonly bodyAt: number }
  | { readonly kind: 'broken'; readonly detail: string };

/** Takes bytes as they come until the final head is there. One scan per answer; feed it no more after `head` or `broken`. */
export class HeadScan {
  #buffer: Buffer = Buffer.alloc(0);
  #used = 0;
  /** Where the head that is being scanned begins. */
  #start = 0;
  /** Where the line that is being scanned begins. */
  #line = 0;
  /** Bytes looked at. */
  #seen = 0;
  #lines = 0;
  #interim = 0;

  push(chunk: Buffer): ScanStep {
    this.#append(chunk);
    for (;;) {
      const end = this.#findEnd();
      if (typeof end !== 'number') return end;
      const verdict = parseAnswerHead(this.#buffer.subarray(this.#start, end));
      if (verdict.kind === 'broken') return verdict;
      if (verdict.status >= 200) {
        return { kind: 'head', head: verdict, bytes: this.#buffer.subarray(this.#start, this.#used), bodyAt: end - this.#start };
      }
      this.#interim += 1;
      if (this.#interim > MAX_INTERIM) return { kind: 'broken', detail: 'too many interim answers' };
      this.#start = end;
      this.#line = end;
      this.#seen = end;
      this.#lines = 0;
    }
  }

  #append(chunk: Buffer): void {
    if (this.#used === 0) this.#buffer = chunk;
    else {
      const live = this.#used - this.#start;
      if (this.#start > 0 || this.#buffer.length < this.#used + chunk.length) {
        // Interim heads are dropped here, and room doubles, so that a head in single bytes costs no square.
        const room = Math.max(2 * live, live + chunk.length, 1024);
        const grown = Buffer.allocUnsafeSlow(room);
        this.#buffer.copy(grown, 0, this.#start, this.#used);
        this.#line -= this.#start;
        this.#seen -= this.#start;
        this.#buffer = grown;
        this.#used = live;
        this.#start = 0;
      }
      chunk.copy(this.#buffer, this.#used);
    }
    this.#used += chunk.length;
  }

  /** The place behind the empty line, or the step to answer with. */
  #findEnd(): number | ScanStep {
    const known = Math.min(this.#used - this.#start, VERSION_START.length);
    if (this.#buffer.compare(VERSION_START, 0, known, this.#start, this.#start + known) !== 0) {
      return { kind: 'broken', detail: 'not HTTP/1.x' };
    }
    const limit = Math.min(this.#used, this.#start + MAX_HEAD_BYTES);
    while (this.#seen < limit) {
      const at = this.#buffer.indexOf(LF, this.#seen);
      if (at === -1 || at >= limit) {
        this.#seen = limit;
        break;
      }
      if (at === this.#start || this.#buffer[at - 1] !== CR) return { kind: 'broken', detail: 'a line feed alone' };
      this.#seen = at + 1;
      if (at - 1 === this.#line) return at + 1;
      this.#line = at + 1;
      this.#lines += 1;
      if (this.#lines > MAX_HEAD_LINES) return { kind: 'broken', detail: 'too many header lines' };
    }
    return this.#used - this.#start >= MAX_HEAD_BYTES ? { kind: 'broken', detail: 'head too large' } : { kind: 'more' };
  }
}

/** One whole head, its empty line included. Interim answers other than 101 pass. */
export function parseAnswerHead(bytes: Buffer): HeadVerdict {
  const lines = bytes.toString('latin1', 0, bytes.length - 4).split('\r\n');
  const first = STATUS_LINE.exec(lines[0] ?? '');
  if (first === null || !isText(lines[0] ?? '')) return broken('status line');
  const status = Number(first[2]);
  if (status > 599 || status === 101) return broken(`status ${status}`);
  const fields: HeaderPair[] = [];
  for (let i = 1; i < lines.length; i += 1) {
    const line = lines[i] ?? '';
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(colon, 0));
    // A folded line begins with white space and a space before the colon ends a name: neither is a token.
    if (!TOKEN.test(name)) return broken('field name');
    const value = trimSpace(line.slice(colon + 1));
    if (!isText(value)) return broken('field value');
    fields.push([name.toLowerCase(), value]);
  }
  return judge(status, first[1] === '1', fields);
}

function judge(status: number, http11: boolean, fields: HeaderPair[]): HeadVerdict {
  const options = new Set<string>();
  let lengthText: string | undefined;
  let coding: string | undefined;
  let keepAliveSeconds: number | undefined;
  for (const [name, value] of fields) {
    if (name === 'connection') for (const option of value.split(',')) options.add(trimSpace(option).toLowerCase());
    else if (name === 'keep-alive') keepAliveSeconds = timeoutOf(value);
    else if (name === 'content-length') {
      // RFC 9112 §6.3: several lengths, even equal ones, are several opinions.
      if (lengthText !== undefined) return broken('two content-lengths');
      lengthText = value;
    } else if (name === 'transfer-encoding') {
      if (coding !== undefined) return broken('two transfer-encodings');
      coding = value.toLowerCase();
    }
  }
  const framing = framingOf(status, http11, lengthText, coding);
  if (typeof framing === 'string') return broken(framing);
  const headers = fields.filter(
    ([name]) => !HOP_BY_HOP.has(name) && name !== 'content-length' && (!options.has(name) || NOT_FOR_CONNECTION.has(name)),
  );
  const persistent = framing.kind !== 'close' && !options.has('close') && (http11 || options.has('keep-alive'));
  return { kind: 'head', status, headers, framing, persistent, keepAliveSeconds };
}

/** RFC 9112 §6.3 for an answer to GET; text is what is wrong. */
function framingOf(
  status: number,
  http11: boolean,
  lengthText: string | undefined,
  coding: string | undefined,
): Framing | string {
  if (lengthText !== undefined && !/^\d{1,16}$/.test(lengthText)) return 'content-length';
  const bytes = lengthText === undefined ? undefined : Number(lengthText);
  if (bytes !== undefined && !Number.isSafeInteger(bytes)) return 'content-length';
  if (coding !== undefined) {
    if (bytes !== undefined) return 'content-length with transfer-encoding';
    if (!http11) return 'transfer-encoding in HTTP/1.0';
    if (coding !== 'chunked') return 'transfer-encoding';
  }
  // A 304 may tell the length its 200 would have had; a 204 or an interim answer that tells any has a body or a mistake.
  if (status === 304) return { kind: 'none' };
  if (status === 204 || status < 200)
    return coding === undefined && (bytes ?? 0) === 0 ? { kind: 'none' } : 'a body where none can be';
  if (coding !== undefined) return { kind: 'chunked' };
  if (bytes === undefined) return { kind: 'close' };
  return { kind: 'length', bytes };
}

function timeoutOf(keepAlive: string): number | undefined {
  const found = /(?:^|[,\s])timeout\s*=\s*(\d{1,6})(?:$|[,\s])/i.exec(keepAlive);
  return found === null ? undefined : Number(found[1]);
}

function trimSpace(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && isSpace(text.charCodeAt(from))) from += 1;
  while (to > from && isSpace(text.charCodeAt(to - 1))) to -= 1;
  return text.slice(from, to);
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** RFC 9110 §5.5: visible characters, bytes above 127, spaces and tabs. */
function isText(value: string): boolean {
  for (let i = 0; i < value.length; i += 1) {
    const code = value.charCodeAt(i);
    if (code < 0x20 ? code !== 0x09 : code === 0x7f) return false;
  }
  return true;
}

function broken(detail: string): { readonly kind: 'broken'; readonly detail: string } {
  return { kind: 'broken', detail };
}
