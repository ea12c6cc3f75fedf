// How a hotlinker is answered: a status, or a redirect. Never stored by anyone, never under the image's key.

import { Fault } from '../base/fault.ts';
import { type ErrorContext, errorBody, errorLines, sendFault } from '../wire/error-reply.ts';
import type { Reply } from '../wire/reply.ts';

export interface DenyRule {
  /** Of the answer without a redirect. */
  readonly status: number;
  /** An absolute URL, or undefined. */
  readonly redirect: string | undefined;
}

export function sendDenial(reply: Reply, deny: DenyRule, context: ErrorContext): void {
  const fault = new Fault('DECKLE_REFERER_DENIED');
  if (deny.redirect === undefined && deny.status === fault.status) {
    sendFault(reply, fault, context);
    return;
  }
  const body = errorBody(fault, context.id);
  const location = deny.redirect === undefined ? '' : `Location: ${deny.redirect}\r\n`;
  const lines = `${errorLines(fault, context)}${location}Content-Length: ${body.length}\r\n`;
  reply.whole(deny.redirect === undefined ? deny.status : 302, lines, context.isHead ? undefined : body);
}
