import assert from 'node:assert/strict';
import test from 'node:test';
import { sniffKind } from '../../src/image/kind.ts';
import { picturesOf, sizesOf } from './images.ts';

test('the same set is the same bytes every time, and no two pictures are alike', () => {
  const once = picturesOf('16k');
  const again = picturesOf('16k');
  assert.equal(once.length, 1000);
  assert.ok(once.every(({ body }, index) => body.equals(again[index]!.body)));
  assert.equal(new Set(once.map(({ body }) => body.toString('latin1', 0, 64))).size, 1000);
  assert.equal(new Set(once.map(({ path }) => path)).size, 1000);
  assert.equal(new Set(once.map(({ etag }) => etag)).size, 1000);
  assert.equal(sniffKind(once[0]!.body), 'image/jpeg');
});

test('sizes are what the rows speak of', () => {
  assert.ok(sizesOf('16k').every((size) => size === 16_384));
  // One segment of loopback, the head of the answer included.
  assert.ok(sizesOf('64k').every((size) => size > 62_000 && size + 1024 < 65_483));
  const zipf = sizesOf('zipf');
  assert.equal(zipf.length, 2000);
  assert.ok(zipf.every((size) => size >= 4096 && size <= 262_144));
  assert.ok(Math.min(...zipf) < 5000 && Math.max(...zipf) > 200_000);
});
