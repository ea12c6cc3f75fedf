// A counting gate: at most `slots` are inside, others wait in line, first come first in, for a bounded time in a bounded line.
// Promises: `enter` answers with a fault or with undefined (inside); every entry is paid back by one `leave`; a slot that is
// handed over never passes through the hands of a later comer.
// Refuses: to know what a slot stands for: a connection, an open file or one call to the file system.

import { Fault } from '../base/fault.ts';
import type { Ms } from '../base/units.ts';
import { givenUp } from './given-up.ts';

export interface QueueLimits {
  /** Requests that may wait; one more is refused at once (DECKLE_ORIGIN_BUSY). */
  readonly max: number;
  /** How long one may wait (DECKLE_ORIGIN_BUSY). */
  readonly timeoutMs: Ms;
}

interface Waiter {
  settle(fault: Fault | undefined): void;
}

export class Gate {
  readonly #slots: number;
  readonly #line = new Set<Waiter>();
  #inside = 0;
  #closed = false;

  constructor(slots: number) {
    this.#slots = slots;
  }

  get inside(): number {
    return this.#inside;
  }

  get waiting(): number {
    return this.#line.size;
  }

  /**
   * Waits for a slot. undefined: inside, call `leave` once. Faults: DECKLE_ORIGIN_BUSY (line full or too long in it),
   * DECKLE_ORIGIN_RESET (`signal`), DECKLE_STOPPING (closed).
   */
  enter(limits: QueueLimits, signal?: AbortSignal): Promise<Fault | undefined> {
    if (this.#closed) return Promise.resolve(new Fault('DECKLE_STOPPING'));
    if (signal?.aborted) return Promise.resolve(givenUp());
    if (this.#inside < this.#slots) {
      this.#inside += 1;
      return Promise.resolve(undefined);
    }
    if (this.#line.size >= limits.max) return Promise.resolve(new Fault('DECKLE_ORIGIN_BUSY', 'the line is full'));
    return this.#wait(limits.timeoutMs, signal);
  }

  /** Gives the slot to the first in line, if any. */
  leave(): void {
    const [first] = this.#line;
    if (first !== undefined) first.settle(undefined);
    else this.#inside -= 1;
  }

  /** All who wait get DECKLE_STOPPING, as do all who come later; those inside leave in their own time. */
  close(): void {
    this.#closed = true;
    for (const waiter of [...this.#line]) waiter.settle(new Fault('DECKLE_STOPPING'));
  }

  #wait(timeoutMs: Ms, signal: AbortSignal | undefined): Promise<Fault | undefined> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => waiter.settle(new Fault('DECKLE_ORIGIN_BUSY', 'too long in line')), timeoutMs);
      const giveUp = (): void => waiter.settle(givenUp());
      const waiter: Waiter = {
        settle: (fault) => {
          this.#line.delete(waiter);
          clearTimeout(timer);
          signal?.removeEventListener('abort', giveUp);
          resolve(fault);
        },
      };
      this.#line.add(waiter);
      signal?.addEventListener('abort', giveUp, { once: true });
    });
  }
}
