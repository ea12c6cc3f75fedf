// The origins that the config names, made. Apart from sites.ts, because only a node loads what speaks to them.

import { readFileSync } from 'node:fs';
import type { Clock } from '../base/clock.ts';
import type { Ms } from '../base/units.ts';
import { createDirectoryOrigin } from '../origin/directory.ts';
import { createHttpOrigin } from '../origin/http.ts';
import type { OriginOptions } from '../origin/options.ts';
import type { Origin } from '../origin/origin.ts';

/** What a directory origin may keep waiting: the queue of an http origin has knobs, this one has none yet. */
const DIRECTORY_QUEUE = { max: 1024, timeoutMs: 5_000 } as const;
const DIRECTORY_TIMEOUT_MS: Ms = 15_000;

export function createOrigin(options: OriginOptions, clock: Clock): Origin {
  switch (options.kind) {
    case 'directory':
      return createDirectoryOrigin(
        { name: options.name, root: options.directory, queue: DIRECTORY_QUEUE, timeoutMs: DIRECTORY_TIMEOUT_MS },
        clock,
      );
    case 'http':
      return createHttpOrigin(
        {
          name: options.name,
          urls: options.urls,
          host: options.host === '' ? undefined : options.host,
          headers: options.headers,
          tls: { verify: options.tls.verify, ca: options.tls.ca === '' ? undefined : readFileSync(options.tls.ca, 'utf8') },
          connections: options.connections,
          queue: { max: options.queue.max, timeoutMs: options.queue.timeout },
          timeouts: {
            connectMs: options.timeouts.connect,
            firstByteMs: options.timeouts.first_byte,
            betweenBytesMs: options.timeouts.between_bytes,
          },
          retries: options.retries,
        },
        clock,
      );
    case 's3':
      throw new Error(`origin ${options.name}: s3 is refused by the config`);
  }
}
