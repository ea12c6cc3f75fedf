// Processor time of processes from /proc, in nanoseconds where the kernel counts them (schedstat), else in its ticks.
// Promises: user and system time of every thread; a process that ended meanwhile is an error, since its time would be missing.

import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** By process: nanoseconds of each thread, and of the process in ticks. */
export type CpuReading = ReadonlyMap<number, { readonly threads: ReadonlyMap<string, number>; readonly tickedNs: number }>;

/** USER_HZ, 100 on every Linux that Node runs on. */
const TICK_NS = 10_000_000;

export function readCpu(pids: readonly number[]): CpuReading {
  return new Map(pids.map((pid) => [pid, { threads: threadsOf(pid), tickedNs: tickedNs(pid) }]));
}

/** Nanoseconds between two readings, by process. */
export function cpuBetween(before: CpuReading, after: CpuReading): ReadonlyMap<number, number> {
  const spent = new Map<number, number>();
  for (const [pid, then] of before) {
    const now = after.get(pid);
    if (now === undefined) throw new Error(`no second reading of process ${pid}`);
    const counted = now.threads.size > 0 && [...then.threads.keys()].every((thread) => now.threads.has(thread));
    // The time of a thread that ended is only in the ticks of its process.
    spent.set(pid, counted ? between(then.threads, now.threads) : now.tickedNs - then.tickedNs);
  }
  return spent;
}

/** A process and all below it, without those that end while this looks. */
export function processTree(root: number): readonly number[] {
  const pids = [root];
  for (let i = 0; i < pids.length; i++) {
    const tasks = `/proc/${pids[i]}/task`;
    for (const thread of existsSync(tasks) ? readdirSync(tasks) : []) {
      const children = readOr(`${tasks}/${thread}/children`, '').split(' ').map(Number);
      pids.push(...children.filter((child) => child > 0));
    }
  }
  return pids;
}

function between(then: ReadonlyMap<string, number>, now: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const [thread, ns] of now) sum += ns - (then.get(thread) ?? 0);
  return sum;
}

function threadsOf(pid: number): ReadonlyMap<string, number> {
  const threads = new Map<string, number>();
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const text = readOr(`/proc/${pid}/task/${thread}/schedstat`, '');
    const ns = Number(text.split(' ', 1)[0]);
    if (text !== '' && Number.isFinite(ns)) threads.set(thread, ns);
  }
  return threads;
}

function tickedNs(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // The name may hold spaces and brackets; behind its last bracket the third field begins.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_NS;
}

/** A thread may end between the list and the look. */
function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return otherwise;
  }
}
