// What each connection asks for, in order, as bytes made before the run: the generator only writes them.
// `rotation`: every picture in turn, connections begin apart. `zipf`: by Zipf's law, every connection its own draws. `repeated`: one
// picture and one head, the same for all. `warm`: every picture once, shared out among the connections.

import { randomFrom } from '../../samples/noise.ts';
import { shuffled, zipfSampler } from '../sampler.ts';
import { headFields, requestFor, TURN } from './heads.ts';
import type { Picture } from './images.ts';

export const TRAFFIC = ['rotation', 'zipf', 'repeated', 'warm'] as const;
export type Traffic = (typeof TRAFFIC)[number];

export interface Ask {
  readonly request: Buffer;
  readonly picture: Picture;
}

const ZIPF_EXPONENT = 0.9;
const ZIPF_DRAWS = 1000;
const SEED = 1;

/** One list for each connection, to be asked over and over (`warm`: once, and a list may be empty). */
export function planOf(traffic: Traffic, pictures: readonly Picture[], connections: number): readonly (readonly Ask[])[] {
  return Array.from({ length: connections }, (_, connection) => {
    if (traffic === 'repeated') return [{ request: bytes(pictures[0]!, 0, 0), picture: pictures[0]! }];
    return orderOf(traffic, pictures, connection, connections).map((picture, at) => ({
      request: bytes(picture, connection, Math.floor(at / TURN)),
      picture,
    }));
  });
}

function orderOf(
  traffic: Exclude<Traffic, 'repeated'>,
  pictures: readonly Picture[],
  connection: number,
  connections: number,
): readonly Picture[] {
  switch (traffic) {
    case 'warm':
      return pictures.filter((_, index) => index % connections === connection);
    case 'rotation': {
      const first = Math.floor((connection * pictures.length) / connections);
      return [...pictures.slice(first), ...pictures.slice(0, first)];
    }
    case 'zipf': {
      const byRank = shuffled(pictures, randomFrom(SEED));
      const rankAt = zipfSampler(byRank.length, ZIPF_EXPONENT);
      const random = randomFrom(SEED * 10_007 + connection + 1);
      return Array.from({ length: ZIPF_DRAWS }, () => byRank[rankAt(random())]!);
    }
  }
}

function bytes(picture: Picture, connection: number, turn: number): Buffer {
  return Buffer.from(requestFor(picture.path, headFields(connection, turn)), 'latin1');
}
