// Colours of the sample pictures: three sRGB channels from 0 to 1. Values above 1 are light that is too bright and is cut at the end.
// Promises: no function changes its arguments.

export type Rgb = readonly [red: number, green: number, blue: number];

/** One step of a gradient: the colour at a place from 0 to 1. */
export type Stop = readonly [at: number, colour: Rgb];

export const BLACK: Rgb = [0, 0, 0];
export const WHITE: Rgb = [1, 1, 1];

/** `'#f4a261'` as channels. */
export function hex(text: string): Rgb {
  const value = Number.parseInt(text.slice(1), 16);
  return [(value >> 16) / 255, ((value >> 8) & 255) / 255, (value & 255) / 255];
}

export function clamp01(value: number): number {
  return Math.max(0, Math.min(value, 1));
}

/** 0 below `from`, 1 above `to`, a soft S between them; `from` may be the larger one. */
export function smooth(from: number, to: number, value: number): number {
  const t = clamp01((value - from) / (to - from));
  return t * t * (3 - 2 * t);
}

export function mix(a: Rgb, b: Rgb, share: number): Rgb {
  const t = clamp01(share);
  return [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t];
}

/** `base` with `light` times `strength` on top, as light adds up. */
export function add(base: Rgb, light: Rgb, strength: number): Rgb {
  return [base[0] + light[0] * strength, base[1] + light[1] * strength, base[2] + light[2] * strength];
}

/** The brighter of both in every channel. */
export function brighter(a: Rgb, b: Rgb): Rgb {
  return [Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.max(a[2], b[2])];
}

export function scale(colour: Rgb, factor: number): Rgb {
  return [colour[0] * factor, colour[1] * factor, colour[2] * factor];
}

/** The colour of a gradient at `at`; stops ascend. */
export function gradient(stops: readonly Stop[], at: number): Rgb {
  let before: Stop | undefined;
  for (const stop of stops) {
    if (at <= stop[0]) return before === undefined ? stop[1] : mix(before[1], stop[1], (at - before[0]) / (stop[0] - before[0]));
    before = stop;
  }
  return before === undefined ? BLACK : before[1];
}
