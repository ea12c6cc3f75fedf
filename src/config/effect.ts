// Keys of the contract whose feature is not built yet. Those that do no harm when ignored are named in one list at start and by
// `deckle check`; those that would leave a door open, or purges unheard, are refused.
// Promises: every key here is one of the schema (a test asks); a line disappears with the feature that makes it untrue.

import type { Issue } from '../base/knobs.ts';
import type { Path } from '../base/shapes.ts';
import { type Config, shapeAt } from './schema.ts';

interface Unbuilt {
  /** Dotted, `[]` for any entry of a list, `*` for any name. */
  readonly key: string;
  /** Whether this config relies on it. */
  asked(config: Config): boolean;
  /** What happens instead. */
  readonly instead?: string;
}

export const UNBUILT: readonly Unbuilt[] = [
  { key: 'front.balance.load_factor', asked: (config) => config.front.balance.load_factor > 0 },
  {
    key: 'front.balance.load_floor',
    asked: ({ front }) => isChanged('front.balance.load_floor', front.balance.load_floor),
  },
  { key: 'health', asked: () => true, instead: 'nodes are judged by the requests they answer' },
  { key: 'nodes[].check', asked: ({ nodes, health }) => nodes.some((node) => node.check !== health.path) },
  {
    key: 'nodes[].disk',
    asked: (config) => config.nodes.some((node) => node.disk.size > 0),
    instead: 'images are kept in memory only',
  },
  { key: 'origins.*.cooldown', asked: (config) => config.origins.some((origin) => origin.kind === 'http') },
  {
    key: 'sites[].downstream.cache_control',
    asked: (config) => config.sites.some((site) => site.downstream.cache_control !== ''),
  },
  {
    key: 'sites[].downstream.surrogate',
    asked: (config) => config.sites.some((site) => site.downstream.surrogate === 'drop'),
    instead: 'such fields of the origin are sent on',
  },
  { key: 'sites[].request_directives', asked: (config) => config.sites.some((site) => site.request_directives === 'honour') },
  {
    key: 'sites[].referers.deny.image',
    asked: (config) => config.sites.some((site) => site.referers.deny.image !== ''),
    instead: 'a denied client gets 403',
  },
  { key: 'purge.bans', asked: ({ purge }) => isChanged('purge.bans', purge.bans), instead: 'purges name URLs only' },
];

function isChanged(key: string, value: unknown): boolean {
  const shape = shapeAt(key);
  return shape?.kind !== 'leaf' || shape.fallback !== value;
}

/** One line for each key of UNBUILT that the config relies on. */
export function notInEffect(config: Config): readonly string[] {
  return UNBUILT.filter((unbuilt) => unbuilt.asked(config)).map(
    ({ key, instead }) => `${key}: not in effect yet${instead === undefined ? '' : ` (${instead})`}`,
  );
}

/** Settings that must not be ignored and cannot be obeyed yet. */
export function refusedYet(config: Config): readonly Issue[] {
  const issues: Issue[] = [];
  const refuse = (path: Path, why: string): void => {
    issues.push({ path, onKey: false, message: `is not built yet, and ignoring it would ${why}` });
  };
  for (const origin of config.origins)
    if (origin.kind === 's3') refuse(['origins', origin.name, 's3'], 'leave the origin unreachable');
  for (const [at, site] of config.sites.entries()) {
    const under = ['sites', at];
    for (const [which, method] of site.methods.entries()) {
      if (method !== 'GET' && method !== 'HEAD') refuse([...under, 'methods', which], `answer ${method} with 405`);
    }
    if (site.referers.mode === 'strict') refuse([...under, 'referers', 'mode'], 'let more referers pass');
    if (site.signature.scheme !== 'none') refuse([...under, 'signature', 'scheme'], 'let unsigned URLs pass');
    if (site.clients.allow.length > 0) refuse([...under, 'clients', 'allow'], 'let everybody pass');
    if (site.clients.deny.length > 0) refuse([...under, 'clients', 'deny'], 'let everybody pass');
    if (site.clients.rate.per_second > 0) refuse([...under, 'clients', 'rate', 'per_second'], 'let any rate pass');
  }
  if (config.purge.downstream.length > 0) refuse(['purge', 'downstream'], 'leave the tiers in front with purged images');
  if (config.redis.url !== '') refuse(['redis', 'url'], 'keep purges from other machines');
  return issues;
}
