// What both roles do at their listeners: `/-/health` and `/-/ready`, the answer of a full house, the limits of the config,
// who is told what.

import { Fault } from '../base/fault.ts';
import type { Log } from '../base/log.ts';
import type { Ms } from '../base/units.ts';
import type { FrontOptions } from '../front/options.ts';
import type { Role } from '../metrics/catalogue.ts';
import type { RequestMeter } from '../metrics/meter.ts';
import { cellsBy, type Registry } from '../metrics/registry.ts';
import type { Exchange } from '../wire/connection.ts';
import { errorBody, errorLines } from '../wire/error-reply.ts';
import type { GreetingStep } from '../wire/greeting.ts';
import type { ListenerEvents, ListenerLimits } from '../wire/listener.ts';

export function listenerLimits(limits: FrontOptions['limits'], sendMs: Ms): ListenerLimits {
  return {
    headBytes: limits.header_size,
    headFields: limits.headers,
    bodyBytes: limits.body,
    headMs: limits.header_timeout,
    idleMs: limits.idle_timeout,
    sendMs,
    connections: limits.connections,
  };
}

/** What a listener tells: its requests to the story, those turned away to the meter, defects to the log. */
export function listenerEvents(
  story: Pick<ListenerEvents, 'request' | 'refused'>,
  meter: RequestMeter,
  log: Log,
): ListenerEvents {
  let told = false;
  return {
    request: (x) => story.request(x),
    refused: (x, fault) => story.refused(x, fault),
    overflow: () => {
      meter.count(-1, 'shed', 503, 0, 0);
      if (told) return;
      told = true;
      log.warn({}, 'more connections than front.limits.connections or the descriptors of this process (ulimit -n) allow: 503');
    },
    defect: (error) =>
      log.error({ error: error instanceof Error ? error.stack : String(error) }, 'a defect; the request got 500'),
  };
}

/** Counts connections that were cut before HTTP. Most are scanners; a balancer that says no PROXY header is a mistake, told once. */
export function greetingFailures(registry: Registry, role: Role, log: Log): (step: GreetingStep) => void {
  const failures = cellsBy((greeting) => registry.cell('deckle_greeting_failures_total', { role, greeting }));
  let told = false;
  return (step) => {
    failures(step).value += 1;
    if (told || step !== 'proxy') return;
    told = true;
    log.warn({}, 'a connection that began without a whole PROXY header was closed (front.listen[].proxy_protocol is true there)');
  };
}

/** The whole answer for a connection over the limit. */
export function fullHouse(who: string): string {
  const fault = new Fault('DECKLE_CONNECTIONS');
  const body = errorBody(fault, '-').toString('latin1');
  const lines = errorLines(fault, { who, id: '-', isHead: false, nowMs: Date.now() });
  return `HTTP/1.1 ${fault.status} Service Unavailable\r\n${lines}Content-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`;
}

/** Answers GET and HEAD for health and readiness; false for anything else. Neither is counted as a request. */
export function answerHealth(x: Exchange, path: string, ready: () => { readonly ready: boolean; readonly why: string }): boolean {
  if (x.head.method !== 'GET' && x.head.method !== 'HEAD') return false;
  if (path === '/-/health') sendText(x, 200, 'ok\n');
  else if (path === '/-/ready') {
    const state = ready();
    sendText(x, state.ready ? 200 : 503, state.ready ? 'ready\n' : `${state.why}\n`);
  } else return false;
  return true;
}

export function sendText(x: Exchange, status: number, text: string, type = 'text/plain; charset=utf-8'): void {
  x.onEnd = undefined;
  const body = Buffer.from(text);
  const lines = `Content-Type: ${type}\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nContent-Length: ${body.length}\r\n`;
  x.reply.whole(status, lines, x.head.method === 'HEAD' ? undefined : body);
}
