// The body of an answer, copied while it passes, for a hot copy of it (front/hot.ts).
// Promises: its home is told once, with the whole body or with nothing; after that every call is a no-op. Refuses bytes beyond the length.

import type { PreparedHead } from '../answer/prepared.ts';
import type { Bytes, Ms } from '../base/units.ts';

/** Who wanted it. */
export interface TakingHome {
  /** @param body undefined: there will be none */
  taken(taking: Taking, body: Buffer | undefined): void;
}

/** What will be known of the copy, and what it takes of the room. */
export interface TakingOf {
  readonly key: string;
  readonly variant: string;
  readonly names: readonly string[];
  readonly hash: number;
  readonly head: PreparedHead;
  readonly cost: Bytes;
  /** Of the cost, what the copy that it replaces has already. */
  readonly renewed: Bytes;
  readonly length: Bytes;
  readonly bornMs: Ms;
  readonly expiresMs: Ms;
  readonly sinceMs: Ms;
}

/** A copy that is being made while its bytes pass. After its end every call is a no-op. */
export class Taking {
  readonly of: TakingOf;
  readonly #home: TakingHome;
  #body: Buffer | undefined;
  #filled = 0;

  constructor(home: TakingHome, of: TakingOf) {
    this.#home = home;
    this.of = of;
    this.#body = Buffer.allocUnsafeSlow(of.length);
  }

  /** The next bytes of the body: they are copied. */
  add(bytes: Buffer): void {
    if (this.#body === undefined) return;
    if (this.#filled + bytes.length > this.#body.length) {
      this.drop();
      return;
    }
    bytes.copy(this.#body, this.#filled);
    this.#filled += bytes.length;
  }

  /** The answer has come to its end. */
  done(): void {
    const body = this.#body;
    if (body === undefined) return;
    this.#body = undefined;
    this.#home.taken(this, this.#filled === body.length ? body : undefined);
  }

  /** It will not, or is not wanted any more. */
  drop(): void {
    if (this.#body === undefined) return;
    this.#body = undefined;
    this.#home.taken(this, undefined);
  }
}
