// A process under the supervisor: waits for its config, becomes a front or a node, applies the log, reports, stops in order.
// It does not outlive its supervisor: when the channel closes it finishes what it has and goes.

import { systemClock } from '../base/clock.ts';
import { createLog } from '../base/log.ts';
import type { Ms } from '../base/units.ts';
import type { Position } from '../purge/log.ts';
import { formatPosition, parsePosition } from '../purge/position.ts';
import { fromWire, type ToChild, type ToSupervisor } from './channel.ts';
import { createFront } from './front.ts';
import { createNode } from './node.ts';
import type { Worker } from './worker.ts';

const FIGURES_MS: Ms = 1_000;

/** Runs until the supervisor ends it. */
export function runChild(): void {
  let worker: Worker | undefined;
  let stopping = false;
  let stopMs: Ms = 60_000;
  const sockets: object[] = [];
  const say = (message: ToSupervisor) => {
    if (process.connected) process.send?.(message, undefined, undefined, () => {});
  };
  const stop = async () => {
    if (stopping) {
      worker?.kill();
      process.exit(1);
    }
    stopping = true;
    setTimeout(() => process.exit(1), stopMs).unref();
    await worker?.stop();
    process.exit(0);
  };

  const begin = async (start: Extract<ToChild, { kind: 'start' }>) => {
    stopMs = start.config.stop_timeout;
    const log = createLog(start.config.log.level, start.name);
    process.on('uncaughtException', (error) => {
      log.error({ error: error.stack ?? String(error) }, 'a defect; this process ends and is replaced');
      process.exit(70);
    });
    const position = parsePosition(start.position) as Position;
    try {
      worker =
        start.role === 'front'
          ? createFront(start.config, start.name, systemClock)
          : createNode(start.config, start.name, position, systemClock);
      await worker.listen(sockets);
    } catch (error) {
      say({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
      setTimeout(() => process.exit(1), 50);
      return;
    }
    const figures = () => say({ kind: 'figures', snapshot: worker!.snapshot(), ...worker!.ready() });
    setInterval(figures, FIGURES_MS).unref();
    figures();
    say({ kind: 'up' });
  };

  let waiting: Extract<ToChild, { kind: 'start' }> | undefined;
  process.on('message', (message: ToChild, socket: unknown) => {
    switch (message.kind) {
      case 'start':
        waiting = message;
        break;
      case 'socket':
        if (typeof socket === 'object' && socket !== null) sockets.push(socket);
        break;
      case 'record': {
        const record = fromWire(message.record);
        const removed = worker?.apply(record) ?? 0;
        say({ kind: 'applied', position: formatPosition(record.position), removed });
        return;
      }
      case 'reopen-logs':
        worker?.reopenLogs();
        return;
    }
    if (waiting !== undefined && sockets.length === waiting.sockets) {
      const start = waiting;
      waiting = undefined;
      void begin(start);
    }
  });
  process.on('SIGTERM', () => void stop());
  // An interrupt from the keyboard goes to the whole group: the supervisor says when to stop.
  process.on('SIGINT', () => {});
  process.on('SIGHUP', () => {});
  process.on('disconnect', () => void stop());
  say({ kind: 'hello' });
}
