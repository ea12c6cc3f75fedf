import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { check } from './check.ts';

const cwd = join(import.meta.dirname, '..', '..');

async function run(...argv: string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const io = {
    out: (text: string) => {
      out.push(text);
    },
    err: (text: string) => {
      err.push(text);
    },
    env: {},
    cwd,
  };
  const code = await check(argv, io);
  return { code, out: out.join(''), err: err.join('') };
}

test('a good file: 0, its name, and what is not in effect', async () => {
  const { code, out, err } = await run();
  assert.equal(code, 0);
  assert.equal(err, '');
  const [first, ...rest] = out.trimEnd().split('\n');
  assert.equal(first, 'config/deckle.yaml: ok');
  assert.ok(
    rest.every((line) => line.includes('not in effect yet')),
    out,
  );
});

test('a refused file: 1, one line a problem on standard error', async () => {
  const { code, out, err } = await run('-c', 'package.json');
  assert.equal(code, 1);
  assert.equal(out, '');
  assert.match(err, /^package\.json:2:3: name: unknown key/);
});

test('--json prints data for both', async () => {
  const good = await run('--json', '--effective', '--config', 'config/deckle.yaml');
  const data = JSON.parse(good.out) as Record<string, unknown>;
  assert.equal(good.code, 0);
  assert.deepEqual(Object.keys(data), ['ok', 'file', 'warnings', 'not_in_effect', 'config', 'set']);
  const bad = await run('--json', '-c', 'package.json');
  assert.equal(bad.code, 1);
  const { problems } = JSON.parse(bad.out) as { problems: readonly Record<string, unknown>[] };
  assert.deepEqual(Object.keys(problems[0] ?? {}), ['file', 'line', 'col', 'path', 'message']);
});

test('--effective prints the knobs', async () => {
  const { code, out } = await run('--effective');
  assert.equal(code, 0);
  assert.match(out, /^state: \/.*var +# default$/m);
});

test('--help has an example', async () => {
  const { code, out } = await run('--help');
  assert.equal(code, 0);
  assert.match(out, /^Example: deckle check/m);
});

test('wrong usage: 2, and nothing is read', async () => {
  for (const argv of [['-x'], ['--efective'], ['file.yaml'], ['-c'], ['-c', ''], ['--json=yes']]) {
    const { code, out, err } = await run(...argv);
    assert.equal(code, 2, argv.join(' '));
    assert.equal(out, '');
    assert.match(err, /^deckle check: .+\nTry: deckle check --help\n$/);
  }
});
