// Time comes in as an argument. Code that decides takes numbers; code that acts takes a Clock.

import type { Ms, WallMs } from './units.ts';

export interface Clock {
  /** Wall time, for HTTP dates and lifetimes; may step. */
  wallMs(): WallMs;
  /** Monotonic time, for deadlines and durations; never steps. */
  monoMs(): Ms;
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monoMs: () => performance.now(),
};
