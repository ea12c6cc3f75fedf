// What `npm pack` ships, installed as a user would: the program runs from below node_modules, where types are refused.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  installGlobally,
  mustRun,
  olderNode,
  packageVersion,
  packCheckout,
  packedFiles,
  runCommand,
  underThisNode,
} from './support/commands.ts';
import { CHECKOUT, freePorts, PROGRAM, until } from './support/edge.ts';

const folder = mkdtempSync(join(tmpdir(), 'deckle-package-'));
/** Makes any Node take itself for an old one, where no old one is at hand. */
const PRETEND = `data:text/javascript,Object.defineProperty(process.versions,'node',{value:'20.0.0'})`;

let file = '';
let program = '';

before(async () => {
  file = await packCheckout(folder);
  program = await installGlobally(file, join(folder, 'prefix'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** The argv that runs a script under a Node that is too old. */
function underOldNode(script: string): readonly [string, ...string[]] {
  const old = olderNode();
  return old === undefined ? [process.execPath, '--import', PRETEND, script] : [old, script];
}

test('the package holds stripped code and pictures: no types, no tests, nothing of others', async () => {
  const files = await packedFiles(file);
  for (const needed of [
    'src/deckle.js',
    'dist/cli/main.js',
    'dist/app/child.js',
    'config/deckle.yaml',
    'LICENSE',
    'samples/dunes.jpg',
  ])
    assert.ok(files.includes(needed), needed);
  const allowed = /^(?:package\.json|LICENSE|README\.md|CHANGELOG\.md|src\/deckle\.js|(?:dist|config|samples|docs)\/.+)$/;
  assert.deepEqual(
    files.filter((name) => !allowed.test(name) || /\.ts$|\.test\.|node_modules|tsconfig/.test(name)),
    [],
  );
});

test('installed, it says its version and checks a config', async () => {
  const config = join(folder, 'checked.yaml');
  writeFileSync(config, 'front: {retires: 2}\n');
  const version = await mustRun([program, '--version'], { cwd: folder, env: underThisNode() });
  assert.equal(version.out, `${packageVersion()}\n`);
  assert.equal(version.err, '');
  const checked = await runCommand([program, 'check', '-c', config], { cwd: folder, env: underThisNode() });
  assert.equal(checked.code, 1);
  assert.match(checked.err, /^\S*checked\.yaml:1:9: front\.retires: unknown key \(did you mean "retries"\?\)\n$/);
  writeFileSync(config, 'front: {retries: 2}\n');
  assert.equal((await runCommand([program, 'check', '-c', config], { cwd: folder, env: underThisNode() })).code, 0);
});

test('installed, it starts, serves a picture and stops on SIGTERM', async (t) => {
  const [front, admin, node] = (await freePorts(3)) as [number, number, number];
  const home = join(folder, 'edge');
  mkdirSync(home);
  writeFileSync(
    join(home, 'deckle.yaml'),
    [
      `front: {listen: "127.0.0.1:${front}"}`,
      `admin: {listen: "127.0.0.1:${admin}"}`,
      `nodes: [{name: n1, address: "127.0.0.1:${node}", memory: 16MB}]`,
      `origins: {pictures: {directory: ${JSON.stringify(join(CHECKOUT, 'samples'))}}}`,
    ].join('\n'),
  );
  const edge = spawn(program, ['start', '-c', 'deckle.yaml'], {
    cwd: home,
    env: { ...process.env, ...underThisNode() },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => edge.kill('SIGKILL'));
  let printed = '';
  for (const stream of [edge.stdout, edge.stderr]) stream.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  await until('the edge is ready', async () => {
    assert.equal(edge.exitCode, null, printed);
    return await fetch(`http://127.0.0.1:${admin}/-/ready`).then(
      (answer) => answer.ok,
      () => false,
    );
  });
  const picture = await fetch(`http://127.0.0.1:${front}/dunes.jpg`);
  assert.equal(picture.status, 200);
  assert.ok(Buffer.from(await picture.arrayBuffer()).equals(readFileSync(join(CHECKOUT, 'samples/dunes.jpg'))));
  assert.doesNotMatch(printed, /warning/i);
  edge.kill('SIGTERM');
  assert.deepEqual(await once(edge, 'exit'), [0, null], printed);
});

test('installed, an old Node is refused in one line', async () => {
  const script = join(folder, 'prefix', 'lib', 'node_modules', 'deckle', 'src', 'deckle.js');
  const ran = await runCommand(underOldNode(script), { cwd: folder });
  assert.equal(ran.code, 1);
  assert.match(ran.err, /^deckle needs Node 24 or newer; this is Node \S+ \(.*\)\n$/);
  assert.equal(ran.out, '');
});

test('in a checkout an old Node hands over to the one that npm linked, exit code and all', async () => {
  const [command, ...rest] = underOldNode(PROGRAM);
  const version = await mustRun([command!, ...rest, '--version'], { cwd: CHECKOUT });
  assert.equal(version.out, `${packageVersion()}\n`);
  assert.equal((await runCommand([command!, ...rest, 'check', '--wrong'], { cwd: CHECKOUT })).code, 2);
});

test('in a checkout npx finds it', async () => {
  const ran = await mustRun(['npx', '--no-install', 'deckle', '--version'], { cwd: CHECKOUT });
  assert.equal(ran.out, `${packageVersion()}\n`);
});
