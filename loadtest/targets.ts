// What a load test asks for: the pictures of samples/, or the paths of a list.
// Promises: paths begin with `/`; at most MAX_PATHS of them. A length is known when the picture lies on this machine.
// Refuses: a line that is not a path in visible ASCII.

import { readdir, readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

export interface Target {
  readonly path: string;
  /** Length of the body, or undefined until the first answer tells. */
  readonly bytes: number | undefined;
}

const SAMPLES = fileURLToPath(new URL('../samples/', import.meta.url));
const PICTURE = /\.(?:jpe?g|png|webp|avif|gif|svg)$/;
const MAX_PATHS = 100_000;

/** In the order of their names or of the list. Rejects with one clear sentence when there is nothing to ask for. */
export async function readTargets(list: string | undefined): Promise<readonly Target[]> {
  const targets = list === undefined ? await samplePictures() : listedPaths(await readFile(list, 'utf8'), list);
  if (targets.length === 0) throw new Error(`${list ?? SAMPLES}: nothing to ask for`);
  return targets;
}

async function samplePictures(): Promise<readonly Target[]> {
  const files = (await readdir(SAMPLES)).filter((file) => PICTURE.test(file)).sort();
  return Promise.all(files.map(async (file) => ({ path: `/${file}`, bytes: (await stat(SAMPLES + file)).size })));
}

/** Blank lines and lines that begin with `#` are left out. */
export function listedPaths(text: string, file: string): readonly Target[] {
  const targets: Target[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const path = raw.trim();
    if (path === '' || path.startsWith('#')) continue;
    if (!/^\/[\x21-\x7e]*$/.test(path)) throw new Error(`${file}:${index + 1}: not a path that begins with /`);
    if (targets.length === MAX_PATHS) throw new Error(`${file}:${index + 1}: more than ${MAX_PATHS} paths`);
    targets.push({ path, bytes: undefined });
  }
  return targets;
}
