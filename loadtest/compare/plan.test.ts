import assert from 'node:assert/strict';
import test from 'node:test';
import type { Picture } from './images.ts';
import { type Ask, planOf } from './plan.ts';

const pictures: readonly Picture[] = Array.from({ length: 100 }, (_, index) => ({
  path: `/p-${index}`,
  body: Buffer.alloc(index),
  etag: `"${index}"`,
}));

const fieldsOf = ({ request }: Ask) => request.toString().replace(/^.*\r\n/, '');
const pathsOf = (asks: readonly Ask[]) => asks.map(({ picture }) => picture.path);

test('every request asks for the picture that it is listed with', () => {
  for (const traffic of ['rotation', 'zipf', 'repeated', 'warm'] as const) {
    for (const asks of planOf(traffic, pictures, 8)) {
      for (const { request, picture } of asks) assert.ok(request.toString().startsWith(`GET ${picture.path} HTTP/1.1\r\n`));
    }
  }
});

test('rotation: all pictures on every connection, begun apart, and another head after ten', () => {
  const plan = planOf('rotation', pictures, 4);
  assert.deepEqual(
    plan.map((asks) => asks[0]!.picture.path),
    ['/p-0', '/p-25', '/p-50', '/p-75'],
  );
  for (const asks of plan) {
    assert.equal(new Set(pathsOf(asks)).size, 100);
    for (const [at, ask] of asks.entries()) {
      const same = at % 10 === 0 ? at === 0 : true;
      assert.equal(fieldsOf(ask) === fieldsOf(asks[Math.max(0, at - 1)]!), same, `request ${at}`);
    }
  }
  assert.notEqual(fieldsOf(plan[0]![0]!), fieldsOf(plan[1]![0]!));
});

test('warm: every picture once, whatever the number of connections', () => {
  for (const connections of [1, 7, 64, 200]) {
    const paths = planOf('warm', pictures, connections).flatMap(pathsOf);
    assert.equal(paths.length, 100);
    assert.equal(new Set(paths).size, 100);
  }
});

test('repeated: the same bytes from everybody', () => {
  const all = planOf('repeated', pictures, 5).flat();
  assert.equal(all.length, 5);
  assert.ok(all.every(({ request }) => request.equals(all[0]!.request)));
});

test('zipf: a few pictures often, connections not in step', () => {
  const plan = planOf('zipf', pictures, 16);
  const counts = new Map<string, number>();
  for (const path of plan.flatMap(pathsOf)) counts.set(path, (counts.get(path) ?? 0) + 1);
  const sorted = [...counts.values()].sort((a, b) => b - a);
  // The first of 100 ranks has 1 / sum(r^-0.9) = 15.5 % of all.
  assert.ok(Math.abs(sorted[0]! / 16_000 - 0.155) < 0.03, `${sorted[0]}`);
  assert.notDeepEqual(pathsOf(plan[0]!), pathsOf(plan[1]!));
});
