// An answer on its way to the client of a node: Age and Cache-Status beside it, whole from the store or as a flight brings it.
// Promises: a length that was declared is kept or the connection is cut; a client that reads slowly holds at most two slices
// beside what it shares with others.

import { copyLine } from '../answer/copy-word.ts';
import type { PreparedHead } from '../answer/prepared.ts';
import type { PeerLines } from '../answer/quick-word.ts';
import {
  isNotModified,
  isRangeAsked,
  rangeLines,
  type Said,
  saidOf,
  sendHit,
  sendWhole,
  unsatisfiedLines,
} from '../answer/send.ts';
import type { Bytes, Ms, WallMs } from '../base/units.ts';
import { parseRange } from '../wire/range.ts';
import { SLICE_BYTES } from '../wire/reply.ts';
import { isBodiless } from '../wire/status.ts';
import type { Flight } from './flight.ts';
import type { FlightReader } from './flight-contract.ts';
import { ageMs, ageSeconds } from './freshness.ts';
import type { Answer, AnswerFacts, NodeRequest, Outcome } from './request.ts';

/** The lines that differ by request: who asked, how it was answered, how old it is. */
function momentLines(r: NodeRequest, head: PreparedHead, node: string, age: number, outcome: Outcome): string {
  const detail = outcome.reason === undefined ? '' : `; detail=${outcome.reason}`;
  const peer = r.peer ? `X-Deckle-Result: ${outcome.result}\r\n` : '';
  return `Age: ${age}\r\nCache-Status: ${head.upstreamStatus}${node}; ${outcome.status}${detail}\r\nX-Request-Id: ${r.id}\r\n${peer}`;
}

/** Less than this left is told to the millisecond. */
const SHORT_MS: Ms = 10_000;

/** What a node says of itself to fronts of ours. */
export interface NodeWords {
  readonly name: string;
  readonly answerToken: string;
  position(): string;
}

/** Sends a stored answer that is fresh. */
export function deliverFresh(r: NodeRequest, answer: Answer, node: NodeWords, nowMs: WallMs): void {
  const { facts } = answer;
  const said = isSaid(facts, nowMs) ? facts.said! : saidNow(facts, node.name, nowMs);
  if (r.peer) {
    const position = node.position();
    const endsMs = facts.freshness.bornMs + facts.freshness.lifetimeMs;
    // What is said once a moment counts from the moment's end; of a short life that would be too much.
    const isShort = endsMs - nowMs < SHORT_MS;
    if (isShort || said.peerPosition !== position) {
      said.peer = peerLines(answer, endsMs - (isShort ? nowMs : said.untilMs), node.answerToken, position);
      said.peerPosition = position;
      said.peerStamp = undefined;
    }
  }
  sendHit(r.x, { status: answer.status, head: facts.head, body: answer.body }, r.isHead, said, r.id, r.peer);
}

/** Whether what was said last of a fresh answer is still right, and with it that it is fresh. */
export function isSaid({ said }: AnswerFacts, nowMs: WallMs): boolean {
  return said !== undefined && nowMs >= said.fromMs && nowMs < said.untilMs;
}

// A front of ours may keep a copy for as long as the answer is fresh, and pass it on without reading its head.
function peerLines({ status }: Answer, lifetimeMs: Ms, token: string, position: string): PeerLines {
  const copy = status === 200 ? copyLine(lifetimeMs, position) : '';
  return { lines: `X-Deckle-Result: memory\r\n${copy}`, result: 'memory', token };
}

/**
 * Sends a stored answer with a word of how it came about.
 * @param age whole seconds
 */
export function deliverStored(r: NodeRequest, answer: Answer, node: string, age: number, outcome: Outcome): void {
  const { head } = answer.facts;
  sendWhole(r.x, { status: answer.status, head, body: answer.body }, r.isHead, momentLines(r, head, node, age, outcome));
}

// Age and Cache-Status of a hit change once a second at most.
function saidNow(facts: AnswerFacts, node: string, nowMs: WallMs): Said {
  const { freshness, head } = facts;
  const age = ageSeconds(freshness, nowMs);
  const ttl = Math.floor((freshness.lifetimeMs - ageMs(freshness, nowMs)) / 1000);
  const text = `Age: ${age}\r\nCache-Status: ${head.upstreamStatus}${node}; hit; ttl=${ttl}\r\n`;
  const untilMs = Math.min(freshness.bornMs + (age + 1) * 1000, freshness.bornMs + freshness.lifetimeMs - ttl * 1000);
  const said = saidOf(text, nowMs, untilMs);
  facts.said = said;
  return said;
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
