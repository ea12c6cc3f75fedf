// Entries for tests of purge logs, told apart by their number.

import type { LogEntry } from '../../src/purge/log.ts';

export function entry(number: number, soft = false): LogEntry {
  return { kind: 'purge', id: `id-${number}`, target: { kind: 'url', key: `all /pictures/${number}.jpg ä` }, soft };
}
