// The ring: which node owns a source key, and the walk of those behind it.
// The points are those of hashring (ketama: four per MD5 digest), taken once into typed arrays; look-ups never enter the library.
// Promises: a node's points depend on its name, its weight and the number of points only, so that a node that comes, goes or
// changes its weight moves no key between the others, and the order of the list means nothing. Health is no business of the ring.

import HashRing from 'hashring';
import { keyHash } from '../asset/key.ts';

export interface RingMember {
  readonly name: string;
  /** 0 to 256; 100 is one full share. */
  readonly weight: number;
}

interface Point {
  readonly value: number;
  readonly server: string;
}

/** hashring makes four points of each digest. */
const POINTS_PER_DIGEST = 4;

export class Ring {
  readonly #values: Uint32Array;
  readonly #owners: Uint16Array;
  readonly #members: number;

  /** @param points of a member of weight 100 */
  constructor(members: readonly RingMember[], points: number) {
    const digests: Record<string, { vnodes: number }> = {};
    // Equal point values are rare but real: sorted names make their order the same everywhere.
    for (const { name, weight } of [...members].sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (weight > 0) digests[name] = { vnodes: Math.max(1, Math.round((points * weight) / (100 * POINTS_PER_DIGEST))) };
    }
    const index = new Map(members.map(({ name }, at) => [name, at]));
    // 'vnode count' 0 equals no member's own number, so that hashring takes each number as it stands.
    const built =
      Object.keys(digests).length === 0 ? [] : pointsOf(new HashRing(digests, 'md5', { 'vnode count': 0, 'max cache size': 1 }));
    this.#values = Uint32Array.from(built, (point) => point.value);
    this.#owners = Uint16Array.from(built, (point) => index.get(point.server)!);
    this.#members = Object.keys(digests).length;
  }

  /**
   * The members from the owner of `key` on, each once, as indices into the list the ring was made of.
   * @param hash of the key, where it is known already
   */
  walk(key: string, hash = keyHash(key)): RingWalk {
    return new RingWalk(this.#owners, this.#find(hash), this.#members);
  }

  /** Index of the owner of `key`, -1 when no member has a weight. */
  owner(key: string): number {
    return this.ownerOf(keyHash(key));
  }

  /** @param hash of the key (`keyHash`) */
  ownerOf(hash: number): number {
    return this.#owners.length === 0 ? -1 : this.#owners[this.#find(hash)]!;
  }

  /** Share of the ring that each member owns; they add up to 1. */
  shares(members: number): readonly number[] {
    const shares = new Array<number>(members).fill(0);
    const values = this.#values;
    for (let at = 0; at < values.length; at += 1) {
      const before = at === 0 ? values[values.length - 1]! - 2 ** 32 : values[at - 1]!;
      shares[this.#owners[at]!]! += (values[at]! - before) / 2 ** 32;
    }
    return shares;
  }

  // The first point at or behind a hash, around the end.
  #find(hash: number): number {
    const values = this.#values;
    let low = 0;
    let high = values.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (values[middle]! < hash) low = middle + 1;
      else high = middle;
    }
    return low === values.length ? 0 : low;
  }
}

/** An iterator without allocation per step: failover is "next". */
export class RingWalk {
  readonly #owners: Uint16Array;
  readonly #members: number;
  readonly #seen: number[] = [];
  #at: number;

  constructor(owners: Uint16Array, at: number, members: number) {
    this.#owners = owners;
    this.#at = at;
    this.#members = members;
  }

  /** The next member, or -1 when all were named. */
  next(): number {
    while (this.#seen.length < this.#members) {
      const owner = this.#owners[this.#at]!;
      this.#at = this.#at + 1 === this.#owners.length ? 0 : this.#at + 1;
      if (this.#seen.includes(owner)) continue;
      this.#seen.push(owner);
      return owner;
    }
    return -1;
  }
}

function pointsOf(ring: HashRing): readonly Point[] {
  return (ring as unknown as { readonly ring: readonly Point[] }).ring;
}
