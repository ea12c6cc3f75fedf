import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HeaderList } from '../wire/headers.ts';
import { keepLimit, passPlan, planFill, typeMatches } from './plan.ts';
import type { CacheSiteRules } from './request.ts';

const RULES: CacheSiteRules = {
  ttl: { default: 60_000, min: 0, max: 1e9, status: { 404: 10_000 } },
  grace: { healthy: 0, sick: 0 },
  stale_wait: 0,
  store: ['image/*'],
  max_object: 1_000_000,
  request_headers: [],
  response_headers: { add: {}, remove: [] },
};
const TIMES = { requestMs: 0, responseMs: 0 };

function plan(status: number, headers: HeaderList, length: number | undefined, maxKeep = 500_000): string {
  const made = planFill({ status, headers, length }, RULES, maxKeep, TIMES);
  return made.kind === 'keep' ? 'keep' : made.reason;
}

test('what is kept: the type, the size, the status', () => {
  const image: HeaderList = [['content-type', 'image/png']];
  assert.equal(plan(200, image, 500_000), 'keep');
  assert.equal(plan(200, image, 500_001), 'too-big');
  assert.equal(plan(200, image, undefined), 'keep');
  assert.equal(plan(200, image, 10, 0), 'tier-off');
  assert.equal(plan(200, [['content-type', 'text/html']], 10), 'not-image');
  assert.equal(plan(200, [], 10), 'not-image');
  assert.equal(plan(404, [['content-type', 'text/html']], 65_536), 'keep');
  assert.equal(plan(404, [['content-type', 'text/html']], 65_537), 'too-big');
  assert.equal(plan(200, [...image, ['cache-control', 'private']], 10), 'private');
  assert.equal(keepLimit(200, RULES, 2_000_000), 1_000_000);
  assert.equal(keepLimit(404, RULES, 2_000_000), 65_536);
});

test('shared with those who wait only when the answer is not for one client alone', () => {
  for (const reason of ['too-big', 'fill-memory', 'not-image', 'tier-off', 'status', 'zero-ttl'] as const)
    assert.deepEqual(passPlan(reason), { kind: 'pass', reason, share: true });
  for (const reason of ['no-store', 'private', 'set-cookie', 'vary-star', 'encoding', 'partial'] as const)
    assert.deepEqual(passPlan(reason), { kind: 'pass', reason, share: false });
});

test('media types against the patterns of a site', () => {
  for (const [patterns, type, wanted] of [
    [['image/*'], 'image/png', true],
    [['image/*'], 'IMAGE/PNG; q=1', true],
    [['image/*'], 'imagex/png', false],
    [['image/*'], 'text/html; x=image/png', false],
    [['image/png'], 'image/pngx', false],
    [['Image/PNG'], 'image/png', true],
    [['*/*'], undefined, true],
    [['image/*'], undefined, false],
    [[], 'image/png', false],
  ] as const)
    assert.equal(typeMatches(patterns, type), wanted, `${patterns} ${type}`);
});
