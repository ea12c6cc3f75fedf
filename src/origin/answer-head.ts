// The strict gate for what an origin sends before its body: raw bytes to a verified head, or why it cannot be trusted.
// Promises: what wire/scanner.ts promises of a head, and beyond it that the status is one of HTTP, that a bodiless answer declares
// no body; at most 32 KB and 256 fields a head, at most 8 interim answers, which are dropped; right at every split of the bytes.
// Refuses: anything that two readers could read in two ways (RFC 9112 §2.2, §5, §6.3, §11.1): a cache would keep the wrong half.

import type { Bytes } from '../base/units.ts';
import { Gathered } from '../wire/gathered.ts';
import { type HeaderList, HOP_BY_HOP } from '../wire/headers.ts';
import { HeadScanner } from '../wire/scanner.ts';

const MAX_HEAD_BYTES: Bytes = 32 * 1024;
const MAX_HEAD_FIELDS = 256;
const MAX_INTERIM = 8;

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

export type ScanStep =
  | { readonly kind: 'more' }
  /** `bytes` begin with the final head; `bodyAt` is where its body begins in them. */
  | { readonly kind: 'head'; readonly head: AnswerHead; readonly bytes: Buffer; readonly bodyAt: number }
  | { readonly kind: 'broken'; readonly detail: string };

/** Takes bytes as they come until the final head is there. One scan per answer; feed it no more after `head` or `broken`. */
export class HeadScan {
  readonly #scanner = new HeadScanner('response', { maxBytes: MAX_HEAD_BYTES, maxFields: MAX_HEAD_FIELDS });
  /** What came so far, from the first byte of the head that is being scanned. */
  readonly #bytes = new Gathered();
  #interim = 0;

  push(chunk: Buffer): ScanStep {
    this.#bytes.append(chunk);
    for (;;) {
      const bytes = this.#bytes.view;
      const result = this.#scanner.scan(bytes, 0, bytes.length);
      if (result === 'more') return { kind: 'more' };
      if (result === 'refused') return broken(this.#scanner.fault.reason);
      const head = judge(this.#scanner);
      if (typeof head === 'string') return broken(head);
      const bodyAt = this.#scanner.length;
      if (head.status >= 200) return { kind: 'head', head, bytes, bodyAt };
      this.#interim += 1;
      if (this.#interim > MAX_INTERIM) return broken('too many interim answers');
      this.#bytes.drop(bodyAt);
      this.#scanner.reset();
    }
  }
}

function judge(scanned: HeadScanner): AnswerHead | string {
  const { status } = scanned;
  if (status > 599 || status === 101) return `status ${status}`;
  const options = new Set(
    (scanned.list('connection') ?? '')
      .toLowerCase()
      .split(',')
      .map((option) => option.trim()),
  );
  const framing = framingOf(scanned);
  if (typeof framing === 'string') return framing;
  const headers = scanned
    .pairs()
    .filter(
      ([name]) => !HOP_BY_HOP.has(name) && name !== 'content-length' && (!options.has(name) || NOT_FOR_CONNECTION.has(name)),
    )
    .map(([name, value]) => [copied(name), copied(value)] as const);
  const persistent = framing.kind !== 'close' && scanned.keepAlive;
  return { status, headers, framing, persistent, keepAliveSeconds: timeoutOf(scanned.list('keep-alive') ?? '') };
}

/** A text of its own: a slice holds the whole head, with all that was dropped of it, for as long as the answer is kept. */
function copied(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}

/** RFC 9112 §6.3 for an answer to GET; text is what is wrong. */
function framingOf({ status, contentLength, chunked }: HeadScanner): Framing | string {
  // A 304 may tell the length its 200 would have had; a 204 or an interim answer that tells any has a body or a mistake.
  if (status === 304) return { kind: 'none' };
  if (status === 204 || status < 200) return chunked || contentLength > 0 ? 'a body where none can be' : { kind: 'none' };
  if (chunked) return { kind: 'chunked' };
  return contentLength < 0 ? { kind: 'close' } : { kind: 'length', bytes: contentLength };
}

function timeoutOf(keepAlive: string): number | undefined {
  const found = /(?:^|[,\s])timeout\s*=\s*(\d{1,6})(?:$|[,\s])/i.exec(keepAlive);
  return found === null ? undefined : Number(found[1]);
}

function broken(detail: string): { readonly kind: 'broken'; readonly detail: string } {
  return { kind: 'broken', detail };
}
