// The list of sample pictures: what each shows, at which size, in which format. One line for each, in the order of their names.
// Promises: the list covers every format that the edge keeps by default, from 1.5 KB to 1.3 MB, under 6 MB together.

import type { Scene } from './raster.ts';
import { card } from './scenes/card.ts';
import { city } from './scenes/city.ts';
import { dunes } from './scenes/dunes.ts';
import { forest } from './scenes/forest.ts';
import { DAWN, DUSK, MOONLIGHT, mountains, NOON } from './scenes/mountains.ts';
import { aurora, milkyWay, moon } from './scenes/night.ts';
import { MOONRISE, SUNSET, sea, TROPICS } from './scenes/sea.ts';
import { ink, leaf, paper } from './scenes/textures.ts';

export type Encoding =
  | { readonly kind: 'jpeg' | 'webp' | 'avif'; readonly quality: number }
  /** `colours` up to 256; 0 keeps them all. */
  | { readonly kind: 'png'; readonly colours: number };

export interface Still {
  readonly file: string;
  readonly scene: Scene;
  readonly width: number;
  readonly height: number;
  /** Camera grain and darker corners, 0 to 1. */
  readonly grain: number;
  readonly vignette: number;
  readonly encoding: Encoding;
}

export interface Moving {
  readonly file: string;
  /** `phase` runs from 0 to 1 over one loop. */
  readonly scene: (width: number, height: number, phase: number) => ReturnType<Scene>;
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly frameMs: number;
}

const photo = (file: string, scene: Scene, width: number, height: number, encoding: Encoding): Still => {
  return { file, scene, width, height, grain: 0.024, vignette: 0.22, encoding };
};

const plain = (file: string, scene: Scene, width: number, height: number, encoding: Encoding): Still => {
  return { file, scene, width, height, grain: 0, vignette: 0, encoding };
};

const jpeg = (quality: number): Encoding => ({ kind: 'jpeg', quality });
const webp = (quality: number): Encoding => ({ kind: 'webp', quality });
const avif = (quality: number): Encoding => ({ kind: 'avif', quality });

export const STILLS: readonly Still[] = [
  photo('aurora-lake.jpg', (w, h) => aurora(2, w, h), 1920, 1280, jpeg(90)),
  photo('aurora-tall.webp', (w, h) => aurora(40, w, h), 720, 1080, webp(86)),
  photo('city-dusk-small.jpg', (w, h) => city(13, w, h), 480, 270, jpeg(78)),
  photo('city-dusk.webp', (w, h) => city(13, w, h), 1600, 900, webp(76)),
  photo('dunes-thumb.jpg', (w, h) => dunes(21, w, h), 160, 107, jpeg(68)),
  photo('dunes.jpg', (w, h) => dunes(21, w, h), 1920, 1280, jpeg(90)),
  photo('forest-fog.avif', (w, h) => forest(6, w, h), 1080, 1350, avif(56)),
  photo('forest-fog.jpg', (w, h) => forest(6, w, h), 1280, 853, jpeg(86)),
  photo('ink-marbled.webp', (w, h) => ink(18, w, h), 1200, 800, webp(80)),
  photo('leaf-veins.jpg', (w, h) => leaf(12, w, h), 1280, 853, jpeg(80)),
  photo('milky-way.jpg', (w, h) => milkyWay(11, w, h), 1600, 1067, jpeg(92)),
  photo('moon.png', (w, h) => moon(4, w, h), 560, 560, { kind: 'png', colours: 256 }),
  photo('mountains-dawn-small.jpg', (w, h) => mountains(7, DAWN, w, h), 480, 320, jpeg(80)),
  { ...photo('mountains-dawn.jpg', (w, h) => mountains(7, DAWN, w, h), 2400, 1600, jpeg(97)), grain: 0.036 },
  photo('mountains-dusk.jpg', (w, h) => mountains(7, DUSK, w, h), 1280, 853, jpeg(88)),
  photo('mountains-moonlight.avif', (w, h) => mountains(23, MOONLIGHT, w, h), 1280, 800, avif(58)),
  photo('mountains-noon.webp', (w, h) => mountains(19, NOON, w, h), 1600, 1000, webp(90)),
  plain('paper-deckle.png', (w, h) => paper(3, w, h), 640, 480, { kind: 'png', colours: 192 }),
  photo('sea-sunset.jpg', (w, h) => sea(3, SUNSET, w, h), 1600, 1067, jpeg(90)),
  photo('sea-tropics.webp', (w, h) => sea(8, TROPICS, w, h), 1280, 853, webp(84)),
  plain('test-card.png', card, 640, 400, { kind: 'png', colours: 0 }),
];

export const MOVING: readonly Moving[] = [
  {
    file: 'sea-moonrise.gif',
    scene: (w, h, phase) => sea(5, MOONRISE, w, h, phase),
    width: 240,
    height: 160,
    frames: 20,
    frameMs: 90,
  },
];
