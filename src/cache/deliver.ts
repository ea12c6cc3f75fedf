// An answer on its way to the client: conditions, ranges, HEAD, Age and Cache-Status, from a stored answer or from a flight.
// Promises: a length that was declared is kept or the connection is cut; conditions and ranges apply to 200 only; a client that
// reads slowly holds at most two slices beside what it shares with others.

import { randomBytes } from 'node:crypto';
import type { Bytes } from '../base/units.ts';
import { notModified, rangeConditionHolds, type Validators } from '../wire/conditional.ts';
import { contentRange, multipartParts, parseRange, unsatisfiedRange } from '../wire/range.ts';
import { type Reply, SLICE_BYTES } from '../wire/reply.ts';
import type { HeadScanner } from '../wire/scanner.ts';
import { isBodiless } from '../wire/status.ts';
import type { Answer, PreparedHead } from './answer.ts';
import type { Flight } from './flight.ts';
import type { FlightReader } from './flight-contract.ts';
import type { NodeRequest, Outcome } from './request.ts';

/** The lines that differ by request: who asked, how it was answered, how old it is. */
function momentLines(r: NodeRequest, head: PreparedHead, node: string, age: number, outcome: Outcome): string {
  const detail = outcome.reason === undefined ? '' : `; detail=${outcome.reason}`;
  const peer = r.peer ? `X-Deckle-Result: ${outcome.result}\r\n` : '';
  return `Age: ${age}\r\nCache-Status: ${head.upstreamStatus}${node}; ${outcome.status}${detail}\r\nX-Request-Id: ${r.id}\r\n${peer}`;
}

function isNotModified(head: HeadScanner, stored: Validators): boolean {
  const ifNoneMatch = head.list('if-none-match');
  const ifModifiedSince = head.get('if-modified-since');
  if (ifNoneMatch === undefined && ifModifiedSince === undefined) return false;
  return notModified({ ifNoneMatch, ifModifiedSince }, stored);
}

function isRangeAsked(head: HeadScanner, stored: Validators): boolean {
  return head.lines('range') === 1 && rangeConditionHolds(head.get('if-range'), stored);
}

/**
 * Sends a stored answer.
 * @param age whole seconds
 */
export function deliverStored(r: NodeRequest, answer: Answer, node: string, age: number, outcome: Outcome): void {
  const { head, reply } = r.x;
  const prepared = answer.facts.head;
  const moment = momentLines(r, prepared, node, age, outcome);
  const body = answer.body;
  if (answer.status === 200) {
    if (isNotModified(head, prepared)) {
      reply.whole(304, prepared.notModifiedLines + moment, undefined);
      return;
    }
    if (!r.isHead && isRangeAsked(head, prepared)) {
      const range = parseRange(head.get('range'), body.length);
      if (range.kind === 'unsatisfiable') {
        reply.whole(416, unsatisfiedLines(prepared, moment, body.length), undefined);
        return;
      }
      if (range.kind === 'one') {
        const part = body.subarray(range.first, range.last + 1);
        reply.whole(206, rangeLines(prepared.lines + moment, range, body.length), part);
        return;
      }
      if (range.kind === 'many' && sendParts(r, answer, moment, range.ranges)) return;
    }
  }
  const framing = isBodiless(answer.status) ? '' : `Content-Length: ${body.length}\r\n`;
  const ranges = answer.status === 200 ? 'Accept-Ranges: bytes\r\n' : '';
  reply.whole(answer.status, prepared.lines + moment + ranges + framing, r.isHead || framing === '' ? undefined : body);
}

function unsatisfiedLines(prepared: PreparedHead, moment: string, length: Bytes): string {
  return `${prepared.commonLines}${moment}Content-Range: ${unsatisfiedRange(length)}\r\nContent-Length: 0\r\n`;
}

function rangeLines(lines: string, range: { readonly first: Bytes; readonly last: Bytes }, length: Bytes): string {
  return `${lines}Content-Range: ${contentRange(range, length)}\r\nContent-Length: ${range.last - range.first + 1}\r\n`;
}

// Several ranges in one multipart answer. False when the whole body would be shorter: the caller sends that.
function sendParts(
  r: NodeRequest,
  answer: Answer,
  moment: string,
  ranges: readonly { readonly first: Bytes; readonly last: Bytes }[],
): boolean {
  const prepared = answer.facts.head;
  const multipart = multipartParts(ranges, answer.body.length, prepared.contentType, randomBytes(12).toString('hex'));
  if (multipart.contentLength >= answer.body.length) return false;
  const pieces: Buffer[] = [];
  for (const part of multipart.parts)
    pieces.push(Buffer.from(part.head, 'latin1'), answer.body.subarray(part.first, part.last + 1));
  pieces.push(Buffer.from(multipart.tail, 'latin1'));
  const lines = prepared.lines.replace(/^content-type: [^\r]*\r\n/im, '');
  const framing = `Content-Type: ${multipart.contentType}\r\nContent-Length: ${multipart.contentLength}\r\n`;
  const { reply } = r.x;
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

/** Streams a flight's body to one client as it comes in. */
export class FlightDelivery implements FlightReader {
  readonly #r: NodeRequest;
  readonly #flight: Flight;
  #position = 0;
  #end = Number.POSITIVE_INFINITY;
  #done = false;
  #complete = false;
  #pumping = false;
  /** The socket holds all it should: nothing is written before it has drained. */
  #stalled = false;

  constructor(r: NodeRequest, flight: Flight) {
    this.#r = r;
    this.#flight = flight;
  }

  get position(): Bytes {
    return this.#position;
  }

  /** Sends the head and what there is of the body; the rest follows as it comes. */
  begin(node: string, outcome: Outcome): void {
    const { head: asked, reply } = this.#r.x;
    const { status, length, prepared, age } = this.#flight.head;
    const moment = momentLines(this.#r, prepared, node, age, outcome);
    if (status === 200 && isNotModified(asked, prepared)) {
      reply.whole(304, prepared.notModifiedLines + moment, undefined);
      return;
    }
    if (this.#r.isHead || isBodiless(status)) {
      const ranges = status === 200 && length !== undefined ? 'Accept-Ranges: bytes\r\n' : '';
      const framing = isBodiless(status) || length === undefined ? '' : `Content-Length: ${length}\r\n`;
      reply.whole(status, prepared.lines + moment + ranges + framing, undefined);
      return;
    }
    let lines = prepared.lines + moment;
    let answered = status;
    let size = length;
    let ranged = false;
    if (status === 200 && length !== undefined && isRangeAsked(asked, prepared)) {
      const range = parseRange(asked.get('range'), length);
      if (range.kind === 'unsatisfiable') {
        reply.whole(416, unsatisfiedLines(prepared, moment, length), undefined);
        return;
      }
      if (range.kind === 'one') {
        this.#position = range.first;
        this.#end = range.last + 1;
        size = this.#end - this.#position;
        answered = 206;
        ranged = true;
        lines = rangeLines(lines, range, length);
      }
    }
    if (answered === 200 && length !== undefined) lines += 'Accept-Ranges: bytes\r\n';
    if (!ranged && size !== undefined) lines += `Content-Length: ${size}\r\n`;
    reply.onGone = () => this.#leave();
    reply.cork();
    reply.begin(answered, lines, size);
    this.#flight.read(this);
    this.more();
    reply.uncork();
  }

  more(): void {
    if (this.#pumping || this.#stalled || this.#done) return;
    this.#pumping = true;
    const reply = this.#r.x.reply;
    let room = true;
    while (room && !reply.ended && this.#position < this.#end) {
      // A slice at a time, so that what this reader has taken is what its client has nearly got.
      const bytes = this.#flight.body.at(this.#position, Math.min(this.#end, this.#position + SLICE_BYTES));
      if (bytes === undefined) break;
      this.#position += bytes.length;
      room = reply.write(bytes);
    }
    this.#pumping = false;
    this.#flight.advanced();
    if (reply.ended) this.#leave();
    else if (!room) this.#awaitDrain();
    else if (this.#position >= this.#end || (this.#complete && this.#position >= this.#flight.body.filled)) this.#finish();
  }

  ended(): void {
    this.#complete = true;
    this.more();
  }

  cut(): void {
    if (this.#done) return;
    this.#leave();
    this.#r.x.reply.abort();
  }

  #awaitDrain(): void {
    this.#stalled = true;
    this.#r.x.reply.onDrain = () => {
      this.#stalled = false;
      this.more();
    };
  }

  #finish(): void {
    this.#done = true;
    this.#r.x.reply.end();
    this.#flight.unread(this);
  }

  #leave(): void {
    if (this.#done) return;
    this.#done = true;
    this.#flight.unread(this);
  }
}
