// Which picture comes next: ranks by Zipf's law. Randomness comes in as numbers from 0 to 1, so that a run can be repeated.
// Promises: the table of sums is computed once; a draw is a binary search in it. Rank 0 is the most asked for.
// Refuses: an empty set, and more than MAX_RANKS.

const MAX_RANKS = 1_000_000;

/** The share of draws that each of `count` ranks gets: proportional to 1 / (rank + 1) ^ exponent; the shares add up to 1. */
export function zipfShares(count: number, exponent: number): Float64Array {
  if (!Number.isInteger(count) || count < 1 || count > MAX_RANKS) throw new RangeError(`ranks: 1 to ${MAX_RANKS}, not ${count}`);
  const shares = Float64Array.from({ length: count }, (_, rank) => (rank + 1) ** -exponent);
  const total = shares.reduce((sum, share) => sum + share, 0);
  return shares.map((share) => share / total);
}

/** Ranks from 0 to `count - 1` by Zipf's law: the function turns a number from 0 (included) to 1 (excluded) into a rank. */
export function zipfSampler(count: number, exponent: number): (value: number) => number {
  let sum = 0;
  const sums = zipfShares(count, exponent).map((share) => {
    sum += share;
    return sum;
  });
  return (value) => firstAbove(sums, value);
}

/** The first place whose sum exceeds `value`; the last one when rounding left the sums short of it. */
function firstAbove(sums: Float64Array, value: number): number {
  let low = 0;
  let high = sums.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sums[middle]! > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The same items in an order that the generator chose: which picture is the most popular one should not follow from its name. */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const order = [...items];
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
