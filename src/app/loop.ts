// How late the event loop of a process runs: the figure that says whether something held it up.

import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Registry } from '../metrics/registry.ts';

/** The 99th percentile of how late the event loop ran, since the last reading. */
export function watchLoop(registry: Registry, name: string): void {
  const delay = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();
  registry.gauge('deckle_event_loop_delay_seconds', { process: name }, () => {
    const seconds = delay.percentile(99) / 1e9;
    delay.reset();
    return seconds;
  });
}
