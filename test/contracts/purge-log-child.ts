// A process that appends without end and prints the number of each record once it is acknowledged: made to be killed.

import { randomBytes } from 'node:crypto';
import { writeSync } from 'node:fs';
import { systemClock } from '../../src/base/clock.ts';
import { openLocalLog } from '../../src/purge/local.ts';
import { entry } from './purge-log-entry.ts';

const [folder, maxBytes] = process.argv.slice(2);
const log = await openLocalLog({
  folder: folder!,
  maxBytes: Number(maxBytes),
  randomBytes,
  clock: systemClock,
  report: () => {},
});

let next = 0;
const appendForever = async (): Promise<void> => {
  for (;;) {
    const { position } = await log.append(entry(next++));
    writeSync(1, `${position.low}\n`);
  }
};
await Promise.all(Array.from({ length: 16 }, appendForever));
