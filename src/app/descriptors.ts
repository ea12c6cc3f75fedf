// How many clients the descriptors of this process are enough for. Beyond that the system closes connections without a word and
// the process cannot reach nodes, origins and files any more; a client over a limit of ours gets a 503 that is counted.

import { readFileSync } from 'node:fs';

/** Standard streams, listeners, the channel, logs, folders, and what libraries hold. */
const OWN = 256;

/** The soft limit of open files; infinite where the system does not tell. The runtime has raised it to the hard one. */
export function descriptorLimit(): number {
  try {
    return limitFrom(readFileSync('/proc/self/limits', 'latin1'));
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

export function limitFrom(text: string): number {
  const soft = /^Max open files\s+(\d+)\s/m.exec(text)?.[1];
  return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
}

/**
 * @param wanted    connections that the config allows
 * @param onwards   connections that serving them may need at most: to nodes, or to origins
 * @param limit     of descriptors
 */
export function connectionsWithin(wanted: number, onwards: number, limit: number): number {
  // Where even `onwards` has no room, both sides get half: neither can shut the other out.
  return Math.max(1, Math.min(wanted, Math.max(Math.floor(limit / 2), limit - OWN - onwards)));
}
