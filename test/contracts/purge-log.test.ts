// Runs the purge log contract over the file of the local log.

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/base/clock.ts';
import { openLocalLog } from '../../src/purge/local.ts';
import type { PurgeLog } from '../../src/purge/log.ts';
import { purgeLogContract } from './purge-log.ts';

purgeLogContract('local file', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'deckle-purge-'));
  const open = (maxBytes: number): Promise<PurgeLog> =>
    openLocalLog({
      folder,
      maxBytes,
      randomBytes,
      clock: systemClock,
      report: (event) => {
        throw new Error(`nothing should be reported: ${JSON.stringify(event)}`);
      },
    });
  return {
    open: () => open(1024 ** 2),
    openShort: () => open(2_048),
    dispose: () => rm(folder, { recursive: true }),
  };
});
