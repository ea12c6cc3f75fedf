#!/usr/bin/env node
// The way in, in JavaScript that an old Node can read too: it finds a Node that can run deckle, then hands over.
// From a checkout the TypeScript beside it runs as it is; an installed package has stripped code in dist.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import module from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

// Without a handler SIGUSR1 opens a debugger on a port.
process.on('SIGUSR1', () => {});

const OLDEST = 24;
const file = fileURLToPath(import.meta.url);
const here = dirname(file);

if (Number(process.versions.node.split('.')[0]) >= OLDEST) {
  // Compiled code is kept beside the dependencies, where only who may change the program may write; a folder that cannot be
  // written costs nothing but time. Stripped types are kept too: a process of a checkout starts in half the time, 25 MB smaller.
  module.enableCompileCache(join(here, '..', 'node_modules', '.cache', 'deckle'));
  const source = join(here, 'cli', 'main.ts');
  const main = existsSync(source) ? source : join(here, '..', 'dist', 'cli', 'main.js');
  import(pathToFileURL(main).href).then((cli) => cli.main(process.argv.slice(2), file));
} else handOver();

// npm links a newer Node into node_modules/.bin of a checkout; with it the same command is run again.
function handOver() {
  const newer = join(here, '..', 'node_modules', '.bin', 'node');
  if (!existsSync(newer)) {
    process.stderr.write(`deckle needs Node ${OLDEST} or newer; this is Node ${process.versions.node} (${process.execPath})\n`);
    process.exit(1);
  }
  const child = spawn(newer, [file].concat(process.argv.slice(2)), { stdio: 'inherit' });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    process.stderr.write(`deckle: ${error.message}\n`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => process.exit(code === null ? 128 + constants.signals[signal] : code));
}
