import assert from 'node:assert/strict';
import test from 'node:test';
import { parseOptions } from './options.ts';

test('without flags the defaults hold', () => {
  assert.deepEqual(parseOptions([]), {
    kind: 'run',
    options: {
      url: 'http://127.0.0.1:8080',
      admin: 'http://127.0.0.1:8081',
      seconds: 10,
      connections: 64,
      json: false,
      list: undefined,
      seed: 1,
    },
  });
});

test('flags are taken, and an address loses its last slash', () => {
  const argv = [
    '--url',
    'http://edge:80/',
    '--seconds=120',
    '--connections',
    '1',
    '--json',
    '--list',
    'paths.txt',
    '--seed',
    '0',
  ];
  const parsed = parseOptions(argv);
  assert.equal(parsed.kind, 'run');
  if (parsed.kind !== 'run') return;
  const { url, seconds, connections, json, list, seed } = parsed.options;
  assert.deepEqual([url, seconds, connections, json, list, seed], ['http://edge', 120, 1, true, 'paths.txt', 0]);
});

test('--help wins', () => {
  assert.deepEqual(parseOptions(['--help']), { kind: 'help' });
  assert.deepEqual(parseOptions(['-h']), { kind: 'help' });
});

test('what is wrong is named', () => {
  const cases: readonly (readonly [argv: readonly string[], named: RegExp])[] = [
    [['--seconds', '0'], /--seconds 0/],
    [['--seconds', '121'], /--seconds 121/],
    [['--seconds', '1e1'], /--seconds 1e1/],
    [['--connections', '1025'], /--connections 1025/],
    [['--connections', '-4'], /--connections/],
    [['--seed', 'x'], /--seed x/],
    [['--url', '127.0.0.1:8080'], /--url/],
    [['--url', 'https://edge'], /--url/],
    [['--url', 'http://edge/path'], /--url/],
    [['--url', 'http://user:word@edge'], /--url/],
    [['--admin', 'ftp://edge'], /--admin/],
    [['--sekonds', '3'], /--sekonds/],
    [['hit'], /hit/],
  ];
  for (const [argv, named] of cases) {
    const parsed = parseOptions(argv);
    assert.equal(parsed.kind, 'wrong', argv.join(' '));
    if (parsed.kind === 'wrong') assert.match(parsed.message, named);
  }
});
