// Pictures as people ask for them: few of them often, most of them seldom.
// Usage: node loadtest/zipf.ts --help

import { randomFrom } from '../samples/noise.ts';
import { runLoadTest } from './command.ts';
import type { LoadOptions } from './options.ts';
import { shuffled, zipfSampler } from './sampler.ts';
import type { Target } from './targets.ts';

const EXPONENT = 0.9;

const test = {
  name: 'zipf',
  summary: `all pictures, by Zipf's law with exponent ${EXPONENT}; which one is popular depends on the seed`,
  choose: (targets: readonly Target[]) => targets,
  plan: (targets: readonly Target[], { seed }: LoadOptions) => {
    const byRank = shuffled(targets, randomFrom(seed));
    const rankAt = zipfSampler(byRank.length, EXPONENT);
    return (index: number, length: number) => {
      const random = randomFrom(seed * 10_007 + index + 1);
      return Array.from({ length }, () => byRank[rankAt(random())]!);
    };
  },
};

process.exitCode = await runLoadTest(test, process.argv.slice(2), {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  env: process.env,
});
