// Things seen from close by: a sheet of handmade paper with a deckle edge, the veins of a leaf, ink on water.
// Promises: the paper is transparent around its sheet; the others fill the picture.

import { add, clamp01, gradient, hex, mix, type Rgb, type Stop, scale, smooth, WHITE } from '../colour.ts';
import { type Noise, noiseFrom, randomFrom } from '../noise.ts';
import { emptyRaster, paint, put, type Raster } from '../raster.ts';

const FIBRES = 900;

export function paper(seed: number, width: number, height: number): Raster {
  const noise = noiseFrom(seed);
  const raster = emptyRaster(width, height, 4);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const x = (column + 0.5) / height;
      const y = (row + 0.5) / height;
      put(raster, column, row, sheetColour(noise, x, y, width / height));
      raster.data[(row * width + column) * 4 + 3] = sheetCover(noise, x, y, width / height) * 255;
    }
  }
  fibres(raster, seed);
  return raster;
}

/** How far inside the torn edge a place lies, in picture heights; negative outside. */
function insideEdge(noise: Noise, x: number, y: number, aspect: number): number {
  const straight = Math.min(x, aspect - x, y, 1 - y) - 0.055;
  return straight + noise.fractal(x * 3.1, y * 3.1, 2) * 0.022 + noise.fractal(x * 16, y * 16, 5) * 0.028;
}

function sheetCover(noise: Noise, x: number, y: number, aspect: number): number {
  const inside = insideEdge(noise, x, y, aspect);
  // The deckle: the sheet thins out over a few hairs of its edge.
  return smooth(-0.001, 0.003, inside) * (0.72 + 0.28 * smooth(0, 0.022, inside + 0.006 * noise.at(x * 90, y * 90)));
}

function sheetColour(noise: Noise, x: number, y: number, aspect: number): Rgb {
  const inside = insideEdge(noise, x, y, aspect);
  const tooth = noise.fractal(x * 34, y * 34, 4) - noise.fractal(x * 34 + 0.12, y * 34 + 0.12, 4);
  const clouds = noise.fractal(x * 4.2, y * 4.2, 4);
  const laid = 0.008 * Math.sin(y * 190 + noise.at(x * 2, y * 2) * 2);
  const base = mix(hex('#f3e9d2'), hex('#e4d3b0'), 0.45 + clouds * 0.8);
  const rim = smooth(0.02, 0, inside) * 0.1 - smooth(0.004, 0, inside) * 0.14;
  return scale(base, 1 + tooth * 0.22 + laid + rim);
}

/** Short curved hairs, darker or lighter than the sheet, on what is already opaque. */
function fibres(raster: Raster, seed: number): void {
  const random = randomFrom(seed * 17 + 5);
  const { width, height, data } = raster;
  for (let fibre = 0; fibre < FIBRES; fibre++) {
    let x = random() * width;
    let y = random() * height;
    let angle = random() * 2 * Math.PI;
    const bend = (random() - 0.5) * 0.12;
    const tone = random() < 0.7 ? -22 * random() : 16 * random();
    const length = height * (0.01 + 0.035 * random());
    for (let step = 0; step < length; step++, angle += bend, x += Math.cos(angle), y += Math.sin(angle)) {
      if (x < 0 || y < 0 || x >= width || y >= height) break;
      const i = (Math.floor(y) * width + Math.floor(x)) * 4;
      for (let channel = 0; channel < 3; channel++) data[i + channel]! += tone;
    }
  }
}

const SIDE_VEINS = 0.17;

/** A leaf against the light, so near that its cells show. */
export function leaf(seed: number, width: number, height: number): Raster {
  const noise = noiseFrom(seed);
  return paint(width, height, (x, y) => {
    const bentX = x + noise.at(x * 1.3, y * 1.3) * 0.025;
    const bentY = y + noise.at(x * 1.3 + 9, y * 1.3) * 0.025;
    // The midrib runs from the lower left to the upper right.
    const along = bentX * 0.86 - bentY * 0.5;
    const off = bentX * 0.5 + bentY * 0.86 - 0.78;
    const midrib = vein(off, 0.013 - along * 0.003);
    const sides = vein(sideVein(along, off) * SIDE_VEINS * 0.75, 0.0055 * Math.exp(-Math.abs(off) * 0.7));
    const big = cellEdge(noise, bentX * 17, bentY * 17, 1);
    const small = cellEdge(noise, bentX * 58, bentY * 58, 2);
    const net = 0.62 * smooth(0.11, 0.01, big) + 0.4 * smooth(0.2, 0.02, small);
    const light = 0.62 + 0.35 * noise.fractal(x * 1.1, y * 1.1, 3) + 0.4 * Math.exp(-Math.hypot(x - 1.1, y - 0.15) * 1.6);
    const pillow = 0.8 + 0.32 * smooth(0, 0.5, big) + 0.12 * smooth(0, 0.4, small);
    const flesh = scale(mix(hex('#1f6a1c'), hex('#a9d43a'), light * 0.85), pillow);
    const veins = Math.max(midrib, sides, net * 0.6);
    return add(mix(flesh, hex('#e3f1a0'), veins * 0.8), hex('#f7ffb0'), midrib * 0.12);
  });
}

/** Side veins leave the midrib in pairs and curve towards the tip: the distance to the nearest, in spacings. */
function sideVein(along: number, off: number): number {
  const place = (along - Math.abs(off) * 0.75 + off * off * 0.28) / SIDE_VEINS + (off > 0 ? 0.5 : 0);
  return Math.abs(place - Math.round(place));
}

function vein(distance: number, halfWidth: number): number {
  return Math.exp(-((distance / halfWidth) ** 2));
}

/** The distance to the border between cells that grow from points strewn over a grid: 0 on the border. */
function cellEdge(noise: Noise, x: number, y: number, salt: number): number {
  const column = Math.floor(x);
  const row = Math.floor(y);
  let nearest = 9;
  let second = 9;
  for (let dy = -1; dy <= 1; dy++) {
    for (let dx = -1; dx <= 1; dx++) {
      const pointX = column + dx + noise.cell(column + dx + salt * 60, row + dy);
      const pointY = row + dy + noise.cell(column + dx, row + dy + salt * 90);
      const distance = Math.hypot(x - pointX, y - pointY);
      if (distance < nearest) {
        second = nearest;
        nearest = distance;
      } else if (distance < second) second = distance;
    }
  }
  return second - nearest;
}

const INK: readonly Stop[] = [
  [0, hex('#0c1a33')],
  [0.28, hex('#1d4d7a')],
  [0.46, hex('#3f9aa3')],
  [0.6, hex('#f1e6cf')],
  [0.74, hex('#e79a5b')],
  [1, hex('#8f2d3c')],
];

/** Marbled paper: ink on water, drawn through itself twice. */
export function ink(seed: number, width: number, height: number): Raster {
  const noise = noiseFrom(seed);
  return paint(width, height, (x, y) => {
    const ax = noise.fractal(x * 1.5, y * 1.5, 4);
    const ay = noise.fractal(x * 1.5 + 5.2, y * 1.5 + 1.3, 4);
    const bx = noise.fractal(x * 1.5 + 3 * ax + 1.7, y * 1.5 + 3 * ay + 9.2, 4);
    const by = noise.fractal(x * 1.5 + 3 * ax + 8.3, y * 1.5 + 3 * ay + 2.8, 4);
    const drawn = noise.fractal(x * 1.3 + 3.6 * bx, y * 1.3 + 3.6 * by, 6);
    const colour = gradient(INK, clamp01(0.5 + drawn * 1.05 + 0.22 * ax));
    const combed = Math.abs(Math.sin(drawn * 42));
    const thread = smooth(0.12, 0.01, combed) * 0.22;
    return add(mix(colour, WHITE, thread), hex('#20304a'), 0.35 * by);
  });
}
