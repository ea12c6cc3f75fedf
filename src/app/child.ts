// A process under the supervisor: waits for its config, becomes a front or a node, applies the log, reports, stops in order.
// It does not outlive its supervisor: when the channel closes it finishes what it has and goes.

import { systemClock } from '../base/clock.ts';
import { createLog, type Log } from '../base/log.ts';
import { formatPosition, type Position, parsePosition } from '../base/position.ts';
import type { Ms } from '../base/units.ts';
import { fromWire, type ToChild, type ToSupervisor } from './channel.ts';
import type { Worker } from './worker.ts';

const FIGURES_MS: Ms = 1_000;

type Start = Extract<ToChild, { kind: 'start' }>;

/** Runs until the supervisor ends it. */
export async function runChild(role: Worker['role']): Promise<void> {
  // Before the first word: from then on records of the log come, and none may pass by.
  const make = await makerOf(role);
  let worker: Worker | undefined;
  let stopping = false;
  let stopMs: Ms = 60_000;
  const sockets: object[] = [];
  const say = (message: ToSupervisor) => {
    if (process.connected) process.send?.(message, undefined, undefined, () => {});
  };
  const figures = (ask: number) => {
    if (worker !== undefined) say({ kind: 'figures', ask, snapshot: worker.snapshot(), ...worker.ready() });
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

  const begin = async (start: Start) => {
    stopMs = start.config.stop_timeout;
    const log = createLog(start.config.log.level, start.name);
    process.on('uncaughtException', (error) => {
      log.error({ error: error.stack ?? String(error) }, 'a defect; this process ends and is replaced');
      process.exit(70);
    });
    try {
      worker = make(start, log);
      await worker.listen(sockets);
    } catch (error) {
      say({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
      setTimeout(() => process.exit(1), 50);
      return;
    }
    setInterval(figures, FIGURES_MS, 0).unref();
    figures(0);
    say({ kind: 'up' });
  };

  let waiting: Start | undefined;
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
        // What comes while the sockets do is applied too: with nothing stored, by beginning behind it.
        if (waiting !== undefined) waiting = { ...waiting, position: formatPosition(record.position) };
        const removed = worker?.apply(record) ?? 0;
        say({ kind: 'applied', position: formatPosition(record.position), removed });
        return;
      }
      case 'reopen-logs':
        worker?.reopenLogs();
        return;
      case 'certificates':
        if (waiting !== undefined) waiting = { ...waiting, tls: { ...waiting.tls, certificates: message.certificates } };
        worker?.certify(message.certificates);
        return;
      case 'figures':
        figures(message.ask);
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

// A role loads its own half of the house only: a front without what speaks to origins is 20 MB smaller.
async function makerOf(role: Worker['role']): Promise<(start: Start, log: Log) => Worker> {
  if (role === 'front') {
    const { createFront } = await import('./front.ts');
    return ({ config, name, position, tls, answerToken }, log) =>
      createFront(config, name, parsePosition(position) as Position, tls, answerToken, systemClock, log);
  }
  const { createNode } = await import('./node.ts');
  return ({ config, name, position, answerToken }, log) =>
    createNode(config, name, parsePosition(position) as Position, answerToken, systemClock, log);
}
