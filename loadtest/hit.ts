// A few pictures over and over: what the edge does when everything it is asked for is in memory.
// Usage: node loadtest/hit.ts --help

import { runLoadTest } from './command.ts';
import type { Target } from './targets.ts';

const PICTURES = 8;
const LARGEST_BYTES = 256 * 1024;

const test = {
  name: 'hit',
  summary: `a few small pictures in rotation, so that almost every answer comes from memory (the first ${PICTURES} of at most 256 KB)`,
  choose: (targets: readonly Target[]) => {
    const small = targets.filter(({ bytes }) => bytes === undefined || bytes <= LARGEST_BYTES);
    return (small.length > 0 ? small : targets).slice(0, PICTURES);
  },
  /** Connections begin at different pictures, so that they do not all ask for the same one at the same moment. */
  plan: (targets: readonly Target[]) => (index: number) => targets.map((_, i) => targets[(i + index) % targets.length]!),
};

process.exitCode = await runLoadTest(test, process.argv.slice(2), {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  env: process.env,
});
