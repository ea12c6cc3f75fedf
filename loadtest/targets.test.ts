import assert from 'node:assert/strict';
import test from 'node:test';
import { listedPaths, readTargets } from './targets.ts';

test('the samples are pictures with their lengths', async () => {
  const targets = await readTargets(undefined);
  assert.ok(targets.length >= 20);
  assert.ok(targets.some(({ path }) => path === '/logo.svg'));
  for (const { path, bytes } of targets) {
    assert.match(path, /^\/[a-z0-9-]+\.(?:jpg|png|webp|avif|gif|svg)$/);
    assert.ok(bytes !== undefined && bytes > 1000 && bytes < 1.6e6, path);
  }
});

test('a list is one path a line', () => {
  const targets = listedPaths('# all\n/a.jpg\r\n\n  /b.png?v=2\n', 'list');
  assert.deepEqual(targets, [
    { path: '/a.jpg', bytes: undefined },
    { path: '/b.png?v=2', bytes: undefined },
  ]);
});

test('a line that is no path is named with its place', () => {
  for (const bad of ['a.jpg', 'http://x/a.jpg', '/a b.jpg', '/\u00e4.jpg', '/a\u0000']) {
    assert.throws(() => listedPaths(`/ok\n${bad}`, 'list.txt'), /^Error: list\.txt:2: not a path/, bad);
  }
});

test('an empty list is refused', async () => {
  await assert.rejects(readTargets('/dev/null'), /nothing to ask for/);
});
