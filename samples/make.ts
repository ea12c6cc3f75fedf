// Makes the sample pictures of this folder: `npm run samples`. Everything is computed from seeds; nothing is fetched or photographed.
// Promises: the same bytes on every run with the same version of sharp; logo.svg is drawn by hand and only read here.
// Refuses: to leave a file that is larger than what the samples may take together.

import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import sharp, { type Sharp } from 'sharp';
import { type Encoding, MOVING, type Moving, STILLS, type Still } from './pictures.ts';
import { develop, emptyRaster, type Raster } from './raster.ts';

const FOLDER = fileURLToPath(new URL('.', import.meta.url));
const TOTAL_MAX_BYTES = 6 * 1024 * 1024;
/** Photographs are drawn larger than they are saved, which smooths every edge. */
const OVERSAMPLE = 1.75;
const GRAIN_SEED = 4242;

function image(raster: Raster, pageHeight?: number): Sharp {
  const { width, height, channels, data } = raster;
  return sharp(data, { raw: pageHeight === undefined ? { width, height, channels } : { width, height, channels, pageHeight } });
}

async function smaller(raster: Raster, width: number, height: number): Promise<Raster> {
  const { data } = await image(raster).resize(width, height, { kernel: 'lanczos3' }).raw().toBuffer({ resolveWithObject: true });
  return { width, height, channels: raster.channels, data: new Uint8ClampedArray(data) };
}

function encode(picture: Sharp, encoding: Encoding): Promise<Buffer> {
  switch (encoding.kind) {
    case 'jpeg':
      return picture.jpeg({ quality: encoding.quality, mozjpeg: true }).toBuffer();
    case 'webp':
      return picture.webp({ quality: encoding.quality, effort: 5 }).toBuffer();
    case 'avif':
      return picture.avif({ quality: encoding.quality, effort: 5 }).toBuffer();
    case 'png':
      if (encoding.colours === 0) return picture.png({ compressionLevel: 9 }).toBuffer();
      return picture.png({ compressionLevel: 9, palette: true, colours: encoding.colours, effort: 8 }).toBuffer();
  }
}

async function still({ scene, width, height, grain, vignette, encoding }: Still): Promise<Buffer> {
  if (grain === 0) return encode(image(scene(width, height)), encoding);
  const large = scene(Math.round(width * OVERSAMPLE), Math.round(height * OVERSAMPLE));
  const raster = await smaller(large, width, height);
  develop(raster, GRAIN_SEED, grain, vignette);
  return encode(image(raster), encoding);
}

async function moving({ scene, width, height, frames, frameMs }: Moving): Promise<Buffer> {
  const film = emptyRaster(width, height * frames);
  for (let frame = 0; frame < frames; frame++) {
    const raster = await smaller(scene(width * 2, height * 2, frame / frames), width, height);
    film.data.set(raster.data, frame * raster.data.length);
  }
  const delay = Array.from({ length: frames }, () => frameMs);
  return image(film, height).gif({ loop: 0, delay, colours: 96, dither: 0.6, interFrameMaxError: 4 }).toBuffer();
}

/** The logo as a small picture of points. */
function mark(): Promise<Buffer> {
  return sharp(`${FOLDER}logo.svg`).resize(64, 64).png({ compressionLevel: 9 }).toBuffer();
}

async function save(file: string, bytes: Buffer): Promise<number> {
  await writeFile(`${FOLDER}${file}`, bytes);
  console.log(`${file.padEnd(28)} ${(bytes.length / 1024).toFixed(1).padStart(8)} KB`);
  return bytes.length;
}

sharp.concurrency(1); // encoders cut their work by threads; one thread, one result
let total = await save('logo-mark.png', await mark());
for (const picture of STILLS) total += await save(picture.file, await still(picture));
for (const film of MOVING) total += await save(film.file, await moving(film));
console.log(`${'together'.padEnd(28)} ${(total / 1024).toFixed(1).padStart(8)} KB`);
if (total > TOTAL_MAX_BYTES) {
  console.error(
    `the samples take more than ${TOTAL_MAX_BYTES / 1024 / 1024} MB together: lower a size or a quality in pictures.ts`,
  );
  process.exitCode = 1;
}
