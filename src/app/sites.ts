// From the config's sites and origins to what the stories use. Straight-line composition.

import { readFileSync } from 'node:fs';
import type { Clock } from '../base/clock.ts';
import type { NodeSite } from '../cache/request.ts';
import type { Config, SiteOptions } from '../config/schema.ts';
import type { FrontSite } from '../front/handle.ts';
import type { DenyRule } from '../guard/denial.ts';
import { compileReferers, type RefererGuard } from '../guard/referer.ts';
import { createDirectoryOrigin } from '../origin/directory.ts';
import { createHttpOrigin } from '../origin/http.ts';
import type { OriginOptions } from '../origin/options.ts';
import type { Origin } from '../origin/origin.ts';

/** What a directory origin may keep waiting: the queue of an http origin has knobs, this one has none yet. */
const DIRECTORY_QUEUE = { max: 1024, timeoutMs: 5_000 } as const;
const DIRECTORY_TIMEOUT_MS = 15_000;

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

function guardOf(site: SiteOptions): RefererGuard {
  const compiled = compileReferers({ allow: site.referers.allow, serverNames: site.hosts });
  if (!compiled.ok) throw new Error(`site ${site.name}: ${compiled.entry}: ${compiled.problem}`);
  return compiled.guard;
}

function denyOf(site: SiteOptions): DenyRule {
  const { status, redirect, image } = site.referers.deny;
  // A placeholder is not built yet: its status would promise an image.
  if (image !== '') return { status: 403, redirect: undefined };
  return { status, redirect: redirect === '' ? undefined : redirect };
}

/** Whether the client's host is sent to the origin, and so belongs to the key. */
export function hostInKey(config: Config, site: SiteOptions): boolean {
  const origin = config.origins.find((each) => each.name === site.origin);
  return origin?.kind === 'http' && origin.host === 'client';
}

// What both roles know of a site: whom it serves, what names its images, who is turned away.
function common(config: Config, site: SiteOptions, index: number): FrontSite {
  return {
    name: site.name,
    hosts: site.hosts,
    path: site.path,
    index,
    query: site.query,
    hostInKey: hostInKey(config, site),
    guard: guardOf(site),
    deny: denyOf(site),
  };
}

export function frontSites(config: Config): readonly FrontSite[] {
  return config.sites.map((site, index) => common(config, site, index));
}

export function nodeSites(config: Config, origins: ReadonlyMap<string, Origin>): readonly NodeSite[] {
  return config.sites.map((site, index) => ({ ...common(config, site, index), rules: site, origin: origins.get(site.origin)! }));
}
