// The nearest of the known names, for "did you mean": the distance counts a slip of the finger (one letter more, less, other, or
// two swapped) as one. Promises: bounded work whatever it is given; nothing far-fetched (at most a third of the letters differ).

/** Longest word that is compared; names of the config are shorter. */
const LONGEST = 64;

/** The name of `known` that `word` most likely means, or undefined. The first of equals wins. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  if (word.length > LONGEST) return undefined;
  const lower = word.toLowerCase();
  let best: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const name of known) {
    const allowed = Math.max(1, Math.floor(Math.max(word.length, name.length) / 3));
    if (name.length > LONGEST || Math.abs(name.length - word.length) > allowed) continue;
    const far = distance(lower, name.toLowerCase());
    if (far > allowed || far >= least) continue;
    best = name;
    least = far;
  }
  return best;
}

/** Edits from `a` to `b`: insert, delete, replace, swap of neighbours (optimal string alignment). */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let cost = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, (before[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    before = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
