import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { comparePositions, formatPosition, isAfter, type Position, parsePosition } from './position.ts';

const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const epoch = fc.constantFrom('0123456789abcdef', 'ffffffffffffffff');
const position: fc.Arbitrary<Position> = fc.record({ epoch, high: u64, low: u64 }, { noNullPrototype: true });

test('a position is 48 hex digits', () => {
  assert.equal(
    formatPosition({ epoch: '00000000deadbeef', high: 1n, low: 255n }),
    '00000000deadbeef000000000000000100000000000000ff',
  );
});

test('text and position turn into each other', () => {
  fc.assert(fc.property(position, (p) => assert.deepEqual(parsePosition(formatPosition(p)), p)));
});

test('only the one spelling is read', () => {
  const good = formatPosition({ epoch: '00000000deadbeef', high: 1n, low: 10n });
  for (const bad of [
    '',
    good.slice(1),
    `${good}0`,
    good.toUpperCase(),
    ` ${good.slice(1)}`,
    `${good}\n`,
    good.replace('d', 'g'),
  ]) {
    assert.equal(parsePosition(bad), undefined, JSON.stringify(bad));
  }
});

test('numbers that do not fit are a defect', () => {
  assert.throws(() => formatPosition({ epoch: '00000000deadbeef', high: 2n ** 64n, low: 0n }));
  assert.throws(() => formatPosition({ epoch: '00000000deadbeef', high: 0n, low: -1n }));
  assert.throws(() => formatPosition({ epoch: 'DEADBEEF', high: 0n, low: 0n }));
});

test('the order is that of the texts within an epoch, and none across epochs', () => {
  fc.assert(
    fc.property(position, position, (a, b) => {
      const order = comparePositions(a, b);
      if (a.epoch !== b.epoch) {
        assert.equal(order, undefined);
        assert.equal(isAfter(a, b), false);
        return;
      }
      const [x, y] = [formatPosition(a), formatPosition(b)];
      assert.equal(Math.sign(order ?? Number.NaN), x < y ? -1 : x > y ? 1 : 0);
      assert.equal(isAfter(a, b), x > y);
    }),
  );
});
