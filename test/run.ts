// `npm test`: every test of the house, two files at a time. Arguments name files or patterns instead; flags of node --test pass.

import { spawn } from 'node:child_process';

const ALL = ['src/**/*.test.ts', 'test/**/*.test.ts', 'loadtest/**/*.test.ts', 'samples/**/*.test.ts'];
const given = process.argv.slice(2);
const files = given.some((argument) => !argument.startsWith('-')) ? given : [...given, ...ALL];

const child = spawn(
  process.execPath,
  ['--test', '--test-concurrency=2', '--test-timeout=300000', '--test-reporter=spec', ...files],
  {
    stdio: 'inherit',
  },
);
child.on('exit', (code) => {
  process.exitCode = code ?? 1;
});
