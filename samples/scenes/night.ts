// The night sky: stars and the Milky Way over a hill, a moon with its seas, and an aurora over a lake.
// Promises: stars are placed by the seed in picture heights, so that every size shows the same sky.

import { add, gradient, hex, mix, type Rgb, type Stop, scale, smooth } from '../colour.ts';
import { type Noise, noiseFrom, randomFrom } from '../noise.ts';
import { glow, paint, type Raster } from '../raster.ts';

const NIGHT: readonly Stop[] = [
  [0, hex('#03050f')],
  [0.5, hex('#0a1530')],
  [0.85, hex('#1d3055')],
  [1, hex('#40506e')],
];

const STAR_TINTS: readonly Rgb[] = [hex('#ffffff'), hex('#cfdcff'), hex('#aec6ff'), hex('#fff1d8'), hex('#ffd7ae')];

export function milkyWay(seed: number, width: number, height: number): Raster {
  const noise = noiseFrom(seed);
  const raster = paint(width, height, (x, y) => {
    if (y > hill(noise, x, 0.86, 0.06)) return scale(hex('#070a12'), 0.6 + 0.4 * noise.at(x * 40, y * 40));
    return add(gradient(NIGHT, y), galaxyLight(noise, x, y), 1);
  });
  stars(raster, seed, 2600, (x, y) => (y > hill(noise, x, 0.86, 0.06) - 0.004 ? 0 : 0.5 + 1.2 * galaxy(noise, x, y)));
  return raster;
}

/** How dense the band of the galaxy is at a place, 0 to about 1. */
function galaxy(noise: Noise, x: number, y: number): number {
  const across = (x - 0.35) * 0.62 - (0.95 - y) * 0.72 + noise.at(x * 1.7, y * 1.7) * 0.07;
  const band = Math.exp(-((across / 0.16) ** 2));
  const dust = smooth(-0.05, 0.35, noise.fractal(x * 4 + 5, y * 4 + 3, 6) + 0.35 * Math.exp(-((across / 0.045) ** 2)) - 0.12);
  return band * (1 - 0.78 * dust) * (0.75 + 0.5 * noise.fractal(x * 3, y * 3, 5));
}

function galaxyLight(noise: Noise, x: number, y: number): Rgb {
  const density = galaxy(noise, x, y);
  const warm = smooth(-0.3, 0.4, noise.at(x * 2.2 + 20, y * 2.2));
  return scale(mix(hex('#7f93cf'), hex('#d9a58c'), warm), density * 0.62);
}

/** The top of a dark hill at `x`. */
function hill(noise: Noise, x: number, base: number, rise: number): number {
  return base - rise * noise.fractal(x * 1.4, 3.3, 3) - 0.004 * noise.fractal(x * 90, 1.1, 3);
}

/** Stars by a power law: many faint ones, few bright. `chance` thins them out where it is below 1. */
function stars(raster: Raster, seed: number, count: number, chance: (x: number, y: number) => number): void {
  const random = randomFrom(seed * 31 + 7);
  const { width, height } = raster;
  for (let i = 0; i < count; i++) {
    const x = (random() * width) / height;
    const y = random();
    const bright = random() ** 7;
    const tint = STAR_TINTS[Math.floor(random() * STAR_TINTS.length)]!;
    if (random() > chance(x, y)) continue;
    const radius = height * (0.0007 + 0.0014 * bright);
    glow(raster, x * height, y * height, radius, tint, 0.25 + 0.9 * bright);
    if (bright > 0.55) glow(raster, x * height, y * height, radius * 4, tint, 0.18 * bright);
  }
}

export function moon(seed: number, width: number, height: number): Raster {
  const noise = noiseFrom(seed);
  const centreX = width / height / 2;
  const radius = 0.36;
  const disc = paint(width, height, (x, y) => {
    const dx = (x - centreX) / radius;
    const dy = (y - 0.5) / radius;
    const out = Math.hypot(dx, dy);
    const halo = scale(hex('#5f78ad'), 0.35 * Math.exp(-Math.max(0, out - 1) * 4));
    if (out >= 1) return add(hex('#04060e'), halo, 1);
    return mix(moonGround(noise, dx, dy, Math.sqrt(1 - out * out)), halo, smooth(0.985, 1, out));
  });
  const around = 1.03 * radius;
  stars(disc, seed, 500, (x, y) => (Math.hypot(x - centreX, y - 0.5) < around ? 0 : 0.7));
  return disc;
}

function moonGround(noise: Noise, dx: number, dy: number, dz: number): Rgb {
  // Places on the near half of a sphere, so that craters shorten towards the rim.
  const u = Math.asin(dx) * 1.25;
  const v = Math.asin(dy) * 1.25;
  const maria = smooth(-0.05, 0.3, noise.fractal(u * 1.25 + 2.2, v * 1.25 + 0.4, 5));
  const grain = noise.fractal(u * 11, v * 11, 5);
  const relief = craters(noise, u, v, 3) + craters(noise, u, v, 7) * 0.7 + craters(noise, u, v, 15) * 0.45;
  const light = Math.max(0, dz * 0.72 - dx * 0.55 - dy * 0.3 + 0.12 + relief * 0.5);
  return scale(mix(hex('#e9e4d8'), hex('#8d8c90'), maria), (0.85 + grain * 0.16) * Math.min(1.08, light * 1.25));
}

/** Light and shade of a field of craters, `density` of them to a unit: bright on the rim that faces the sun. */
function craters(noise: Noise, u: number, v: number, density: number): number {
  const x = u * density;
  const y = v * density;
  let shade = 0;
  for (let row = Math.floor(y) - 1; row <= Math.floor(y) + 1; row++) {
    for (let column = Math.floor(x) - 1; column <= Math.floor(x) + 1; column++) {
      const size = noise.cell(column + 300, row + density * 40) ** 2 * 0.42;
      const dx = x - column - noise.cell(column, row + density * 13);
      const dy = y - row - noise.cell(column + 50, row + density * 29);
      const out = Math.hypot(dx, dy) / (size + 0.03);
      const toSun = -(dx * 0.85 + dy * 0.5) / (size + 0.03);
      shade +=
        toSun * (smooth(0.55, 0.95, out) * smooth(1.35, 1, out) - 0.75 * smooth(1, 0.6, out) * out) * Math.min(1, size * 5);
    }
  }
  return shade;
}

const AURORA_SHORE = 0.74;

export function aurora(seed: number, width: number, height: number): Raster {
  const noise = noiseFrom(seed);
  const raster = paint(width, height, (x, y) => {
    const shore = AURORA_SHORE - 0.002 * noise.fractal(x * 30, 2, 3);
    if (y < shore) return auroraAir(noise, x, y);
    // The lake is the same sky upside down, drawn out by ripples and darker.
    const down = y - shore;
    const ripple = noise.fractal(x * 6, (0.9 / (down + 0.03)) * 3, 4) * (0.01 + down * 0.14);
    const mirrored = auroraAir(noise, x + ripple * 0.4, shore - down * 1.9 + ripple);
    return add(scale(mirrored, 0.62), hex('#0a1a2a'), 0.35);
  });
  stars(raster, seed, 1100, (x, y) => (y > auroraRidge(noise, x) - 0.004 ? 0 : 0.6));
  return raster;
}

function auroraRidge(noise: Noise, x: number): number {
  return AURORA_SHORE - 0.01 - 0.2 * (noise.ridged(x * 1.5 + 4, 0.7, 8) - 0.12) * (0.7 + 0.3 * noise.at(x * 0.9, 8));
}

function auroraAir(noise: Noise, x: number, y: number): Rgb {
  const top = auroraRidge(noise, x);
  if (y > top) {
    const below = y - top;
    const gully = noise.ridged(x * 22 + below * 14, y * 9, 5);
    const snow = smooth(0.25, 0.65, gully) * smooth(0.09, 0, below);
    return mix(hex('#050b14'), hex('#35606c'), snow * 0.8);
  }
  let colour = gradient(NIGHT, y);
  for (let curtain = 0; curtain < 3; curtain++) colour = add(colour, curtainLight(noise, x, y, curtain), 1);
  return colour;
}

function curtainLight(noise: Noise, x: number, y: number, curtain: number): Rgb {
  const fold = noise.at(x * 1.3 + curtain * 7.7, curtain * 3.1) * 0.16 + noise.at(x * 3.7 - curtain, curtain + 0.5) * 0.045;
  const foot = 0.53 - curtain * 0.1 + fold;
  const rise = foot - y;
  const lean = x + rise * 0.25 * (x - 0.75);
  const rays = 0.5 + 0.7 * noise.fractal(lean * 26 + curtain * 40, curtain + rise * 0.7, 4);
  const patches = smooth(-0.35, 0.45, noise.at(x * 1.6 + curtain * 19, 5.5 - curtain));
  const body = rise > 0 ? Math.exp(-rise * (5 + 2.4 * curtain)) * smooth(0, 0.035, rise) : 0;
  const strength = Math.max(0, body * rays) * patches * (1.15 - curtain * 0.25);
  const tint = mix(mix(hex('#3dffa0'), hex('#2fd6c0'), smooth(0.04, 0.16, rise)), hex('#9a4ee0'), smooth(0.12, 0.42, rise));
  return scale(tint, strength * 0.95);
}
