// Text files that a config is made of or refers to.
// Promises: bounded; what cannot be read is an answer in words, never thrown. Refuses: bytes that are not UTF-8.

import { closeSync, openSync, readSync } from 'node:fs';
import type { Bytes } from '../base/units.ts';

/** Throws as node:fs does; reads at most `most` bytes and one. */
export type ReadFile = (path: string, most: Bytes) => Uint8Array;

export const MISSING = 'there is no such file';
const WHY: Readonly<Record<string, string>> = {
  ENOENT: MISSING,
  ENOTDIR: MISSING,
  EISDIR: 'is a directory, not a file',
  EACCES: 'may not be read by this user',
  EPERM: 'may not be read by this user',
  ELOOP: 'is a symbolic link that leads nowhere',
  ENAMETOOLONG: 'has too long a name',
};

/** A string says why there is no text. */
export function readText(path: string, most: Bytes, readFile: ReadFile = readBounded): { readonly text: string } | string {
  let bytes: Uint8Array;
  try {
    bytes = readFile(path, most);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    return WHY[code] ?? `cannot be read (${code})`;
  }
  if (bytes.length > most) return `is longer than ${most} bytes`;
  try {
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return 'is not UTF-8 text';
  }
}

/** Reads on until the end or one byte more than `most`, so that pipes (`-c /dev/stdin`) are bounded too. */
function readBounded(path: string, most: Bytes): Uint8Array {
  const descriptor = openSync(path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(most + 1);
    let length = 0;
    for (;;) {
      const count = readSync(descriptor, buffer, length, buffer.length - length, null);
      length += count;
      if (count === 0 || length === buffer.length) return buffer.subarray(0, length);
    }
  } finally {
    closeSync(descriptor);
  }
}
