// A skyline after sunset, its windows lit, and its reflection in still water.
// Promises: towers, windows and lamps are placed by the seed alone; the reflection is the same city.

import { add, gradient, hex, mix, type Rgb, type Stop, scale, smooth } from '../colour.ts';
import { type Noise, noiseFrom } from '../noise.ts';
import { paint, type Raster } from '../raster.ts';

const SKY: readonly Stop[] = [
  [0, hex('#0d1233')],
  [0.3, hex('#2c2a5c')],
  [0.42, hex('#8a4a78')],
  [0.54, hex('#ef8064')],
  [0.66, hex('#ffc884')],
];

const LAMPS: readonly Rgb[] = [hex('#ffd48a'), hex('#ffe9bf'), hex('#ffc36a'), hex('#bfdcff')];
const QUAY = 0.72;

interface Block {
  /** 0 is the nearest, 1 the farthest. */
  readonly depth: number;
  readonly spacing: number;
  readonly tall: number;
}

const BLOCKS_NEAREST_FIRST: readonly Block[] = [
  { depth: 0, spacing: 0.085, tall: 0.25 },
  { depth: 0.4, spacing: 0.075, tall: 0.4 },
  { depth: 0.75, spacing: 0.06, tall: 0.5 },
  { depth: 1, spacing: 0.05, tall: 0.34 },
];

export function city(seed: number, width: number, height: number): Raster {
  const noise = noiseFrom(seed);
  return paint(width, height, (x, y) => (y < QUAY ? skyline(noise, x, y) : river(noise, x, y)));
}

function skyline(noise: Noise, x: number, y: number): Rgb {
  for (const block of BLOCKS_NEAREST_FIRST) {
    const tower = towerAt(noise, block, x, y);
    if (tower !== undefined) return tower;
  }
  const streaks = smooth(0.02, 0.4, noise.fractal(x * 1.2, y * 8, 6));
  return mix(gradient(SKY, y), hex('#ff8f70'), streaks * 0.5 * smooth(0.05, 0.5, y));
}

function towerAt(noise: Noise, block: Block, x: number, y: number): Rgb | undefined {
  const salt = Math.round(block.depth * 50);
  const cell = Math.floor(x / block.spacing);
  const from = (cell + 0.12 * noise.cell(cell, salt)) * block.spacing;
  const wide = block.spacing * (0.68 + 0.3 * noise.cell(cell + 40, salt));
  if (x < from || x > from + wide) return undefined;
  const centre = Math.exp(-(((cell * block.spacing - 0.78) / 0.5) ** 2));
  const tall = block.tall * (0.3 + 0.75 * noise.cell(cell, salt + 21) ** 1.4 * (0.45 + 0.55 * centre) + 0.12 * centre);
  const aside = (x - from) / wide;
  const top = QUAY - tall + roof(noise.cell(cell, salt + 33), aside, block.spacing);
  if (y < top) return undefined;
  return facade(noise, block, cell, salt, (x - from) / 0.0042, (y - top) / 0.0062, y);
}

/** Flat, stepped, slanted or with a mast; how far the outline lies below the highest point. */
function roof(kind: number, aside: number, size: number): number {
  const middle = Math.abs(aside - 0.5);
  if (kind < 0.12) return middle < 0.012 ? -size * 1.1 : middle * 0.25 * size;
  if (kind < 0.3) return middle < 0.3 ? 0 : size * 0.35;
  if (kind < 0.42) return aside * size * 0.5;
  if (kind < 0.5) return middle * size * 1.2;
  return 0;
}

function facade(noise: Noise, block: Block, cell: number, salt: number, columns: number, floors: number, y: number): Rgb {
  const wall = mix(hex('#0c1026'), hex('#8c4f72'), block.depth * 0.72 + smooth(0.35, QUAY, y) * 0.14);
  const column = Math.floor(columns);
  const floor = Math.floor(floors);
  const inside = columns - column > 0.25 && columns - column < 0.85 && floors - floor > 0.3 && floors - floor < 0.82;
  if (!inside || floor < 1) return wall;
  const busy = 0.22 + 0.4 * noise.cell(cell, salt + 77) + 0.25 * (noise.cell(floor, cell + salt) > 0.8 ? 1 : 0);
  const chance = noise.cell(column + cell * 31, floor * 3 + salt);
  if (chance > busy) return scale(wall, 0.82);
  const lamp = LAMPS[Math.floor(noise.cell(column + 9, floor + cell * 17) * LAMPS.length)]!;
  return mix(wall, lamp, (0.55 + 0.45 * noise.cell(column, floor + 200)) * (1 - block.depth * 0.55));
}

function river(noise: Noise, x: number, y: number): Rgb {
  const down = y - QUAY;
  if (down < 0.006)
    return mix(
      hex('#05060f'),
      hex('#ffcf87'),
      0.8 * smooth(0.35, 0.05, Math.abs(((x * 28) % 1) - 0.5)) * smooth(0.006, 0.001, down),
    );
  const rough = noise.fractal(x * 5, (0.5 / (down + 0.03)) * 4.5, 4);
  const spread = 0.004 + down * 0.09;
  // Four looks along the height blur the lamps into columns of light, as small waves do.
  let light: Rgb = [0, 0, 0];
  for (let tap = 0; tap < 4; tap++) {
    const lift = (tap - 1.5) * spread * 0.5 + rough * spread;
    light = add(light, skyline(noise, x + rough * down * 0.03, Math.min(QUAY - 0.001, QUAY - down * 1.5 + lift)), 0.25);
  }
  return mix(scale(light, 0.78), hex('#0b1030'), 0.2 + 0.35 * smooth(0, 0.3, down) + 0.12 * rough);
}
