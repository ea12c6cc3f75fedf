// A whole answer on its way to a client: conditions, ranges, HEAD. For what a node has in its store and what a front has as a copy.
// Promises: conditions and ranges apply to 200 only; several ranges never make an answer longer than the image.

import { randomBytes } from 'node:crypto';
import type { Bytes } from '../base/units.ts';
import { notModified, rangeConditionHolds, type Validators } from '../wire/conditional.ts';
import type { Exchange } from '../wire/connection.ts';
import { contentRange, multipartParts, parseRange, unsatisfiedRange } from '../wire/range.ts';
import type { Reply } from '../wire/reply.ts';
import type { HeadScanner } from '../wire/scanner.ts';
import { isBodiless, statusLine } from '../wire/status.ts';
import type { PreparedHead } from './prepared.ts';
import { type PeerLines, quickLine } from './quick-word.ts';

/** An answer that is there from its first byte to its last. */
export interface WholeAnswer {
  readonly status: number;
  readonly head: PreparedHead;
  readonly body: Buffer;
}

/** Whether the request's conditions are met by what it has already (RFC 9110 §13.2.2). */
export function isNotModified(head: HeadScanner, stored: Validators): boolean {
  const ifNoneMatch = head.list('if-none-match');
  const ifModifiedSince = head.get('if-modified-since');
  if (ifNoneMatch === undefined && ifModifiedSince === undefined) return false;
  return notModified({ ifNoneMatch, ifModifiedSince }, stored);
}

/** Whether a range is to be read at all: one Range line, and an If-Range that holds. */
export function isRangeAsked(head: HeadScanner, stored: Validators): boolean {
  return head.lines('range') === 1 && rangeConditionHolds(head.get('if-range'), stored);
}

/** What is said of a hit, the same for every request of a moment. */
export interface Said {
  /** Age and Cache-Status, with line ends. */
  readonly text: string;
  /** Right from here on, and before there, on the clock of whoever says it. */
  readonly fromMs: number;
  readonly untilMs: number;
  /** The whole head in one piece, in which only the request's id changes from hit to hit. */
  stamp: Buffer | undefined;
  /** Length of the id that both stamps have room for. */
  idLength: number;
  /** The same for fronts of ours, and what they are told beside. */
  peerStamp: Buffer | undefined;
  peer: PeerLines | undefined;
  /** Where the node stood in the purge log, as text, when it said that. */
  peerPosition: string;
}

export function saidOf(text: string, fromMs: number, untilMs: number): Said {
  return { text, fromMs, untilMs, stamp: undefined, idLength: 0, peerStamp: undefined, peer: undefined, peerPosition: '' };
}

/** The last line of a stamp. */
const ID_NAME = 'X-Request-Id: ';
const HEAD_END = '\r\n\r\n';

/**
 * A hit: as `sendWhole`, with what is known to be said of it.
 * @param isPeer the client is a front of ours: it gets `said.peer` too
 */
export function sendHit(x: Exchange, answer: WholeAnswer, isHead: boolean, said: Said, id: string, isPeer: boolean): void {
  const { reply } = x;
  const peer = isPeer ? said.peer : undefined;
  if (isHead || x.head.selects || !reply.plain || answer.body.length === 0) {
    sendWhole(x, answer, isHead, `${said.text}${ID_NAME}${id}\r\n`, peer);
    return;
  }
  if (said.idLength !== id.length) {
    said.stamp = undefined;
    said.peerStamp = undefined;
    said.idLength = id.length;
  }
  let stamp = isPeer ? said.peerStamp : said.stamp;
  if (stamp === undefined) stamp = stampOf(answer, said.text, id, peer);
  else stampId(stamp, id);
  const kept = reply.stamped(answer.status, stamp, answer.body) ? stamp : undefined;
  if (isPeer) said.peerStamp = kept;
  else said.stamp = kept;
}

/** @param id as long as the one it replaces */
function stampId(stamp: Buffer, id: string): void {
  const at = stamp.length - HEAD_END.length - id.length;
  for (let place = 0; place < id.length; place += 1) stamp[at + place] = id.charCodeAt(place);
}

function stampOf({ status, head, body }: WholeAnswer, said: string, id: string, peer: PeerLines | undefined): Buffer {
  const behind = `${said}${head.lines}${wholeFraming(status, body)}${ID_NAME}${id}${HEAD_END}`;
  const aside = peer === undefined ? '' : quickLine(peer, status, behind.length, body.length) + peer.lines;
  return Buffer.from(`${statusLine(status)}${aside}${behind}`, 'latin1');
}

/**
 * @param moment the field lines of this request: Age, Cache-Status, X-Request-Id
 * @param peer   what a front of ours is told beside them
 */
export function sendWhole(x: Exchange, answer: WholeAnswer, isHead: boolean, moment: string, peer?: PeerLines): void {
  const { head: asked, reply } = x;
  const { status, head, body } = answer;
  const told = peer === undefined ? moment : moment + peer.lines;
  if (status === 200 && asked.selects) {
    if (isNotModified(asked, head)) {
      reply.whole(304, head.notModifiedLines + told, undefined);
      return;
    }
    if (!isHead && isRangeAsked(asked, head) && sendRange(reply, answer, asked.get('range'), told)) return;
  }
  const lines = head.lines + wholeFraming(status, body) + told;
  reply.whole(status, lines, isHead || body.length === 0 ? undefined : body);
}

function wholeFraming(status: number, body: Buffer): string {
  if (isBodiless(status)) return '';
  return `${status === 200 ? 'Accept-Ranges: bytes\r\n' : ''}Content-Length: ${body.length}\r\n`;
}

// False when the whole answer is the right one after all.
function sendRange(reply: Reply, answer: WholeAnswer, asked: string | undefined, moment: string): boolean {
  const { head, body } = answer;
  const range = parseRange(asked, body.length);
  switch (range.kind) {
    case 'unsatisfiable':
      reply.whole(416, unsatisfiedLines(head, moment, body.length), undefined);
      return true;
    case 'one':
      reply.whole(206, rangeLines(head.lines + moment, range, body.length), body.subarray(range.first, range.last + 1));
      return true;
    case 'many':
      return sendParts(reply, answer, moment, range.ranges);
    default:
      return false;
  }
}

export function unsatisfiedLines(prepared: PreparedHead, moment: string, length: Bytes): string {
  return `${prepared.commonLines}${moment}Content-Range: ${unsatisfiedRange(length)}\r\nContent-Length: 0\r\n`;
}

export function rangeLines(lines: string, range: { readonly first: Bytes; readonly last: Bytes }, length: Bytes): string {
  return `${lines}Content-Range: ${contentRange(range, length)}\r\nContent-Length: ${range.last - range.first + 1}\r\n`;
}

// Several ranges in one multipart answer. False when the whole body would be shorter: the caller sends that.
function sendParts(
  reply: Reply,
  { head, body }: WholeAnswer,
  moment: string,
  ranges: readonly { readonly first: Bytes; readonly last: Bytes }[],
): boolean {
  const multipart = multipartParts(ranges, body.length, head.contentType, randomBytes(12).toString('hex'));
  if (multipart.contentLength >= body.length) return false;
  const pieces: Buffer[] = [];
  for (const part of multipart.parts) pieces.push(Buffer.from(part.head, 'latin1'), body.subarray(part.first, part.last + 1));
  pieces.push(Buffer.from(multipart.tail, 'latin1'));
  const lines = head.lines.replace(/^content-type: [^\r]*\r\n/im, '');
  const framing = `Content-Type: ${multipart.contentType}\r\nContent-Length: ${multipart.contentLength}\r\n`;
  reply.cork();
  reply.begin(206, lines + moment + framing, multipart.contentLength);
  writeInTurn(reply, pieces);
  reply.uncork();
  return true;
}

// As the client takes them: a copy of what it asked for would be held for as long as it likes.
function writeInTurn(reply: Reply, pieces: readonly Buffer[]): void {
  let next = 0;
  const more = (): void => {
    while (next < pieces.length) {
      const piece = pieces[next]!;
      next += 1;
      if (reply.write(piece)) continue;
      reply.onDrain = more;
      return;
    }
    reply.end();
  };
  more();
}
