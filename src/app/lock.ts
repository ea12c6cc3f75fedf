// The lock of the state folder: held as long as its owner lives, however it dies.
// It is a write lock of SQLite on a file of its own: the kernel drops it with the process, also across containers that share a disk.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

export type Locked = { readonly kind: 'locked'; release(): void } | { readonly kind: 'refused'; readonly why: string };

/** Makes the folder when it is missing. */
export function lockState(folder: string, pid: number): Locked {
  const owner = join(folder, 'owner');
  let database: DatabaseSync;
  try {
    makeFolder(folder);
    database = new DatabaseSync(join(folder, 'lock'));
  } catch (error) {
    return { kind: 'refused', why: `state folder ${folder}: ${(error as Error).message}` };
  }
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    writeFileSync(owner, `${pid}\n`);
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode !== 5)
      return { kind: 'refused', why: `state folder ${folder}: ${(error as Error).message}` };
    return { kind: 'refused', why: `state folder ${folder} is in use by another deckle${ownerOf(owner)}` };
  }
  return { kind: 'locked', release: () => database.close() };
}

function ownerOf(file: string): string {
  try {
    return ` (process ${readFileSync(file, 'utf8').trim()})`;
  } catch {
    return '';
  }
}

// Level by level: `recursive` of node:fs tries for ever where a file system says ENOENT below a folder that is there (/proc).
function makeFolder(folder: string): void {
  try {
    mkdirSync(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT' || dirname(folder) === folder) throw error;
    makeFolder(dirname(folder));
    mkdirSync(folder);
  }
}
