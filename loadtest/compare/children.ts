// Processes that the comparison starts: pinned to a core, awaited until they listen, ended by their own id and never by a name.
// Promises: whatever was started ends with this process, also when nobody closes it; a start that fails says what was printed.

import { type ChildProcess, execFileSync, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { processTree } from './cpu.ts';

const START_LIMIT_MS = 20_000;
const STOP_LIMIT_MS = 5_000;
const POLL_MS = 20;
const KEPT_OUTPUT = 16 * 1024;

export interface Child {
  readonly process: ChildProcess;
  readonly pid: number;
  close(): Promise<void>;
}

/** Every process of a tree, with all its threads, onto one core; what it starts later follows. */
export function pin(root: number, core: number): void {
  for (const pid of processTree(root)) execFileSync('taskset', ['-a', '-p', '-c', `${core}`, `${pid}`], { stdio: 'ignore' });
}

/** A program that stays in the foreground, on one core, once it accepts connections on `port`. */
export async function startProgram(program: string, argv: readonly string[], core: number, port: number): Promise<Child> {
  const started = spawn('taskset', ['-c', `${core}`, program, ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  const keep = (chunk: Buffer) => {
    printed = (printed + chunk.toString()).slice(-KEPT_OUTPUT);
  };
  started.stdout.on('data', keep);
  started.stderr.on('data', keep);
  const child = owned(started);
  const until = performance.now() + START_LIMIT_MS;
  while (!(await accepts(port))) {
    if (gone(started) || performance.now() > until) {
      await child.close();
      throw new Error(`${program} did not start:\n${printed}`);
    }
    await pause(POLL_MS);
  }
  return child;
}

export interface Worker<Said, Asked> extends Child {
  /** Sends a message, if any, and gives the next one that comes back. */
  ask(message: Asked | undefined, limitMs: number, signal?: AbortSignal): Promise<Said>;
}

/** A module of this folder as a process of its own, spoken to with messages, one question at a time. */
export function startWorker<Said, Asked>(module: URL, argument: string, core: number): Worker<Said, Asked> {
  const forked = fork(module, [argument]);
  const child = owned(forked);
  pin(child.pid, core);
  return {
    ...child,
    ask: (message, limitMs, signal) =>
      new Promise((resolve, reject) => {
        signal?.throwIfAborted();
        const settle = (act: () => void) => {
          clearTimeout(late);
          forked.off('message', answered);
          forked.off('exit', ended);
          signal?.removeEventListener('abort', aborted);
          act();
        };
        const answered = (said: unknown) => settle(() => resolve(said as Said));
        const ended = () => settle(() => reject(new Error(`${module.pathname} ended`)));
        const aborted = () => settle(() => reject(signal?.reason as Error));
        const late = setTimeout(() => settle(() => reject(new Error(`${module.pathname} is silent`))), limitMs);
        forked.on('message', answered);
        forked.on('exit', ended);
        signal?.addEventListener('abort', aborted);
        if (message !== undefined) forked.send(message as object);
      }),
  };
}

function owned(process_: ChildProcess): Child {
  process_.on('error', () => {});
  const kill = () => process_.kill('SIGTERM');
  process.once('exit', kill);
  return {
    process: process_,
    pid: process_.pid ?? 0,
    close: async () => {
      process.removeListener('exit', kill);
      if (gone(process_)) return;
      process_.kill('SIGTERM');
      const hard = setTimeout(() => process_.kill('SIGKILL'), STOP_LIMIT_MS);
      await once(process_, 'exit');
      clearTimeout(hard);
    },
  };
}

function gone(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
