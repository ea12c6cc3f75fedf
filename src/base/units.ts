// Units that the whole house speaks. A plain number is never passed without its unit in the type or the name.
// Promises: no arithmetic here, only names and the two texts (bytes, durations) that people read.

/** Milliseconds; of a duration unless a name says otherwise. */
export type Ms = number;
/** Bytes. */
export type Bytes = number;
/** Milliseconds since 1970-01-01 UTC. */
export type WallMs = number;

const SIZES: readonly (readonly [string, number])[] = [
  ['TB', 1024 ** 4],
  ['GB', 1024 ** 3],
  ['MB', 1024 ** 2],
  ['KB', 1024],
];

const SPANS: readonly (readonly [string, number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
];

/** `65536` as `64KB`: the shortest exact text that the config reads back to the same number. */
export function sizeText(bytes: Bytes): string {
  for (const [unit, factor] of SIZES) if (bytes >= factor && bytes % factor === 0) return `${bytes / factor}${unit}`;
  return `${bytes}B`;
}

/** `90000` as `90s`: the shortest exact text that the config reads back to the same number. */
export function durationText(ms: Ms): string {
  if (ms === 0) return '0s';
  for (const [unit, factor] of SPANS) if (ms >= factor && ms % factor === 0) return `${ms / factor}${unit}`;
  return `${ms}ms`;
}
