// The one shape of an error answer: short text with the code and the request id, never stored, never a stack.

import type { Fault } from '../base/fault.ts';
import type { WallMs } from '../base/units.ts';
import { httpDate } from './date.ts';
import type { Reply } from './reply.ts';

export interface ErrorContext {
  /** Our name in Cache-Status: `front`, or the node's. */
  readonly who: string;
  readonly id: string;
  readonly isHead: boolean;
  readonly nowMs: WallMs;
  /** Further field lines with their line ends: Allow, Retry-After, peers' fields. */
  readonly lines?: string;
}

/** Field lines of every error answer but the framing. */
export function errorLines(fault: Fault, context: ErrorContext): string {
  const retry = fault.status === 503 ? 'Retry-After: 1\r\n' : '';
  return (
    `Date: ${httpDate(context.nowMs)}\r\nVia: 1.1 deckle\r\nContent-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n` +
    `Cache-Status: ${context.who}; detail=${fault.reason}\r\nX-Request-Id: ${context.id}\r\nX-Content-Type-Options: nosniff\r\n${retry}${context.lines ?? ''}`
  );
}

export function errorBody(fault: Fault, id: string): Buffer {
  return Buffer.from(`${fault.code} ${fault.publicText}\nrequest ${id}\n`, 'latin1');
}

/** Answers with a fault; when the head of another answer has left already, the connection is cut instead. */
export function sendFault(reply: Reply, fault: Fault, context: ErrorContext): void {
  if (reply.ended) return;
  if (reply.started) {
    reply.abort();
    return;
  }
  // A request that broke the rules leaves doubt about everything behind it on its connection.
  if (fault.status === 400) reply.closeAfter();
  const body = errorBody(fault, context.id);
  const lines = `${errorLines(fault, context)}Content-Length: ${body.length}\r\n`;
  reply.whole(fault.status, lines, context.isHead ? undefined : body);
}
