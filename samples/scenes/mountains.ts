// Ridges behind ridges with mist in the valleys between them, at any hour of the day.
// Promises: the same seed gives the same mountains at every hour; spruces stand on the nearest two ridges only.

import { add, BLACK, brighter, clamp01, gradient, hex, mix, type Rgb, type Stop, scale, smooth, WHITE } from '../colour.ts';
import { type Noise, noiseFrom } from '../noise.ts';
import { paint, type Raster } from '../raster.ts';

export interface Hour {
  /** From the top of the picture down to the farthest ridge. */
  readonly sky: readonly Stop[];
  readonly far: Rgb;
  readonly near: Rgb;
  readonly mist: Rgb;
  readonly sun: { readonly x: number; readonly y: number; readonly radius: number; readonly light: Rgb };
  readonly cloud: Rgb;
  readonly clouds: number;
}

export const DAWN: Hour = {
  sky: [
    [0, hex('#38507f')],
    [0.22, hex('#8d8fb5')],
    [0.38, hex('#f0b7a0')],
    [0.5, hex('#ffe0ac')],
  ],
  far: hex('#c79aa6'),
  near: hex('#171c2e'),
  mist: hex('#f7cfb4'),
  sun: { x: 0.98, y: 0.43, radius: 0.032, light: hex('#ffdf9e') },
  cloud: hex('#ffc9b0'),
  clouds: 0.8,
};

export const NOON: Hour = {
  sky: [
    [0, hex('#2f74bd')],
    [0.3, hex('#72ace0')],
    [0.55, hex('#cfe4f2')],
  ],
  far: hex('#a3bdd4'),
  near: hex('#1f3526'),
  mist: hex('#d6e5ee'),
  sun: { x: 0.3, y: -0.3, radius: 0.03, light: hex('#fff6dc') },
  cloud: WHITE,
  clouds: 1.3,
};

export const DUSK: Hour = {
  sky: [
    [0, hex('#1d1a40')],
    [0.2, hex('#593a74')],
    [0.36, hex('#c2557a')],
    [0.5, hex('#ff9a64')],
  ],
  far: hex('#a0506f'),
  near: hex('#100c1d'),
  mist: hex('#e2788a'),
  sun: { x: 0.5, y: 0.5, radius: 0.05, light: hex('#ffb36b') },
  cloud: hex('#ff7d70'),
  clouds: 1.2,
};

export const MOONLIGHT: Hour = {
  sky: [
    [0, hex('#050b1f')],
    [0.3, hex('#122447')],
    [0.5, hex('#34517f')],
  ],
  far: hex('#2c456e'),
  near: hex('#03060d'),
  mist: hex('#4d6c98'),
  sun: { x: 1.1, y: 0.17, radius: 0.028, light: hex('#e8eefc') },
  cloud: hex('#4a6190'),
  clouds: 0.9,
};

interface Ridge {
  /** 0 is the farthest, 1 the nearest. */
  readonly depth: number;
  readonly index: number;
  /** The height of the crest for every column, in picture heights from the top. */
  readonly crest: Float32Array;
}

const RIDGES = 7;

export function mountains(seed: number, hour: Hour, width: number, height: number): Raster {
  const noise = noiseFrom(seed);
  const ridges = Array.from({ length: RIDGES }, (_, index) => ridge(noise, index, width, height));
  const nearestFirst = ridges.toReversed();
  return paint(width, height, (x, y) => {
    const column = Math.min(width - 1, Math.floor(x * height));
    const hit = nearestFirst.find(({ crest }) => y > crest[column]!);
    return hit === undefined ? sky(noise, hour, x, y) : ground(noise, hour, hit, x, y, hit.crest[column]!);
  });
}

function ridge(noise: Noise, index: number, width: number, height: number): Ridge {
  const depth = index / (RIDGES - 1);
  const base = 0.57 + depth ** 1.3 * 0.4;
  const rise = 0.3 - 0.13 * depth;
  const crest = new Float32Array(width);
  for (let column = 0; column < width; column++) {
    const x = column / height;
    const shape = noise.ridged(x * (0.75 + depth * 0.5) + index * 11.3, index * 4.7, 8);
    const bare = base - (shape - 0.35) * rise;
    crest[column] = index >= RIDGES - 2 ? bare - spruces(noise, x, index) : bare;
  }
  return { depth, index, crest };
}

/** How far trees rise over the crest at `x`: the highest of the spires that stand near enough. */
function spruces(noise: Noise, x: number, index: number): number {
  const spacing = index === RIDGES - 1 ? 0.013 : 0.006;
  const cell = Math.floor(x / spacing);
  let tallest = 0;
  for (let neighbour = cell - 2; neighbour <= cell + 2; neighbour++) {
    const height = spacing * (1.6 + 2.8 * noise.cell(neighbour, index * 7));
    const centre = (neighbour + 0.2 + 0.6 * noise.cell(neighbour, 90 + index)) * spacing;
    const aside = Math.abs(x - centre) / (spacing * 0.75);
    const branches = 0.12 * Math.abs(Math.sin(aside * 21 + neighbour));
    tallest = Math.max(tallest, height * (1 - aside * 1.15 - branches * clamp01(aside * 4)));
  }
  return tallest;
}

function sky(noise: Noise, hour: Hour, x: number, y: number): Rgb {
  const { sun } = hour;
  const distance = Math.hypot(x - sun.x, y - sun.y);
  let colour = gradient(hour.sky, y);
  const streaks = noise.fractal(x * 1.3 + 3, y * 6.5 + noise.at(x * 2, y * 3) * 0.4, 6);
  const cover = smooth(0.02, 0.42, streaks) * hour.clouds * smooth(0.6, 0.15, y);
  colour = mix(colour, mix(hour.cloud, WHITE, 0.25 * Math.exp(-distance * 3)), cover * 0.7);
  colour = add(colour, sun.light, 0.5 * Math.exp(-distance * 5) + 0.35 * Math.exp(-distance * 18));
  return mix(colour, brighter(colour, add(sun.light, WHITE, 0.25)), smooth(sun.radius, sun.radius * 0.93, distance));
}

function ground(noise: Noise, hour: Hour, { depth, index }: Ridge, x: number, y: number, top: number): Rgb {
  const below = y - top;
  const rock = noise.ridged(x * 6 + index * 3.1 + below * 2.5, y * 7 + index, 5) - 0.4;
  let colour = mix(hour.far, hour.near, depth ** 0.75);
  colour = scale(colour, 1 + rock * 0.5 * (0.25 + depth * 0.6));
  colour = mix(colour, BLACK, depth > 0.7 ? smooth(0, 0.25, below) * 0.4 : 0);
  const lit = Math.exp(-Math.abs(x - hour.sun.x) * 2.2) * (1 - depth) * 0.25;
  colour = add(colour, hour.sun.light, lit * Math.exp(-below * 9));
  const wisps = 0.55 + 0.75 * noise.fractal(x * 2.3 + index * 5, y * 7 - index, 5);
  const fog = smooth(0.015, 0.17, below) * wisps * (1 - depth * 0.82);
  return mix(colour, hour.mist, fog * 0.85);
}
