// The whole command on a node of deckle and an nginx, for a second each. What they cost is not judged here.

import assert from 'node:assert/strict';
import test from 'node:test';
import { type Ran, runCommand } from '../../test/support/commands.ts';
import { CHECKOUT } from '../../test/support/edge.ts';

const compare = (...argv: string[]): Promise<Ran> =>
  runCommand([process.execPath, 'loadtest/compare/compare.ts', ...argv], { cwd: CHECKOUT });

interface Printed {
  readonly ok: boolean;
  readonly rows: readonly {
    readonly number: number;
    readonly figures: readonly { readonly server: string; readonly cpuUs: number; readonly requestsPerSecond: number }[];
    readonly comparisons: readonly { readonly ratio: number; readonly bound: number; readonly ok: boolean }[];
    readonly complaints: readonly string[];
  }[];
}

test('a row: both are measured, the ratio is theirs, and the exit code says whether the bound held', async () => {
  const flags = [
    '--rows',
    '1',
    '--only',
    'deckle-node,nginx',
    '--rounds',
    '1',
    '--seconds',
    '1',
    '--no-repeated',
    '--cores',
    '0,0',
  ];
  const { code, out, err } = await compare(...flags, '--json');
  assert.ok(out !== '', err);
  const { ok, rows } = JSON.parse(out) as Printed;
  const [row] = rows as [Printed['rows'][0]];
  assert.deepEqual(row.complaints, []);
  assert.deepEqual(
    row.figures.map(({ server }) => server),
    ['deckle-node', 'nginx'],
  );
  for (const { server, cpuUs, requestsPerSecond } of row.figures) assert.ok(cpuUs > 1 && requestsPerSecond > 100, server);
  const [comparison] = row.comparisons;
  assert.ok(comparison !== undefined && comparison.bound === 1);
  assert.ok(Math.abs(comparison.ratio - row.figures[0]!.cpuUs / row.figures[1]!.cpuUs) < 1e-9);
  assert.equal(comparison.ok, comparison.ratio <= 1);
  assert.deepEqual([ok, code], [comparison.ok, comparison.ok ? 0 : 1]);
});

test('wrong usage', async () => {
  const { code, out, err } = await compare('--rows', 'five');
  assert.deepEqual([code, out], [2, '']);
  assert.match(err, /--rows five: must be[\s\S]*--help/);
  const nobody = await compare('--rows', '3', '--only', 'nginx');
  assert.deepEqual([nobody.code, nobody.out], [2, '']);
  assert.match(nobody.err, /none of the servers/);
});
