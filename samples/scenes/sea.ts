// Open water to the horizon under a low sun or moon, and the same water in motion.
// Promises: `phase` 0 and 1 are the same instant, so that frames between them make a loop without a seam.

import { add, brighter, gradient, hex, mix, type Rgb, type Stop, smooth, WHITE } from '../colour.ts';
import { type Noise, noiseFrom } from '../noise.ts';
import { paint, type Raster } from '../raster.ts';

export interface Sea {
  /** From the top of the picture to the horizon, 0 to 1. */
  readonly sky: readonly Stop[];
  readonly water: Rgb;
  readonly light: Rgb;
  readonly cloud: Rgb;
  /** How much of the sky is cloud, about 0 to 1. */
  readonly cover: number;
  /** Height of the horizon and of the sun, in picture heights from the top; the sun's `x` counts from the left in picture heights. */
  readonly horizon: number;
  readonly sun: { readonly x: number; readonly y: number; readonly radius: number };
}

export const SUNSET: Sea = {
  sky: [
    [0, hex('#2b3a67')],
    [0.4, hex('#7a5c8d')],
    [0.72, hex('#ee8a6a')],
    [1, hex('#ffd08a')],
  ],
  water: hex('#122b44'),
  light: hex('#ffc983'),
  cloud: hex('#f4865f'),
  cover: 0.8,
  horizon: 0.56,
  sun: { x: 0.83, y: 0.485, radius: 0.045 },
};

export const MOONRISE: Sea = {
  sky: [
    [0, hex('#060b1c')],
    [0.6, hex('#152a50')],
    [1, hex('#3d5a86')],
  ],
  water: hex('#050c19'),
  light: hex('#dfe8fb'),
  cloud: hex('#2c4269'),
  cover: 0.6,
  horizon: 0.58,
  sun: { x: 0.8, y: 0.3, radius: 0.055 },
};

export const TROPICS: Sea = {
  sky: [
    [0, hex('#1f6fc4')],
    [0.6, hex('#6fb5ea')],
    [1, hex('#d8eef7')],
  ],
  water: hex('#06808f'),
  light: hex('#fff8e2'),
  cloud: WHITE,
  cover: 1.15,
  horizon: 0.47,
  sun: { x: 0.35, y: -0.2, radius: 0.05 },
};

export function sea(seed: number, look: Sea, width: number, height: number, phase = 0): Raster {
  const noise = noiseFrom(seed);
  return paint(width, height, (x, y) => (y < look.horizon ? sky(noise, look, x, y) : water(noise, look, x, y, phase)));
}

function sky(noise: Noise, look: Sea, x: number, y: number): Rgb {
  const { sun, horizon } = look;
  const distance = Math.hypot(x - sun.x, y - sun.y);
  const rise = (horizon - y) / horizon;
  let colour = gradient(look.sky, 1 - rise);
  colour = add(colour, look.light, 0.4 * Math.exp(-distance * 4.5) + 0.4 * Math.exp(-distance * 16));
  colour = mix(colour, brighter(colour, add(look.light, WHITE, 0.25)), smooth(sun.radius, sun.radius * 0.95, distance));
  // Clouds lie on a plane overhead: they shrink towards the horizon.
  const away = 0.22 / (rise + 0.12);
  const billow = noise.fractal((x - 0.75) * away * 2.2 + 9, away * 5.2, 7);
  const cover = smooth(0.02, 0.3, billow + (look.cover - 1) * 0.18) * smooth(0.01, 0.12, rise);
  const edge = smooth(0.32, 0.05, billow);
  const body = mix(look.cloud, mix(look.light, WHITE, 0.4), edge * Math.exp(-distance * 2.2));
  return mix(colour, body, cover * 0.85);
}

function water(noise: Noise, look: Sea, x: number, y: number, phase: number): Rgb {
  const { sun, horizon } = look;
  const down = y - horizon;
  const away = 0.06 / (down + 0.0035);
  const across = (x - sun.x) * away * 9;
  const along = away * 26;
  const drift = Math.sin(phase * 2 * Math.PI) * 0.5;
  const lift = Math.cos(phase * 2 * Math.PI) * 0.5;
  const swell = noise.fractal(across * 0.5 + drift, along * 0.45 + lift, 3);
  const chop = noise.fractal(across * 2.4 - lift, along * 2.1 + drift, 7);
  const slope = (swell * 0.9 + chop * 1.1) * smooth(0, 0.03, down) + chop * 0.25;
  // Waves tilt the mirror: the farther up the sky it looks, the darker and the bluer.
  const mirror = gradient(look.sky, 1 - Math.min(1, (down / horizon) * 1.15 + Math.abs(slope) * 0.5));
  const facing = smooth(-0.5, 0.5, slope + 0.15);
  let colour = mix(look.water, mirror, (0.25 + 0.5 * facing) * (0.45 + 0.55 * Math.exp(-down * 3.2)));
  const path = Math.exp(-(((x - sun.x) / (0.045 + down * 0.42)) ** 2));
  const sparkle = smooth(0.02, 0.5, slope + 0.22 * path);
  const low = sun.y > 0 ? 1 : 0.25;
  colour = add(colour, look.light, path * (0.1 + sparkle * 1.15) * low);
  colour = add(colour, WHITE, smooth(0.5, 0.85, slope) * 0.25 * smooth(0.05, 0.4, down));
  return mix(colour, gradient(look.sky, 1), smooth(0.02, 0, down) * 0.45);
}
