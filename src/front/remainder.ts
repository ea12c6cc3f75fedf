// What is missing of an answer that broke off, and whether another node's answer is exactly that.
// Promises: bytes of two answers are put together only where a strong ETag says that they are of one body (RFC 9110 §8.8.1, §13.1.5),
// and only if they are the ones that were asked for. Refuses: weak tags, answers of unknown length, several ranges.

import type { Bytes } from '../base/units.ts';
import { contentRange } from '../wire/range.ts';
import type { HeadScanner } from '../wire/scanner.ts';

export interface Remainder {
  readonly etag: string;
  readonly first: Bytes;
  readonly last: Bytes;
  /** Of the whole body. */
  readonly total: Bytes;
}

const STRONG_ETAG = /^"[\x21\x23-\x7e\x80-\xff]*"$/;
const ONE_RANGE = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/;

/** What an answer promised. Undefined: nobody can go on with it. */
export function promised(head: HeadScanner): Remainder | undefined {
  const etag = head.find('etag');
  if (etag === undefined || !STRONG_ETAG.test(etag) || head.contentLength < 1) return undefined;
  if (head.status === 200) return { etag, first: 0, last: head.contentLength - 1, total: head.contentLength };
  if (head.status !== 206) return undefined;
  const range = ONE_RANGE.exec(head.find('content-range') ?? '');
  if (range === null) return undefined;
  const [first, last, total] = [Number(range[1]), Number(range[2]), Number(range[3])];
  return last - first + 1 === head.contentLength && last < total ? { etag, first, last, total } : undefined;
}

/** What is left after so many bytes of it. */
export function after(whole: Remainder, bytes: Bytes): Remainder {
  return { ...whole, first: whole.first + bytes };
}

/** The request fields that ask for it. */
export function askingLines({ etag, first, last }: Remainder): string {
  return `Range: bytes=${first}-${last}\r\nIf-Range: ${etag}\r\n`;
}

/** Whether an answer is just that. */
export function isRemainder(head: HeadScanner, wanted: Remainder): boolean {
  const { etag, first, last, total } = wanted;
  if (head.status !== 206 || head.find('etag') !== etag || head.find('content-range') !== contentRange(wanted, total))
    return false;
  return head.contentLength < 0 || head.contentLength === last - first + 1;
}
