// Conifers behind conifers in morning fog, with light falling through them.
// Promises: a tree is placed and shaped by the seed alone; work for a pixel is bounded by the rows of trees.

import { add, clamp01, gradient, hex, mix, type Rgb, type Stop, scale, smooth } from '../colour.ts';
import { type Noise, noiseFrom } from '../noise.ts';
import { paint, type Raster } from '../raster.ts';

const AIR: readonly Stop[] = [
  [0, hex('#f3efdc')],
  [0.5, hex('#d9e2d6')],
  [1, hex('#a9bfb4')],
];

const NEAR = hex('#0b1a14');
const ROWS = 6;

interface Row {
  /** 0 is the nearest, 1 the farthest. */
  readonly depth: number;
  readonly spacing: number;
  readonly tall: number;
  readonly foot: number;
}

const ROWS_NEAREST_FIRST: readonly Row[] = Array.from({ length: ROWS }, (_, index) => {
  const depth = index / (ROWS - 1);
  return { depth, spacing: 0.34 - 0.26 * depth ** 0.6, tall: 1.12 - 0.78 * depth ** 0.7, foot: 1.1 - 0.36 * depth ** 0.8 };
});

export function forest(seed: number, width: number, height: number): Raster {
  const noise = noiseFrom(seed);
  return paint(width, height, (x, y) => {
    const air = gradient(AIR, y);
    const row = ROWS_NEAREST_FIRST.find((candidate) => stands(noise, candidate, x, y));
    const seen = row === undefined ? air : foliage(noise, row, air, x, y);
    return sunbeams(noise, seen, row?.depth ?? 1, x, y);
  });
}

/** Whether a tree of the row, or the ground that it stands on, covers the place. */
function stands(noise: Noise, row: Row, x: number, y: number): boolean {
  const ground =
    row.foot - 0.05 * noise.fractal(x * 1.6 + row.depth * 40, row.depth * 9, 4) - 0.006 * noise.fractal(x * 60, row.depth, 3);
  if (y > ground) return true;
  const cell = Math.floor(x / row.spacing);
  for (let neighbour = cell - 1; neighbour <= cell + 1; neighbour++) {
    if (treeCovers(noise, row, neighbour, x, y, ground)) return true;
  }
  return false;
}

function treeCovers(noise: Noise, row: Row, cell: number, x: number, y: number, ground: number): boolean {
  const salt = Math.round(row.depth * 100);
  if (noise.cell(cell, salt + 3) < 0.16) return false; // a clearing
  const centre = (cell + 0.15 + 0.7 * noise.cell(cell, salt)) * row.spacing;
  const tall = row.tall * (0.6 + 0.5 * noise.cell(cell + 60, salt));
  const fromTop = (y - (ground - tall)) / tall;
  if (fromTop < 0) return false;
  const aside = Math.abs(x - centre) / tall;
  if (aside < 0.002 + 0.013 * fromTop) return true; // the trunk
  if (fromTop > 0.9) return false;
  // Whorls of branches that droop outwards: a saw along the height, rough at its edge.
  const side = x < centre ? 0 : 51;
  const whorl = fromTop * (26 + 8 * noise.cell(cell, salt + 9)) - aside * 34;
  const saw = whorl - Math.floor(whorl);
  const reach = 0.2 * fromTop ** 0.85 * (0.62 + 0.5 * noise.cell(Math.floor(whorl) + side, cell + salt));
  const needles = 0.012 * noise.fractal(x * 95 + side, y * 60 + cell, 3);
  return aside < reach * (1 - saw * 0.62) + needles * clamp01(fromTop * 4);
}

function foliage(noise: Noise, row: Row, air: Rgb, x: number, y: number): Rgb {
  const texture = noise.fractal(x * 38, y * 26, 4);
  const tree = scale(mix(NEAR, hex('#2c4a3c'), row.depth * 0.7), 1 + texture * 0.7 * (1 - row.depth));
  const fog =
    0.04 +
    0.84 * row.depth ** 0.72 +
    0.4 * smooth(0.55, 1.02, y) * (1 - row.depth * 0.5) * (0.65 + 0.8 * noise.fractal(x * 1.7, y * 4.5 + row.depth * 20, 5));
  return mix(tree, air, fog);
}

/** Light from the upper left, in shafts that widen downwards. */
function sunbeams(noise: Noise, colour: Rgb, depth: number, x: number, y: number): Rgb {
  const angle = Math.atan2(x - 0.25, y + 0.45);
  const shafts = smooth(-0.1, 0.5, noise.fractal(angle * 13, 4.5, 3));
  const nearSun = Math.exp(-Math.hypot(x - 0.25, y + 0.1) * 1.25);
  const warm = hex('#fff0c4');
  return add(colour, warm, (0.1 + 0.34 * shafts) * nearSun * (0.35 + 0.65 * depth));
}
