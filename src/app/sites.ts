// From the config's sites to what the stories use. Straight-line composition.

import type { NodeSite } from '../cache/request.ts';
import type { Config, SiteOptions } from '../config/schema.ts';
import type { FrontSite } from '../front/handle.ts';
import type { DenyRule } from '../guard/denial.ts';
import { compileReferers, type RefererGuard } from '../guard/referer.ts';
import type { Origin } from '../origin/origin.ts';

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
    requestHeaders: site.request_headers,
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
