// Bytes that come in pieces and are needed in one: a head on its way.
// Promises: bytes that came in one piece are used where they lie; pieces are copied into room that doubles, so that a head in single
// bytes costs no square. Its user bounds it: it holds what it is given until it is dropped.

const NOTHING = Buffer.alloc(0);
const FIRST_ROOM = 1024;

export class Gathered {
  #view: Buffer = NOTHING;
  /** Memory of our own that `#view` begins in; undefined while it is somebody else's chunk. */
  #own: Buffer | undefined;

  /** Everything gathered and not dropped. Valid until the next call. */
  get view(): Buffer {
    return this.#view;
  }

  append(chunk: Buffer): void {
    const have = this.#view.length;
    if (have === 0) {
      this.#view = chunk;
      this.#own = undefined;
      return;
    }
    const need = have + chunk.length;
    if (this.#own === undefined || this.#own.length < need) {
      const grown = Buffer.allocUnsafeSlow(Math.max(FIRST_ROOM, need * 2));
      this.#view.copy(grown, 0);
      this.#own = grown;
    }
    chunk.copy(this.#own, have);
    this.#view = this.#own.subarray(0, need);
  }

  /** What is left lies in memory that is somebody else's and will be used again: it is copied. */
  own(): void {
    if (this.#own !== undefined || this.#view.length === 0) return;
    this.#own = Buffer.allocUnsafeSlow(Math.max(FIRST_ROOM, this.#view.length));
    this.#view.copy(this.#own, 0);
    this.#view = this.#own.subarray(0, this.#view.length);
  }

  /** Forgets the first `bytes`. */
  drop(bytes: number): void {
    this.#view = bytes === this.#view.length ? NOTHING : this.#view.subarray(bytes);
    this.#own = this.#view.length === 0 ? undefined : this.#own?.subarray(bytes);
  }

  clear(): void {
    this.#view = NOTHING;
    this.#own = undefined;
  }
}
