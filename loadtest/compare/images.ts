// The pictures that every server of a comparison holds: 1,000 of one size, or 2,000 of many sizes. Origin and generator make them by
// themselves, so that the generator knows what every byte must be.
// Promises: the same set is the same bytes in every process; a body begins as a JPEG and is noise from there on, which nobody compresses.

import { createCipheriv } from 'node:crypto';
import { randomFrom } from '../../samples/noise.ts';

export const SET_NAMES = ['16k', '64k', 'zipf'] as const;
export type SetName = (typeof SET_NAMES)[number];

export interface Picture {
  readonly path: string;
  readonly body: Buffer;
  readonly etag: string;
}

const KB = 1024;
const JPEG = Buffer.from('ffd8ffe000104a46494600010100000100010000', 'hex');
/**
 * 64 KB that go into one segment of loopback (65,483 bytes) together with their head. Of two segments nginx with `tcp_nopush` keeps the
 * second until the client's delayed acknowledgement, 40 ms, which does not happen where segments are as small as on a network.
 */
const ONE_SEGMENT = 64_000;
const SMALLEST = 4 * KB;
const LARGEST = 256 * KB;

export function isSetName(text: string): text is SetName {
  return (SET_NAMES as readonly string[]).includes(text);
}

export function picturesOf(set: SetName): readonly Picture[] {
  return sizesOf(set).map((size, index) => ({
    path: `/${set}/${(index % 16).toString(16)}/picture-${index}.jpg`,
    body: bodyOf(set, index, size),
    etag: `"${set}-${index}-${size.toString(16)}"`,
  }));
}

export function sizesOf(set: SetName): readonly number[] {
  if (set === '16k') return Array.from({ length: 1000 }, () => 16 * KB);
  if (set === '64k') return Array.from({ length: 1000 }, () => ONE_SEGMENT);
  // As many between 4 and 8 KB as between 128 and 256: what pictures on pages are like. Popularity does not follow from size.
  const random = randomFrom(64);
  return Array.from({ length: 2000 }, () => Math.round(SMALLEST * (LARGEST / SMALLEST) ** random()));
}

function bodyOf(set: SetName, index: number, size: number): Buffer {
  const iv = Buffer.alloc(16);
  iv.write(`${set} ${index}`, 'latin1');
  const body = createCipheriv('aes-128-ctr', Buffer.alloc(16, 7), iv).update(Buffer.alloc(size));
  JPEG.copy(body);
  return body;
}
