// A picture in memory: rows of 8-bit RGB or RGBA, and the few ways in which the scenes fill one.
// Promises: every write is clipped to the picture; colours are rounded with a fixed dither, so that skies show no bands.

import type { Rgb } from './colour.ts';
import { noiseFrom } from './noise.ts';

export interface Raster {
  readonly width: number;
  readonly height: number;
  readonly channels: 3 | 4;
  readonly data: Uint8ClampedArray;
}

/** The colour of the pixel whose centre is at `x`, `y`: both in picture heights, from the top left, so that no shape is stretched. */
export type Paint = (x: number, y: number) => Rgb;

/** How a scene draws itself at a size: it must look the same at every size. */
export type Scene = (width: number, height: number) => Raster;

export function emptyRaster(width: number, height: number, channels: 3 | 4 = 3): Raster {
  return { width, height, channels, data: new Uint8ClampedArray(width * height * channels) };
}

export function paint(width: number, height: number, colourAt: Paint): Raster {
  const raster = emptyRaster(width, height);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++)
      put(raster, column, row, colourAt((column + 0.5) / height, (row + 0.5) / height));
  }
  return raster;
}

export function put(raster: Raster, column: number, row: number, colour: Rgb): void {
  const i = (row * raster.width + column) * raster.channels;
  const dither = ((column * 7 + row * 13 + ((column ^ row) & 3) * 5) % 16) / 16 - 0.5;
  raster.data[i] = colour[0] * 255 + dither;
  raster.data[i + 1] = colour[1] * 255 + dither;
  raster.data[i + 2] = colour[2] * 255 + dither;
}

/** A soft round light added onto the picture; place and radius in pixels. */
export function glow(raster: Raster, centreX: number, centreY: number, radius: number, light: Rgb, strength: number): void {
  const reach = Math.ceil(radius * 3);
  const left = Math.max(0, Math.floor(centreX) - reach);
  const right = Math.min(raster.width - 1, Math.floor(centreX) + reach);
  const top = Math.max(0, Math.floor(centreY) - reach);
  const bottom = Math.min(raster.height - 1, Math.floor(centreY) + reach);
  for (let row = top; row <= bottom; row++) {
    for (let column = left; column <= right; column++) {
      const distance = ((column + 0.5 - centreX) ** 2 + (row + 0.5 - centreY) ** 2) / (radius * radius);
      const share = Math.exp(-distance) * strength * 255;
      const i = (row * raster.width + column) * raster.channels;
      for (let channel = 0; channel < 3; channel++) raster.data[i + channel]! += light[channel]! * share;
    }
  }
}

/** What a camera adds: grain of the given strength (0 to 1, in place) and darker corners. */
export function develop(raster: Raster, seed: number, grain: number, vignette: number): void {
  const noise = noiseFrom(seed);
  const { width, height, channels, data } = raster;
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const fromCentre = ((column / width - 0.5) ** 2 + (row / height - 0.5) ** 2) * 2;
      const corner = 1 - vignette * fromCentre;
      const speck = (noise.cell(column, row) + noise.cell(row + 201, column + 77) - 1) * grain * 255;
      const i = (row * width + column) * channels;
      for (let channel = 0; channel < 3; channel++) data[i + channel] = data[i + channel]! * corner + speck;
    }
  }
}
