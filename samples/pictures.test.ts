import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { noiseFrom, randomFrom } from './noise.ts';
import { MOVING, STILLS } from './pictures.ts';

const FOLDER = fileURLToPath(new URL('.', import.meta.url));
const FORMATS: Readonly<Record<string, string>> = { jpg: 'jpeg', png: 'png', webp: 'webp', avif: 'heif', gif: 'gif', svg: 'svg' };
const DRAWN_OTHERWISE = ['logo.svg', 'logo-mark.png'];

const extension = (file: string) => file.slice(file.lastIndexOf('.') + 1);
const pictures = (await readdir(FOLDER)).filter((file) => extension(file) in FORMATS);

test('the folder holds the listed pictures and no others', () => {
  const listed = [...STILLS, ...MOVING].map(({ file }) => file);
  assert.deepEqual(pictures.toSorted(), [...listed, ...DRAWN_OTHERWISE].toSorted());
});

test('every picture is what its name and its line in the list say', async () => {
  for (const file of pictures) {
    const { format, width, height, pages = 1 } = await sharp(FOLDER + file).metadata();
    assert.equal(format, FORMATS[extension(file)], file);
    const still = STILLS.find((picture) => picture.file === file);
    const film = MOVING.find((picture) => picture.file === file);
    const listed = still ?? film;
    if (listed !== undefined) assert.deepEqual([width, height], [listed.width, listed.height], file);
    assert.equal(pages, film?.frames ?? 1, file);
  }
});

test('every kind is there, from small to large, within what the samples may take', async () => {
  assert.deepEqual([...new Set(pictures.map(extension))].sort(), ['avif', 'gif', 'jpg', 'png', 'svg', 'webp']);
  const lengths = await Promise.all(pictures.map(async (file) => (await readFile(FOLDER + file)).length));
  assert.ok(Math.min(...lengths) < 3 * 1024);
  assert.ok(Math.max(...lengths) > 1024 ** 2 && Math.max(...lengths) < 1.5 * 1024 ** 2);
  assert.ok(lengths.reduce((sum, length) => sum + length, 0) < 6 * 1024 ** 2);
});

test('a scene drawn twice is the same to the bit', () => {
  for (const { file, scene } of STILLS) {
    const [first, second] = [scene(24, 16), scene(24, 16)].map(({ data }) => createHash('sha256').update(data).digest('hex'));
    assert.equal(first, second, file);
  }
});

test('a film ends where it begins', () => {
  for (const { file, scene } of MOVING) assert.deepEqual(scene(24, 16, 1).data, scene(24, 16, 0).data, file);
});

test('one seed gives one row of numbers, spread over 0 to 1', () => {
  const row = (seed: number) => Array.from({ length: 1000 }, randomFrom(seed));
  assert.deepEqual(row(7), row(7));
  assert.notDeepEqual(row(7), row(8));
  const mean = row(7).reduce((sum, value) => sum + value, 0) / 1000;
  assert.ok(Math.abs(mean - 0.5) < 0.05);
  assert.ok(row(7).every((value) => value >= 0 && value < 1));
});

test('noise is smooth, bounded and zero on the grid', () => {
  const noise = noiseFrom(3);
  for (let i = -50; i < 50; i++) {
    const x = i * 0.37;
    assert.equal(Math.abs(noise.at(i, i * 3)), 0);
    assert.ok(Math.abs(noise.at(x, 2.5)) <= 1.6);
    assert.ok(Math.abs(noise.at(x + 1e-6, 2.5) - noise.at(x, 2.5)) < 1e-4);
    const crest = noise.ridged(x, 1.5, 6);
    assert.ok(crest >= 0 && crest <= 1);
  }
});
