// A test card: colour bars, a grey ramp, fine lines, a circle and a border, to see at once what a pipeline has done to a picture.
// Promises: flat colours without noise, exact to the pixel at every size.

import { BLACK, hex, type Rgb, WHITE } from '../colour.ts';
import { paint, type Raster } from '../raster.ts';

const BARS: readonly Rgb[] = ['#ffffff', '#ffff00', '#00ffff', '#00ff00', '#ff00ff', '#ff0000', '#0000ff', '#000000'].map(hex);
const GREYS = 11;

export function card(width: number, height: number): Raster {
  const aspect = width / height;
  return paint(width, height, (x, y) => border(x, y, aspect) ?? circle(x, y, aspect, height) ?? field(x / aspect, x, y, height));
}

/** Black and white squares around the picture: a cut edge shows. */
function border(x: number, y: number, aspect: number): Rgb | undefined {
  const size = 0.05;
  if (x >= size && x <= aspect - size && y >= size && y <= 1 - size) return undefined;
  return (Math.floor(x / size) + Math.floor(y / size)) % 2 === 0 ? WHITE : hex('#303030');
}

/** A ring that must stay round, with cross hairs. */
function circle(x: number, y: number, aspect: number, height: number): Rgb | undefined {
  const line = Math.max(1.5 / height, 0.004);
  const dx = x - aspect / 2;
  const dy = y - 0.5;
  const onRing = Math.abs(Math.hypot(dx, dy) - 0.4) < line;
  const onCross = (Math.abs(dx) < line / 2 && Math.abs(dy) < 0.4) || (Math.abs(dy) < line / 2 && Math.abs(dx) < 0.4);
  return onRing || onCross ? WHITE : undefined;
}

/** Bars above, then a ramp in steps, then lines that get finer to the right, then a smooth ramp. `share` is the place from left to right. */
function field(share: number, x: number, y: number, height: number): Rgb {
  if (y < 0.55) return BARS[Math.min(BARS.length - 1, Math.floor(share * BARS.length))]!;
  if (y < 0.68) return grey(Math.floor(share * GREYS) / (GREYS - 1));
  if (y < 0.81) return lines(share, x, height);
  return grey(share);
}

function lines(share: number, x: number, height: number): Rgb {
  const pixels = Math.max(1, 6 - Math.floor(share * 6)); // 6 pixels wide at the left, 1 at the right
  return Math.floor((x * height) / pixels) % 2 === 0 ? WHITE : BLACK;
}

function grey(level: number): Rgb {
  return [level, level, level];
}
