// The Dockerfile without Docker: its COPY and RUN lines are carried out in an empty folder, with this Node first on the PATH;
// then its CMD is started, its HEALTHCHECK asked, and SIGTERM sent.
// Promises: a file that the image needs and the Dockerfile or .dockerignore leaves out is found here.
// What a folder cannot show (the base image, USER) is checked by its text.

import assert from 'node:assert/strict';
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import test from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePorts } from './support/edge.ts';

const CHECKOUT = fileURLToPath(new URL('..', import.meta.url));
const READY_WITHIN_MS = 30_000;
const STOPPED_WITHIN_MS = 20_000;
const POLL_MS = 50;
const OUTPUT_MAX_CHARS = 16_384;
/** What stands before the exec form of a HEALTHCHECK. */
const HEALTH_COMMAND = /^(?:--\S+ )*CMD (?=\[)/;

interface Instruction {
  readonly name: string;
  readonly rest: string;
}

/** Instructions with joined continuation lines, without comments and blank lines. */
function instructions(text: string): Instruction[] {
  const joined = text
    .split('\n')
    .filter((line) => !/^\s*#/.test(line))
    .join('\n')
    .replaceAll(/\\\n/g, ' ');
  return joined.split('\n').flatMap((line) => {
    const [, name, rest = ''] = /^\s*([A-Za-z]+)\s+(.*)$/.exec(line) ?? [];
    return name === undefined ? [] : [{ name: name.toUpperCase(), rest: rest.trim() }];
  });
}

/** The JSON array of an exec form; the shell form would put a shell between a signal and the program. */
function execForm(text: string): string[] {
  const words: unknown = JSON.parse(text);
  assert.ok(Array.isArray(words) && words.every((word) => typeof word === 'string') && words.length > 0, text);
  return words;
}

/** Whether .dockerignore keeps `path` out of the build: the last line that matches it or a folder above it decides. */
function ignores(rules: readonly string[], path: string): boolean {
  const parts = path.split('/');
  const above = parts.map((_, i) => parts.slice(0, i + 1).join('/'));
  let ignored = false;
  for (const rule of rules) {
    const pattern = globOf(rule.replace(/^!/, ''));
    if (above.some((folder) => pattern.test(folder))) ignored = !rule.startsWith('!');
  }
  return ignored;
}

/** Docker's patterns: `*` stays within a folder and takes dot files too, `**` does not stay. */
function globOf(pattern: string): RegExp {
  const literal = pattern.replaceAll(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('?', '[^/]');
  return new RegExp(
    `^${literal.replaceAll(/\*\*\/|\*\*|\*/g, (stars) => ({ '**/': '(?:.*/)?', '**': '.*' })[stars] ?? '[^/]*')}$`,
  );
}

const steps = instructions(await readFile(join(CHECKOUT, 'Dockerfile'), 'utf8'));
const rules = (await readFile(join(CHECKOUT, '.dockerignore'), 'utf8'))
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'));

function only(name: string): Instruction {
  const found = steps.filter((step) => step.name === name);
  assert.equal(found.length, 1, `one ${name}`);
  return found[0]!;
}

/** Carries out WORKDIR, ENV, COPY and RUN below `root`. */
async function build(root: string): Promise<{ workdir: string; env: Record<string, string> }> {
  const path = [dirname(process.execPath), process.env['PATH'] ?? ''].join(':');
  let workdir = root;
  const env: Record<string, string> = {};
  for (const step of steps) {
    if (step.name === 'WORKDIR') workdir = await made(join(root, step.rest));
    else if (step.name === 'ENV') Object.assign(env, Object.fromEntries([step.rest.split('=', 2)]));
    else if (step.name === 'COPY') await copy(step, workdir);
    else if (step.name === 'RUN') await run(['sh', '-ec', step.rest], { cwd: workdir, env: { ...buildEnv(path), ...env } });
  }
  return { workdir, env: { ...env, PATH: path } };
}

async function made(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  return folder;
}

/** npm takes what it has before it asks a registry. */
function buildEnv(path: string): NodeJS.ProcessEnv {
  return { ...process.env, PATH: path, NODE_OPTIONS: '', npm_config_prefer_offline: 'true' };
}

/** As COPY does: a folder's content goes into the target; several files need a target that ends in a slash. */
async function copy({ rest }: Instruction, workdir: string): Promise<void> {
  const words = rest.split(/\s+/);
  const target = words.pop()!;
  assert.ok(words.length === 1 || target.endsWith('/'), `COPY ${rest}`);
  for (const word of words) {
    const source = join(CHECKOUT, word);
    const isFolder = (await stat(source)).isDirectory();
    const into = target.endsWith('/') && !isFolder ? join(workdir, target, basename(word)) : join(workdir, target);
    await mkdir(dirname(into), { recursive: true });
    const kept = (path: string) => !ignores(rules, relative(CHECKOUT, path));
    assert.ok(kept(source), `${word} is copied and ignored`);
    await cp(source, into, { recursive: true, verbatimSymlinks: true, filter: kept });
  }
}

async function run(argv: readonly string[], options: SpawnOptions): Promise<void> {
  const { code, output } = await result(start(argv, options));
  assert.equal(code, 0, `${argv.join(' ')}\n${output()}`);
}

interface Started {
  readonly child: ChildProcess;
  readonly output: () => string;
}

function start(argv: readonly string[], options: SpawnOptions): Started {
  const child = spawn(argv[0]!, argv.slice(1), { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  const keep = (chunk: Buffer) => {
    text = (text + chunk.toString()).slice(-OUTPUT_MAX_CHARS);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  return { child, output: () => text };
}

async function result({ child, output }: Started): Promise<{ code: number | null; signal: string | null; output: () => string }> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
  return { code: child.exitCode, signal: child.signalCode, output };
}

/** Ports that were free a moment ago, all different. */
async function untilReady(url: string, { child, output }: Started): Promise<void> {
  const deadline = performance.now() + READY_WITHIN_MS;
  while (performance.now() < deadline) {
    assert.ok(child.exitCode === null && child.signalCode === null, `it exited with ${child.exitCode}:\n${output()}`);
    const status = await fetch(url, { signal: AbortSignal.timeout(1_000) }).then(
      async (answer) => {
        await answer.arrayBuffer();
        return answer.status;
      },
      () => 0,
    );
    if (status === 200) return;
    await pause(POLL_MS);
  }
  assert.fail(`${url} was not ready within ${READY_WITHIN_MS} ms:\n${output()}`);
}

test('it stands on Node 26 and runs unprivileged, ready for signals', () => {
  assert.equal(only('FROM').rest, 'node:26-slim');
  assert.equal(only('USER').rest, 'node');
  assert.equal(only('EXPOSE').rest, '8080 8081');
  assert.deepEqual(execForm(only('CMD').rest).slice(0, 2), ['node', 'src/deckle.js']);
  assert.match(only('HEALTHCHECK').rest, HEALTH_COMMAND);
  const user = steps.findIndex(({ name }) => name === 'USER');
  assert.ok(!steps.slice(user).some(({ name }) => name === 'RUN' || name === 'COPY'), 'the program belongs to root');
});

test('dependencies are installed before the sources are copied, so that a change of a source keeps their layer', () => {
  const lines = steps.map(({ name, rest }) => `${name} ${rest}`);
  const installed = lines.indexOf('RUN npm ci --omit=dev');
  assert.ok(installed >= 0 && installed < lines.indexOf('COPY src src'));
});

test('.dockerignore lets through what runs and nothing else', () => {
  for (const path of [
    'package.json',
    '.npmrc',
    'config/runtime/package.json',
    'src/deckle.js',
    'src/front/ring.ts',
    'samples/dunes.jpg',
  ]) {
    assert.ok(!ignores(rules, path), path);
  }
  for (const path of [
    'node_modules/undici/index.js',
    '.git/config',
    'var/n1/0001',
    'src/front/ring.test.ts',
    'test/run.ts',
    'samples/make.ts',
    '.env',
  ]) {
    assert.ok(ignores(rules, path), path);
  }
});

test('built in an empty folder it starts, is healthy, serves a picture and stops on SIGTERM', { timeout: 300_000 }, async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'dockerfile-'));
  t.after(() => rm(root, { recursive: true, force: true }));

  const { workdir, env } = await build(root);
  assert.equal((await stat(join(workdir, 'var'))).mode & 0o7777, 0o1777, 'any user may keep state there');
  const installed = await readdir(join(workdir, 'node_modules'));
  assert.ok(installed.includes('undici') && installed.includes('yaml'));
  for (const name of ['typescript', 'autocannon', 'sharp', 'fast-check', 'deckle-runtime'])
    assert.ok(!installed.includes(name), name);

  const [front, admin, n1, n2] = await freePorts(4);
  const ports = {
    DECKLE_PORT: `${front}`,
    DECKLE_ADMIN_LISTEN: `127.0.0.1:${admin}`,
    DECKLE_N1_PORT: `${n1}`,
    DECKLE_N2_PORT: `${n2}`,
  };
  const options = { cwd: workdir, env: { ...env, ...ports, HOME: root } };
  const healthcheck = execForm(only('HEALTHCHECK').rest.replace(HEALTH_COMMAND, ''));
  assert.equal((await result(start(healthcheck, options))).code, 1, 'unhealthy before it runs');

  const edge = start(execForm(only('CMD').rest), options);
  t.after(() => edge.child.kill('SIGKILL'));
  await untilReady(`http://127.0.0.1:${front}/-/ready`, edge);
  await untilReady(`http://127.0.0.1:${admin}/-/ready`, edge);
  await run(healthcheck, options);

  const picture = await fetch(`http://127.0.0.1:${front}/dunes.jpg`);
  assert.equal(picture.status, 200);
  assert.ok(Buffer.from(await picture.arrayBuffer()).equals(await readFile(join(CHECKOUT, 'samples/dunes.jpg'))));

  edge.child.kill('SIGTERM');
  const timer = setTimeout(() => edge.child.kill('SIGKILL'), STOPPED_WITHIN_MS);
  const { code, signal } = await result(edge);
  clearTimeout(timer);
  assert.deepEqual([code, signal], [0, null], edge.output());
});
