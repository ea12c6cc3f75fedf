// Whether a node lives: it is asked when it is suspected, and while it does not answer again and again, less and less often.
// Promises: one probe at a time; whatever is heard from the node counts as an answer; a node that was found dead stays so until it
// answers, and its clients never are the ones to find out. Without a path to ask, nothing is ever suspected.

import type { Ms } from '../base/units.ts';
import type { ProbeVerdict } from './probe.ts';

/** Asks the node once; the returned function gives up without a word. */
export type Ask = (done: (verdict: ProbeVerdict) => void) => () => void;

const FIRST_PAUSE_MS: Ms = 250;
const LONGEST_PAUSE_MS: Ms = 1_000;

export interface WatchEvents {
  /** It did not answer. Called with each probe that fails. */
  lost(): void;
  /** It answers again. */
  found(): void;
}

export class NodeWatch {
  readonly #ask: Ask | undefined;
  readonly #events: WatchEvents;
  #stop: (() => void) | undefined;
  #pause: NodeJS.Timeout | undefined;
  #pauseMs = FIRST_PAUSE_MS;
  #lost = false;
  #closed = false;

  constructor(ask: Ask | undefined, events: WatchEvents) {
    this.#ask = ask;
    this.#events = events;
  }

  /** It did not answer when it was last asked, and was not heard of since. */
  get lost(): boolean {
    return this.#lost;
  }

  /** It was silent for too long. */
  suspect(): void {
    if (this.#stop !== undefined || this.#pause !== undefined || this.#closed) return;
    this.#probe();
  }

  /** It said something. */
  heard(): void {
    if (this.#stop === undefined && !this.#lost) return;
    this.#rest();
    if (!this.#lost) return;
    this.#lost = false;
    this.#events.found();
  }

  close(): void {
    this.#closed = true;
    this.#rest();
  }

  #rest(): void {
    this.#stop?.();
    this.#stop = undefined;
    clearTimeout(this.#pause);
    this.#pause = undefined;
    this.#pauseMs = FIRST_PAUSE_MS;
  }

  #probe(): void {
    this.#pause = undefined;
    this.#stop = this.#ask?.((verdict) => {
      if (verdict.alive) this.#answered();
      else this.#failed();
    });
  }

  #answered(): void {
    const wasLost = this.#lost;
    this.#lost = false;
    this.#rest();
    if (wasLost) this.#events.found();
  }

  #failed(): void {
    this.#stop = undefined;
    this.#lost = true;
    this.#pause = setTimeout(() => this.#probe(), this.#pauseMs);
    this.#pause.unref();
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, this.#pauseMs * 2);
    this.#events.lost();
  }
}
