// The ring against its own promises: who moves when the list changes, how even it is, and the owners that releases must not move.
// The oracle is the ring of hashring itself, searched from one end to the other.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import HashRing from 'hashring';
import { keyHash } from '../asset/key.ts';
import { Ring, type RingMember } from './ring.ts';

const POINTS = 1024;
const KEYS = Array.from({ length: 2_000 }, (_, at) => `all /photos/${at % 40}/${at}.jpg`);

function nodes(count: number, weight = 100): readonly RingMember[] {
  return Array.from({ length: count }, (_, at) => ({ name: `n${at + 1}`, weight }));
}

function ownerNames(members: readonly RingMember[], keys: readonly string[] = KEYS, points = POINTS): readonly string[] {
  const ring = new Ring(members, points);
  return keys.map((key) => members[ring.owner(key)]!.name);
}

function walkNames(members: readonly RingMember[], key: string, points = POINTS): readonly string[] {
  const walk = new Ring(members, points).walk(key);
  const names: string[] = [];
  for (let at = walk.next(); at >= 0; at = walk.next()) names.push(members[at]!.name);
  assert.equal(walk.next(), -1, 'a walk that has ended stays ended');
  return names;
}

/** Up to 20 members with names and weights of their own; at least one has a weight. */
const memberLists = fc
  .uniqueArray(fc.record({ name: fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/), weight: fc.integer({ min: 0, max: 256 }) }), {
    minLength: 1,
    maxLength: 20,
    selector: ({ name }) => name,
  })
  .filter((members) => members.some(({ weight }) => weight > 0));
const RUNS = { numRuns: 25 } as const;
const FEW = KEYS.slice(0, 300);

test('a member that leaves moves its own keys only, whatever the weights', () => {
  fc.assert(
    fc.property(memberLists, fc.nat(), (members, pick) => {
      const gone = members[pick % members.length]!;
      const left = members.filter((member) => member !== gone);
      if (!left.some(({ weight }) => weight > 0)) return;
      const before = ownerNames(members, FEW, 256);
      const after = ownerNames(left, FEW, 256);
      for (const [at, owner] of before.entries()) if (owner !== gone.name) assert.equal(after[at], owner);
    }),
    RUNS,
  );
});

test('the keys of a member that leaves go to the next of their walk', () => {
  const members = nodes(5);
  const left = members.filter(({ name }) => name !== 'n3');
  const after = ownerNames(left);
  for (const [at, key] of KEYS.slice(0, 200).entries())
    assert.equal(
      after[at],
      walkNames(members, key).find((name) => name !== 'n3'),
    );
});

test('a changed weight moves keys to or from that member only', () => {
  fc.assert(
    fc.property(memberLists, fc.nat(), fc.integer({ min: 0, max: 256 }), (members, pick, weight) => {
      const changed = members[pick % members.length]!;
      const now = members.map((member) => (member === changed ? { ...member, weight } : member));
      if (!now.some((member) => member.weight > 0)) return;
      const before = ownerNames(members, FEW, 256);
      const after = ownerNames(now, FEW, 256);
      for (const [at, owner] of before.entries()) {
        if (owner === after[at]) continue;
        if (weight > changed.weight) assert.equal(after[at], changed.name, 'a heavier member only takes');
        else assert.equal(owner, changed.name, 'a lighter member only gives');
      }
    }),
    RUNS,
  );
});

test('the order of the list means nothing', () => {
  fc.assert(
    fc.property(memberLists, (members) => {
      assert.deepEqual(ownerNames([...members].reverse(), FEW, 256), ownerNames(members, FEW, 256));
    }),
    RUNS,
  );
});

test('a walk names every member with a weight once, the owner first', () => {
  fc.assert(
    fc.property(memberLists, fc.string(), (members, key) => {
      const names = walkNames(members, key, 64);
      assert.equal(names[0], ownerNames(members, [key], 64)[0]);
      const weighted = members.filter(({ weight }) => weight > 0).map(({ name }) => name);
      assert.deepEqual([...names].sort(), weighted.sort());
    }),
    RUNS,
  );
});

test('without a weight there is no owner and no walk', () => {
  for (const members of [[], nodes(3, 0)]) {
    const ring = new Ring(members, POINTS);
    assert.equal(ring.owner('all /a.jpg'), -1);
    assert.equal(ring.walk('all /a.jpg').next(), -1);
    assert.deepEqual(
      ring.shares(members.length),
      members.map(() => 0),
    );
  }
});

test('equal weights: no member has more than 1.10 times its share of 100,000 keys', () => {
  for (let count = 2; count <= 10; count += 1) {
    const ring = new Ring(nodes(count), POINTS);
    const counts = new Array<number>(count).fill(0);
    for (let at = 0; at < 100_000; at += 1) counts[ring.owner(`all /photos/${at}.jpg`)]! += 1;
    const most = Math.max(...counts) / (100_000 / count);
    assert.ok(most <= 1.1, `${count} nodes: the fullest has ${most.toFixed(3)} of the mean`);
  }
});

test('shares add up to 1 and are what counted keys show', () => {
  const members: readonly RingMember[] = [
    { name: 'a', weight: 100 },
    { name: 'b', weight: 50 },
    { name: 'c', weight: 0 },
    { name: 'd', weight: 200 },
  ];
  const ring = new Ring(members, POINTS);
  const shares = ring.shares(members.length);
  assert.ok(Math.abs(shares.reduce((sum, share) => sum + share, 0) - 1) < 1e-9);
  assert.equal(shares[2], 0);
  const counts = new Array<number>(members.length).fill(0);
  for (let at = 0; at < 100_000; at += 1) counts[ring.owner(`all /${at}.png`)]! += 1;
  for (const [at, share] of shares.entries())
    assert.ok(Math.abs(counts[at]! / 100_000 - share) < 0.01, `member ${at}: ${counts[at]} keys, share ${share}`);
  // Points are whole digests: weights come out to the third digit.
  for (const [at, weight] of [100, 50, 0, 200].entries()) assert.ok(Math.abs(shares[at]! - weight / 350) < 0.03);
});

test('the owner is that of the points of hashring, searched plainly', () => {
  fc.assert(
    fc.property(memberLists, fc.constantFrom(1, 4, 100, 1024), (members, points) => {
      const digests: Record<string, { vnodes: number }> = {};
      for (const { name, weight } of [...members].sort((a, b) => (a.name < b.name ? -1 : 1)))
        if (weight > 0) digests[name] = { vnodes: Math.max(1, Math.round((points * weight) / 400)) };
      const built = new HashRing(digests, 'md5', { 'vnode count': 0, 'max cache size': 1 });
      const { ring } = built as unknown as { readonly ring: readonly { readonly value: number; readonly server: string }[] };
      assert.equal(
        ring.length,
        Object.values(digests).reduce((sum, { vnodes }) => sum + 4 * vnodes, 0),
        'four points a digest',
      );
      const owners = ownerNames(members, FEW, points);
      for (const [at, key] of FEW.entries()) {
        const hash = keyHash(key);
        const point = ring.find(({ value }) => value >= hash) ?? ring[0]!;
        assert.equal(owners[at], point.server);
      }
    }),
    RUNS,
  );
});

test('a small weight keeps at least one digest of points', () => {
  const members = [
    { name: 'a', weight: 100 },
    { name: 'b', weight: 1 },
  ];
  for (const points of [1, 4, 64]) assert.ok(new Ring(members, points).shares(2)[1]! > 0, `${points} points`);
});

// A release that changes one of these moves the images of every cluster to other nodes: all of them are fetched again.
test('owners and walks of fixed keys never change', () => {
  const members = [
    { name: 'n1', weight: 100 },
    { name: 'n2', weight: 100 },
    { name: 'n3', weight: 50 },
  ];
  const walks = Array.from({ length: 16 }, (_, at) => walkNames(members, `all /golden/${at}.jpg`).join(' '));
  assert.deepEqual(walks, GOLDEN_WALKS);
  assert.deepEqual(['', 'a', 'all /photos/a.jpg', 'shop www.example.com/x?w=1'].map(keyHash), GOLDEN_HASHES);
});

const GOLDEN_WALKS: readonly string[] = [
  'n1 n3 n2',
  'n3 n2 n1',
  'n3 n1 n2',
  'n1 n3 n2',
  'n1 n2 n3',
  'n3 n1 n2',
  'n1 n2 n3',
  'n3 n2 n1',
  'n3 n2 n1',
  'n3 n2 n1',
  'n3 n2 n1',
  'n1 n2 n3',
  'n3 n2 n1',
  'n3 n2 n1',
  'n1 n3 n2',
  'n1 n3 n2',
];
const GOLDEN_HASHES: readonly number[] = [2872998923, 444641715, 1067683972, 3553857197];
