// A listener of wire/ on loopback with a clock that the test moves, and a handler of its own.

import type { Clock } from '../../src/base/clock.ts';
import type { Fault } from '../../src/base/fault.ts';
import type { Exchange } from '../../src/wire/connection.ts';
import type { GreetingStep, Greetings } from '../../src/wire/greeting.ts';
import { Listener, type ListenerLimits } from '../../src/wire/listener.ts';
import type { ReplyEnd } from '../../src/wire/reply.ts';

export interface Wire {
  readonly port: number;
  readonly listener: Listener;
  /** What the handler threw. */
  readonly defects: readonly unknown[];
  /** How the exchanges ended, in order. */
  readonly ends: readonly ReplyEnd[];
  overflows(): number;
  /** Steps in which clients were cut before HTTP, in order. */
  readonly unwelcome: readonly GreetingStep[];
  /** Moves the clock; deadlines are looked at within 250 ms of real time. */
  pass(ms: number): void;
}

export const WIRE_LIMITS: ListenerLimits = {
  headBytes: 4096,
  headFields: 20,
  bodyBytes: 16 * 1024 * 1024,
  headMs: 10_000,
  idleMs: 65_000,
  sendMs: 30_000,
  connections: 1000,
};

export const OVERFLOW = 'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 5\r\nConnection: close\r\n\r\nfull\n';

export function whole(x: Exchange, status: number, text: string | Buffer): void {
  const body = Buffer.from(text);
  x.reply.whole(status, `Content-Length: ${body.length}\r\n`, x.head.method === 'HEAD' ? undefined : body);
}

/** Ends with the test, through `using`-like `stop`. A refusal is answered with its status and code. */
export async function startWire(
  request: (x: Exchange) => void,
  limits: Partial<ListenerLimits> = {},
  refused: (x: Exchange, fault: Fault) => void = (x, fault) => whole(x, fault.status, fault.code),
  greetings?: Greetings,
): Promise<Wire & AsyncDisposable> {
  let skipped = 0;
  let overflows = 0;
  const clock: Clock = { wallMs: () => Date.now(), monoMs: () => performance.now() + skipped };
  const defects: unknown[] = [];
  const ends: ReplyEnd[] = [];
  const unwelcome: GreetingStep[] = [];
  const counted = (x: Exchange) => {
    x.onEnd = (end) => ends.push(end);
  };
  const listener = new Listener(
    { ...WIRE_LIMITS, ...limits },
    {
      request: (x) => {
        counted(x);
        request(x);
      },
      refused: (x, fault) => {
        counted(x);
        refused(x, fault);
      },
      overflow: () => {
        overflows += 1;
      },
      unwelcome: (step) => unwelcome.push(step),
      defect: (error) => defects.push(error),
    },
    clock,
    OVERFLOW,
    greetings,
  );
  const { port } = await listener.listen({ host: '127.0.0.1', port: 0 });
  return {
    port,
    listener,
    defects,
    ends,
    unwelcome,
    overflows: () => overflows,
    pass: (ms) => {
      skipped += ms;
    },
    [Symbol.asyncDispose]: async () => listener.destroy(),
  };
}
