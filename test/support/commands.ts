// Programs run to their end, and the ways deckle reaches another machine: a packed file installed with npm, a fresh clone.
// Promises: a program that takes too long is killed and says so; what is made lies below the folder that was given.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { basename, delimiter, dirname, join } from 'node:path';
import { CHECKOUT, type Said } from './edge.ts';

/** The oldest Node that runs deckle itself; an older one must hand over or refuse. */
export const OLDEST_MAJOR = 24;
const OUTPUT_MAX_CHARS = 1024 * 1024;

export interface Ran extends Said {
  readonly wallMs: number;
}

export interface RunOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly mostMs?: number;
}

/** A program to its end. A program that cannot be started has the code 127, one that was killed for its time null. */
export async function runCommand(argv: readonly [string, ...string[]], options: RunOptions): Promise<Ran> {
  const begun = performance.now();
  const child = spawn(argv[0], argv.slice(1), {
    cwd: options.cwd,
    env: { ...process.env, NODE_TEST_CONTEXT: undefined, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: options.mostMs ?? 120_000,
    killSignal: 'SIGKILL',
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out = (out + chunk.toString()).slice(-OUTPUT_MAX_CHARS);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    err = (err + chunk.toString()).slice(-OUTPUT_MAX_CHARS);
  });
  child.on('error', (error) => {
    err += `${error.message}\n`;
  });
  // `close` comes after a failed spawn too.
  const [code] = (await once(child, 'close')) as [number | null];
  return { code: code !== null && code < 0 ? 127 : code, out, err, wallMs: performance.now() - begun };
}

/** As runCommand; a code other than 0 is an error that shows what was said. */
export async function mustRun(argv: readonly [string, ...string[]], options: RunOptions): Promise<Ran> {
  const ran = await runCommand(argv, options);
  if (ran.code !== 0) throw new Error(`${argv.join(' ')}: exit code ${ran.code}\n${ran.out}${ran.err}`);
  return ran;
}

/** The environment in which `node` is this Node, and npm takes what it has before it asks a registry. */
export function underThisNode(): Record<string, string | undefined> {
  return {
    PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}`,
    NODE_OPTIONS: undefined,
    npm_config_prefer_offline: 'true',
    npm_config_update_notifier: 'false',
  };
}

/** The first `node` on the PATH that is too old for deckle, or undefined. */
export function olderNode(): string | undefined {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const program = join(folder, 'node');
    if (!existsSync(program)) continue;
    const version = execFileSync(program, ['-p', 'process.versions.node'], { encoding: 'utf8' });
    if (Number(version.split('.')[0]) < OLDEST_MAJOR) return program;
  }
  return undefined;
}

/** Packs the checkout as it lies there, from a copy; returns the file. */
export async function packCheckout(folder: string): Promise<string> {
  const copy = join(folder, 'copy');
  const left = new Set(['node_modules', '.git', 'var', 'dist'].map((name) => join(CHECKOUT, name)));
  cpSync(CHECKOUT, copy, { recursive: true, filter: (path) => !left.has(path) && !/\/var$/.test(path) });
  symlinkSync(join(CHECKOUT, 'node_modules'), join(copy, 'node_modules'));
  const packed = await mustRun(['npm', 'pack', '--pack-destination', folder], { cwd: copy, env: underThisNode() });
  return join(folder, basename(packed.out.trim().split('\n').at(-1) ?? ''));
}

/** `npm install -g` of a packed file below a prefix of its own; returns the installed program. */
export async function installGlobally(file: string, prefix: string): Promise<string> {
  mkdirSync(prefix, { recursive: true });
  // Elsewhere than in the checkout: its .npmrc must not help.
  await mustRun(['npm', 'install', '--global', '--prefix', prefix, '--no-audit', '--no-fund', file], {
    cwd: prefix,
    env: underThisNode(),
    mostMs: 240_000,
  });
  return join(prefix, 'bin', 'deckle');
}

/** Names of the files in a packed file, without the folder they stand in. */
export async function packedFiles(file: string): Promise<readonly string[]> {
  const { out } = await mustRun(['tar', '-tzf', file], { cwd: dirname(file) });
  return out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.replace(/^package\//, ''));
}

export function packageVersion(): string {
  return (JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8')) as { version: string }).version;
}
