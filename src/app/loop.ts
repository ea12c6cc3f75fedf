// How late the event loop of a process runs: the figure that says whether something held it up.

import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Clock } from '../base/clock.ts';
import type { Ms } from '../base/units.ts';
import type { Registry } from '../metrics/registry.ts';

const RESOLUTION_MS: Ms = 20;
/** Two readers within one window get the same figure. */
const WINDOW_MS: Ms = 1_000;

/** The 99th percentile of how late the event loop ran its timers, over the last second at least. */
export function watchLoop(registry: Registry, name: string, clock: Clock): void {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  let seconds = 0;
  let sinceMs = clock.monoMs();
  registry.gauge('deckle_event_loop_delay_seconds', { process: name }, () => {
    const nowMs = clock.monoMs();
    // What the histogram holds is the time from one tick of its timer to the next.
    if (nowMs - sinceMs >= WINDOW_MS && delay.count > 0) {
      seconds = Math.max(0, delay.percentile(99) / 1e6 - RESOLUTION_MS) / 1000;
      delay.reset();
      sinceMs = nowMs;
    }
    return seconds;
  });
}
