// A sea of sand under a low sun: a height field seen from above its crests, walked from near to far for every column.
// Promises: bounded work for every column (STEPS); what lies nearer hides what lies behind.

import { add, gradient, hex, mix, type Rgb, type Stop, scale, smooth, WHITE } from '../colour.ts';
import { type Noise, noiseFrom } from '../noise.ts';
import { emptyRaster, put, type Raster } from '../raster.ts';

const STEPS = 1300;
const HORIZON = 0.36;
const EYE = 1.15;
const NEAR = 0.22;
const FAR = 34;

const SKY: readonly Stop[] = [
  [0, hex('#3f7fb8')],
  [0.55, hex('#a9c7d6')],
  [1, hex('#f6dcb8')],
];

const LIT = hex('#f2b56b');
const SHADE = hex('#6d3a28');
const HAZE = hex('#f0d3ae');

export function dunes(seed: number, width: number, height: number): Raster {
  const noise = noiseFrom(seed);
  const raster = emptyRaster(width, height);
  for (let column = 0; column < width; column++) drawColumn(raster, noise, column);
  return raster;
}

function drawColumn(raster: Raster, noise: Noise, column: number): void {
  const { width, height } = raster;
  const aside = (column + 0.5 - width / 2) / height;
  let free = height; // rows from here down are drawn
  for (let step = 0; step < STEPS && free > 0; step++) {
    const away = NEAR * (FAR / NEAR) ** (step / STEPS);
    const x = aside * away * 1.5;
    const top = Math.ceil((HORIZON + ((EYE - sandHeight(noise, x, away)) / away) * 0.62) * height);
    if (top >= free) continue;
    const colour = sandColour(noise, x, away);
    for (let row = Math.max(0, top); row < free; row++) put(raster, column, row, colour);
    free = Math.max(0, top);
  }
  for (let row = 0; row < free; row++) put(raster, column, row, skyColour(noise, (column + 0.5) / height, (row + 0.5) / height));
}

/** Waves of sand: a long climb with the wind, a crest, a short fall behind it. */
function sandHeight(noise: Noise, x: number, z: number): number {
  const bend = noise.at(x * 0.22 + 4, z * 0.16) * 1.5 + noise.at(x * 0.6, z * 0.5 + 9) * 0.22;
  const along = (x * 0.34 + z * 0.36 + bend) % 1;
  const wave = along < 0 ? along + 1 : along;
  const climb = wave < 0.7 ? smooth(0, 0.7, wave) * 0.55 + (wave / 0.7) * 0.45 : smooth(1, 0.7, wave);
  const size = 0.55 + 0.4 * noise.at(x * 0.17 + 30, z * 0.13);
  return climb * size * 0.95 + noise.at(x * 0.13, z * 0.1 + 3) * 0.35;
}

function sandColour(noise: Noise, x: number, z: number): Rgb {
  const step = 0.004 * z;
  const here = sandHeight(noise, x, z);
  const slopeX = (sandHeight(noise, x + step, z) - here) / step;
  const slopeZ = (sandHeight(noise, x, z + step) - here) / step;
  const detail = Math.exp(-z * 0.22);
  const bed = (x * 0.55 - z * 0.9) * 34 + noise.fractal(x * 2.5, z * 2.5, 3) * 9;
  const ripple = Math.sin(bed) * 0.16 * detail * smooth(0.9, 0.2, Math.abs(slopeX));
  const grain = noise.at(x * 160, z * 160) * 0.09 * detail;
  // The sun stands low on the right: a slope that falls to the right is lit.
  const facing = (0.3 - slopeX * 0.86 - slopeZ * 0.22 + ripple + grain) / Math.sqrt(1 + slopeX * slopeX + slopeZ * slopeZ);
  const light = smooth(-0.12, 0.62, facing);
  let colour = mix(SHADE, LIT, light);
  colour = add(colour, hex('#ffd9a0'), smooth(0.6, 1, facing) * 0.22);
  colour = scale(colour, 0.94 + 0.12 * noise.at(x * 1.1, z * 1.1));
  return mix(colour, HAZE, smooth(3, FAR, z) * 0.85);
}

function skyColour(noise: Noise, x: number, y: number): Rgb {
  const rise = (HORIZON + 0.03 - y) / HORIZON;
  const wisps = smooth(0.08, 0.5, noise.fractal(x * 1.1 + y * 1.4, y * 7 + x * 0.6, 6));
  const glow = Math.exp(-Math.hypot(x - 1.6, y - HORIZON) * 2.2);
  return add(mix(gradient(SKY, 1 - rise), WHITE, wisps * 0.45 * smooth(0, 0.4, rise)), hex('#ffc98c'), glow * 0.35);
}
