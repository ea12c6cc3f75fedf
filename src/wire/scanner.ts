// The one scanner of HTTP/1.1 message heads (RFC 9112): the strict gate for requests and for answers of peers.
// It reads raw bytes once, wherever they are split, and remembers where every field lies; nothing is copied before the head ends.
// Promises: a head it accepts has exactly one reading. Refuses, at the first byte that shows it: bare CR or LF, folded lines,
// space before a colon, control bytes, doubled Host or Content-Length, a length beside a transfer coding, any coding but
// `chunked`, a chunked body of a GET or HEAD, targets with bytes outside visible ASCII or with a fragment, versions other than
// 1.0 and 1.1, heads over the limit. What was refused stays refused until `reset`.

import { Fault } from '../base/fault.ts';
import type { Reason } from '../base/reasons.ts';
import type { Bytes } from '../base/units.ts';
import { FIELD_NAMES, FIELD_NUMBER, type FieldName, fieldNumber } from './fields.ts';
import type { HeaderPair } from './headers.ts';
import { latin1 } from './latin1.ts';

export interface HeadLimits {
  /** Start line and fields with their line ends. */
  readonly maxBytes: Bytes;
  readonly maxFields: number;
}

export type HeadKind = 'request' | 'response';
export type ScanResult = 'more' | 'done' | 'refused';

// What a byte may be part of, as bits.
const TOKEN = 1;
const VALUE = 2;
const TARGET = 4;

const CLASS = new Uint8Array(256);
for (let byte = 0; byte < 256; byte += 1) {
  if (byte === 0x09 || (byte >= 0x20 && byte !== 0x7f)) CLASS[byte]! |= VALUE;
  if (byte > 0x20 && byte < 0x7f && byte !== 0x23) CLASS[byte]! |= TARGET;
}
for (const byte of Buffer.from("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", 'latin1'))
  CLASS[byte]! |= TOKEN;

/** Whether a byte may stand in a field name (RFC 9110 §5.6.2). */
export function isToken(byte: number): boolean {
  return (CLASS[byte]! & TOKEN) !== 0;
}

/** Methods whose requests have one plain reading; what a site allows of them is its own affair. TRACE and CONNECT are not here. */
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PURGE']);

const CR = 0x0d;
const LF = 0x0a;
const SP = 0x20;
const TAB = 0x09;
const ZERO = 0x30;
const COLON = 0x3a;
const SLASH = 0x2f;
const UPPER_G = 0x47;
const PLAIN_END = Uint8Array.from(Buffer.from(' HTTP/1.1\r\n'));
/** With an authority of host and port: no user, nothing that needs an escape. */
const ABSOLUTE = /^https?:\/\/[a-z0-9.:[\]_-]+(?:[/?]|$)/i;

/** Fields of more bytes are read anew each time: what a connection holds between two requests stays small. */
const MOST_KEPT = 2048;
/** Whoever never repeats itself, as a front with its many clients, is not waited for to do so. */
const MOST_CHANGES = 8;

// Where the scanner stands.
const AT_START = 0;
const AT_START_LF = 1;
const IN_LINE = 2;
const LINE_LF = 3;
const AT_FIELD = 4;
const IN_NAME = 5;
const BEFORE_VALUE = 6;
const IN_VALUE = 7;
const VALUE_LF = 8;
const END_LF = 9;

const HOST = FIELD_NUMBER.host;
const CONTENT_LENGTH = FIELD_NUMBER['content-length'];
const TRANSFER_ENCODING = FIELD_NUMBER['transfer-encoding'];
const UPGRADE = FIELD_NUMBER.upgrade;
const RANGE = FIELD_NUMBER.range;
const IF_NONE_MATCH = FIELD_NUMBER['if-none-match'];
const IF_MODIFIED_SINCE = FIELD_NUMBER['if-modified-since'];
const PROXY_CONNECTION = FIELD_NUMBER['proxy-connection'];

export class HeadScanner {
  readonly #kind: HeadKind;
  readonly #maxBytes: number;
  readonly #maxFields: number;
  /** Four offsets a field: name start and end, value start and end, relative to the first byte of the fields. */
  readonly #spans: Int32Array;
  readonly #numbers: Uint8Array;
  /** For each field number: the index of its first line plus one, 0 when absent; and how many lines it has. */
  readonly #first: Uint16Array;
  readonly #lines: Uint16Array;

  #state = AT_START;
  #at = 0;
  #hash = 0;
  #count = 0;
  #lineStart = 0;
  /** Where the fields begin, relative to the head's first byte. */
  #fieldsStart = 0;
  #blankLines = 0;
  /** The fields as text. */
  #raw = '';
  #fault: Fault | undefined;
  /** The fields of the last head, byte for byte, while the lists still speak of them; see `#recall`. */
  #last: Buffer | undefined;
  #lastLength = 0;
  #lastCount = 0;
  #lastKeepAlive = false;
  /** Heads in a row whose fields were others than those kept. */
  #changes = 0;

  method = '';
  target = '';
  /** Minor version: 0 or 1. */
  minor = 1;
  status = 0;
  /** The head's length in bytes, blank line included; valid after `done`. */
  length = 0;
  /** Declared body length, -1 when none is declared. */
  contentLength = -1;
  chunked = false;
  keepAlive = true;
  /** Another number for each head whose fields are not, byte for byte, those of the head before: what was made of fields alone holds while it stays. */
  fields = 0;

  constructor(kind: HeadKind, limits: HeadLimits) {
    this.#kind = kind;
    this.#maxBytes = limits.maxBytes;
    this.#maxFields = limits.maxFields;
    this.#spans = new Int32Array(limits.maxFields * 4);
    this.#numbers = new Uint8Array(limits.maxFields);
    this.#first = new Uint16Array(FIELD_NAMES.length + 1);
    this.#lines = new Uint16Array(FIELD_NAMES.length + 1);
  }

  /** Forget the head; the next byte begins a new one. */
  reset(): void {
    this.#state = AT_START;
    this.#at = 0;
    this.#count = 0;
    this.#lineStart = 0;
    this.#fieldsStart = 0;
    this.#blankLines = 0;
    this.#fault = undefined;
    if (this.#lastLength === 0) this.#forgetFields();
    this.contentLength = -1;
    this.chunked = false;
    this.keepAlive = true;
    this.method = '';
    this.target = '';
    this.minor = 1;
    this.status = 0;
    this.length = 0;
  }

  /** Whether a byte of a head was seen (blank lines before it do not count). */
  get begun(): boolean {
    return this.#state !== AT_START && this.#state !== AT_START_LF;
  }

  /** Why the head was refused; only after `refused`. */
  get fault(): Fault {
    return this.#fault ?? new Fault('DECKLE_INTERNAL', 'no refusal to ask for');
  }

  /**
   * Goes on with the head that begins at `bytes[from]` and is known up to `to`. Call again with more bytes after `more`;
   * the head's first byte must be `from` each time (the buffer may be another one). After `done`, `length` bytes were used.
   */
  scan(bytes: Buffer, from: number, to: number): ScanResult {
    if (this.#fault !== undefined) return 'refused';
    const end = Math.min(to, from + this.#maxBytes);
    let at = from + this.#at;
    let state = this.#state;
    let hash = this.#hash;
    while (at < end) {
      const byte = bytes[at]!;
      switch (state) {
        case IN_VALUE:
          if ((CLASS[byte]! & VALUE) !== 0) {
            // Most bytes of a head are met here and in names: a loop of its own goes through them in half the time.
            while (at + 1 < end && (CLASS[bytes[at + 1]!]! & VALUE) !== 0) at += 1;
            break;
          }
          if (byte !== CR) return this.#refuse('DECKLE_BAD_REQUEST', 'header');
          this.#closeValue(bytes, from + this.#fieldsStart, at);
          state = VALUE_LF;
          break;
        case IN_NAME:
          if ((CLASS[byte]! & TOKEN) !== 0) {
            hash = (Math.imul(hash, 31) + (byte | 0x20)) | 0;
            for (; at + 1 < end && (CLASS[bytes[at + 1]!]! & TOKEN) !== 0; at += 1)
              hash = (Math.imul(hash, 31) + (bytes[at + 1]! | 0x20)) | 0;
            break;
          }
          if (byte !== COLON) return this.#refuse('DECKLE_BAD_REQUEST', 'header');
          this.#closeName(bytes, from + this.#fieldsStart, at, hash);
          state = BEFORE_VALUE;
          break;
        case BEFORE_VALUE:
          if (byte === SP || byte === TAB) break;
          this.#spans[this.#count * 4 + 2] = at - from - this.#fieldsStart;
          if (byte === CR) {
            this.#closeValue(bytes, from + this.#fieldsStart, at);
            state = VALUE_LF;
          } else if ((CLASS[byte]! & VALUE) !== 0) state = IN_VALUE;
          else return this.#refuse('DECKLE_BAD_REQUEST', 'header');
          break;
        case VALUE_LF:
          if (byte !== LF) return this.#refuse('DECKLE_BAD_REQUEST', 'header');
          state = AT_FIELD;
          break;
        case AT_FIELD:
          if (byte === CR) {
            state = END_LF;
            break;
          }
          if ((CLASS[byte]! & TOKEN) === 0) return this.#refuse('DECKLE_BAD_REQUEST', 'header');
          if (this.#count >= this.#maxFields) return this.#refuse('DECKLE_HEADERS_TOO_LARGE', 'headers-too-large');
          this.#spans[this.#count * 4] = at - from - this.#fieldsStart;
          hash = byte | 0x20;
          state = IN_NAME;
          break;
        case END_LF:
          if (byte !== LF) return this.#refuse('DECKLE_BAD_REQUEST', 'header');
          this.length = at + 1 - from;
          return this.#finish(bytes, from);
        case IN_LINE:
          if (byte === CR) {
            if (!this.#startLine(latin1(bytes, from + this.#lineStart, at))) return 'refused';
            state = LINE_LF;
          } else if ((CLASS[byte]! & VALUE) === 0 || byte === TAB) return this.#refuse('DECKLE_BAD_REQUEST', 'request-line');
          break;
        case LINE_LF:
          if (byte !== LF) return this.#refuse('DECKLE_BAD_REQUEST', 'request-line');
          this.#fieldsStart = at + 1 - from;
          if (this.#recall(bytes, at + 1, end)) return 'done';
          state = AT_FIELD;
          break;
        case AT_START:
          // RFC 9112 §2.2: a server should ignore at least one empty line before the request line.
          if (byte === CR && this.#kind === 'request' && this.#blankLines === 0) {
            this.#blankLines = 1;
            state = AT_START_LF;
            break;
          }
          if ((CLASS[byte]! & TOKEN) === 0) return this.#refuse('DECKLE_BAD_REQUEST', 'request-line');
          this.#lineStart = at - from;
          if (byte === UPPER_G && this.#kind === 'request') {
            const behind = this.#plainLine(bytes, at, end);
            if (behind > 0) {
              this.#fieldsStart = behind - from;
              if (this.#recall(bytes, behind, end)) return 'done';
              state = AT_FIELD;
              at = behind;
              continue;
            }
          }
          state = IN_LINE;
          break;
        default:
          if (byte !== LF) return this.#refuse('DECKLE_BAD_REQUEST', 'request-line');
          state = AT_START;
          break;
      }
      at += 1;
    }
    this.#at = at - from;
    this.#state = state;
    this.#hash = hash;
    if (this.#at >= this.#maxBytes) {
      return state <= LINE_LF && this.#kind === 'request'
        ? this.#refuse('DECKLE_TARGET_TOO_LONG', 'target-too-long')
        : this.#refuse('DECKLE_HEADERS_TOO_LARGE', 'headers-too-large');
    }
    return 'more';
  }

  /** Number of field lines. */
  get count(): number {
    return this.#count;
  }

  /** The first value of a field, or undefined. */
  get(name: FieldName): string | undefined {
    const index = this.#first[FIELD_NUMBER[name]]!;
    return index === 0 ? undefined : this.valueAt(index - 1);
  }

  /** All values of a field joined as one list (RFC 9110 §5.3), or undefined. */
  list(name: FieldName): string | undefined {
    const number = FIELD_NUMBER[name];
    const first = this.#first[number]!;
    if (first === 0) return undefined;
    let joined = this.valueAt(first - 1);
    if (this.#lines[number] === 1) return joined;
    for (let at = first; at < this.#count; at += 1) if (this.#numbers[at] === number) joined += `, ${this.valueAt(at)}`;
    return joined;
  }

  /** Whether a condition or a range stands in it: most requests want all there is. */
  get selects(): boolean {
    return this.#lines[RANGE]! + this.#lines[IF_NONE_MATCH]! + this.#lines[IF_MODIFIED_SINCE]! > 0;
  }

  /** How many lines a field has. */
  lines(name: FieldName): number {
    return this.#lines[FIELD_NUMBER[name]]!;
  }

  /** Field number (wire/fields.ts) of line `at`, 0 when it is not one of ours. */
  numberAt(at: number): number {
    return this.#numbers[at]!;
  }

  /** Name of line `at` as it was written. */
  nameAt(at: number): string {
    return this.#raw.slice(this.#spans[at * 4], this.#spans[at * 4 + 1]);
  }

  valueAt(at: number): string {
    return this.#raw.slice(this.#spans[at * 4 + 2], this.#spans[at * 4 + 3]);
  }

  /** `Name: value\r\n` of line `at`, as it was written but for the white space around the value. */
  lineAt(at: number): string {
    return `${this.nameAt(at)}: ${this.valueAt(at)}\r\n`;
  }

  /** Lines `from` up to `to` exactly as they were written, each with its line end. */
  linesText(from: number, to: number): string {
    if (from >= to) return '';
    return this.#raw.slice(this.#spans[from * 4]!, to < this.#count ? this.#spans[to * 4]! : this.#raw.length - 2);
  }

  /** Any field by lower-case name, for those that are not ours: a search. Values are joined as one list. */
  find(lowerName: string): string | undefined {
    let joined: string | undefined;
    for (let at = 0; at < this.#count; at += 1) {
      if (this.#spans[at * 4 + 1]! - this.#spans[at * 4]! !== lowerName.length) continue;
      if (this.nameAt(at).toLowerCase() !== lowerName) continue;
      joined = joined === undefined ? this.valueAt(at) : `${joined}, ${this.valueAt(at)}`;
    }
    return joined;
  }

  /** Every field as a pair of lower-case name and value, in order. */
  pairs(): HeaderPair[] {
    const pairs: HeaderPair[] = [];
    for (let at = 0; at < this.#count; at += 1) pairs.push([this.nameAt(at).toLowerCase(), this.valueAt(at)]);
    return pairs;
  }

  #refuse(code: ConstructorParameters<typeof Fault>[0], reason: Reason): 'refused' {
    this.#forgetFields();
    this.#fault = new Fault(code, undefined, reason);
    return 'refused';
  }

  /** @param from where the fields begin in `bytes` */
  #closeName(bytes: Buffer, from: number, at: number, hash: number): void {
    const index = this.#count;
    const start = this.#spans[index * 4]!;
    this.#spans[index * 4 + 1] = at - from;
    const number = fieldNumber(hash, bytes, from + start, at);
    this.#numbers[index] = number;
    if (number === 0) return;
    if (this.#lines[number] === 0) this.#first[number] = index + 1;
    this.#lines[number]! += 1;
  }

  #closeValue(bytes: Buffer, from: number, at: number): void {
    const start = from + this.#spans[this.#count * 4 + 2]!;
    let end = at;
    while (end > start && (bytes[end - 1] === SP || bytes[end - 1] === TAB)) end -= 1;
    this.#spans[this.#count * 4 + 3] = end - from;
    this.#count += 1;
  }

  // The line that almost every request has, `GET /… HTTP/1.1`, when all of it is there: read from its bytes, at once. Returns where
  // the fields begin; 0 when it is another line, or a wrong one: then it is read again, by the whole rule.
  #plainLine(bytes: Buffer, at: number, end: number): number {
    if (bytes[at + 1] !== 0x45 || bytes[at + 2] !== 0x54 || bytes[at + 3] !== SP || bytes[at + 4] !== SLASH) return 0;
    let mark = at + 5;
    while (mark < end && (CLASS[bytes[mark]!]! & TARGET) !== 0) mark += 1;
    if (mark + PLAIN_END.length > end) return 0;
    for (let place = 0; place < PLAIN_END.length; place += 1) if (bytes[mark + place] !== PLAIN_END[place]) return 0;
    this.method = 'GET';
    this.minor = 1;
    this.target = latin1(bytes, at + 4, mark);
    return mark + PLAIN_END.length;
  }

  #startLine(line: string): boolean {
    const good = this.#kind === 'request' ? this.#requestLine(line) : this.#statusLine(line);
    if (good && this.#fault === undefined) return true;
    this.#fault ??= new Fault('DECKLE_BAD_REQUEST', undefined, 'request-line');
    return false;
  }

  // RFC 9112 §3: method SP request-target SP HTTP-version, single spaces, nothing around them.
  #requestLine(line: string): boolean {
    const first = line.indexOf(' ');
    const last = line.lastIndexOf(' ');
    if (first <= 0 || last <= first + 1 || line.indexOf(' ', first + 1) !== last) return false;
    const version = line.slice(last + 1);
    if (version === 'HTTP/1.1') this.minor = 1;
    else if (version === 'HTTP/1.0') this.minor = 0;
    else {
      if (/^HTTP\/\d\.\d$/.test(version)) this.#fault = new Fault('DECKLE_VERSION');
      return false;
    }
    for (let at = 0; at < first; at += 1) if ((CLASS[line.charCodeAt(at)]! & TOKEN) === 0) return false;
    for (let at = first + 1; at < last; at += 1) {
      if ((CLASS[line.charCodeAt(at)]! & TARGET) === 0) {
        this.#fault = new Fault('DECKLE_BAD_REQUEST', undefined, 'target');
        return false;
      }
    }
    this.method = line.slice(0, first);
    if (!METHODS.has(this.method)) {
      this.#fault = new Fault('DECKLE_METHOD_NOT_ALLOWED');
      return false;
    }
    this.target = line.slice(first + 1, last);
    // RFC 9112 §3.2: origin-form, absolute-form, or the asterisk; the authority-form is CONNECT's alone.
    if (line.charCodeAt(first + 1) === SLASH || this.target === '*' || ABSOLUTE.test(this.target)) return true;
    this.#fault = new Fault('DECKLE_BAD_REQUEST', undefined, 'target');
    return false;
  }

  // RFC 9112 §4: HTTP-version SP 3DIGIT SP reason-phrase; the space before an absent phrase may be absent too.
  #statusLine(line: string): boolean {
    const minor = line.charCodeAt(7) - ZERO;
    if ((minor !== 0 && minor !== 1) || !line.startsWith('HTTP/1.') || line.charCodeAt(8) !== SP) return false;
    if (line.length > 12 && line.charCodeAt(12) !== SP) return false;
    let status = 0;
    for (let at = 9; at < 12; at += 1) {
      const digit = line.charCodeAt(at) - ZERO;
      // Behind the end this is no number, and no comparison holds.
      if (!(digit >= 0 && digit <= 9)) return false;
      status = status * 10 + digit;
    }
    if (status < 100) return false;
    this.minor = minor;
    this.status = status;
    return true;
  }

  // A client says the same about itself with every request: fields that are, byte for byte, those of the head before them have been
  // read already. Only heads of HTTP/1.1 without a body are kept so: of these, nothing in the request line changes what the fields mean.
  #recall(bytes: Buffer, at: number, end: number): boolean {
    const length = this.#lastLength;
    if (length === 0) return false;
    if (this.minor === 1 && end - at >= length && bytes.compare(this.#last!, 0, length, at, at + length) === 0) {
      this.#count = this.#lastCount;
      this.keepAlive = this.#lastKeepAlive;
      this.length = this.#fieldsStart + length;
      this.#changes = 0;
      return true;
    }
    this.#changes += 1;
    this.#forgetFields();
    return false;
  }

  #keepFields(bytes: Buffer, from: number): void {
    const length = this.length - this.#fieldsStart;
    if (this.#kind !== 'request' || this.minor !== 1 || this.contentLength >= 0 || this.chunked || length > MOST_KEPT) return;
    if (this.#last === undefined || this.#last.length < length)
      this.#last = Buffer.allocUnsafeSlow(Math.min(MOST_KEPT, length + 64));
    bytes.copy(this.#last, 0, from + this.#fieldsStart, from + this.length);
    this.#lastLength = length;
    this.#lastCount = this.#count;
    this.#lastKeepAlive = this.keepAlive;
  }

  /** The head will never be whole: what is known of its fields, or of those of the head before, is not asked for any more. */
  abandon(): void {
    this.#forgetFields();
  }

  #forgetFields(): void {
    this.#lastLength = 0;
    this.#count = 0;
    this.#raw = '';
    this.#first.fill(0);
    this.#lines.fill(0);
  }

  #finish(bytes: Buffer, from: number): ScanResult {
    this.fields += 1;
    this.#raw = latin1(bytes, from + this.#fieldsStart, from + this.length);
    if (this.#kind === 'request') {
      // RFC 9112 §3.2: exactly one Host in HTTP/1.1; a second one is refused in any version.
      const hosts = this.#lines[HOST]!;
      if (hosts > 1 || (hosts === 0 && this.minor === 1)) return this.#refuse('DECKLE_BAD_HOST', 'host');
    }
    if (!this.#framing()) return this.#refuse('DECKLE_BAD_REQUEST', 'framing');
    this.keepAlive = this.#persistence();
    // The first head of a connection may be its last: it need not be kept.
    if (this.fields > 1 && this.#changes < MOST_CHANGES) this.#keepFields(bytes, from);
    return 'done';
  }

  // RFC 9112 §6: one reading of where the body ends, or none at all.
  #framing(): boolean {
    const lengths = this.#lines[CONTENT_LENGTH]!;
    const codings = this.#lines[TRANSFER_ENCODING]!;
    if (lengths > 1 || codings > 1 || (lengths === 1 && codings === 1)) return false;
    if (codings === 1) {
      if (this.minor === 0) return false;
      const line = this.#first[TRANSFER_ENCODING]! - 1;
      if (this.valueAt(line).toLowerCase() !== 'chunked') return false;
      // A tab behind it is white space by the grammar, and yet some readers take it for a part of the word.
      const end = this.#spans[line * 4 + 3]!;
      if (this.#raw.slice(end, this.#raw.indexOf('\r', end)).includes('\t')) return false;
      // RFC 9110 §9.3.1: content of a GET "has no generally defined semantics" and "might lead some implementations to reject
      // the request". We answer without reading it, so a chunked one, whose end nobody has checked, is not let through.
      if (this.method === 'GET' || this.method === 'HEAD') return false;
      this.chunked = true;
    }
    if (lengths === 1) {
      const text = this.get('content-length')!;
      if (!/^\d{1,15}$/.test(text)) return false;
      this.contentLength = Number(text);
    }
    return true;
  }

  // RFC 9112 §9.3. What a client that offers another protocol sends next may be in that protocol: nothing is read behind it.
  #persistence(): boolean {
    if (this.#kind === 'request' && this.#lines[UPGRADE]! > 0) return false;
    // Not a field of the RFC, but some readers obey it: where it says close, nobody can count on more.
    if (this.#lines[PROXY_CONNECTION]! > 0 && /\bclose\b/i.test(this.list('proxy-connection')!)) return false;
    const connection = this.list('connection');
    if (connection === undefined) return this.minor === 1;
    const tokens = connection.toLowerCase().split(',');
    for (const token of tokens) if (token.trim() === 'close') return false;
    if (this.minor === 1) return true;
    for (const token of tokens) if (token.trim() === 'keep-alive') return true;
    return false;
  }
}
