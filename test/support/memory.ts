// Resident memory of processes, watched.

import { readFileSync } from 'node:fs';

const EVERY_MS = 100;

/** Bytes. */
export function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

export interface MemoryWatch {
  /** How far each process has been above where it began, in bytes. */
  growth(): Readonly<Record<string, number>>;
  stop(): void;
}

/** Looks at every process ten times a second. */
export function watchMemory(pids: Readonly<Record<string, number>>): MemoryWatch {
  const seen = Object.entries(pids).map(([name, pid]) => ({ name, pid, begun: residentBytes(pid), most: residentBytes(pid) }));
  const look = () => {
    for (const each of seen) each.most = Math.max(each.most, residentBytes(each.pid));
  };
  const timer = setInterval(look, EVERY_MS);
  return {
    growth: () => {
      look();
      return Object.fromEntries(seen.map(({ name, begun, most }) => [name, most - begun]));
    },
    stop: () => clearInterval(timer),
  };
}
