// The config as a whole: the sections of every room in the order of the shipped file, and the value that the rest of the house gets.
// Promises: in a Config everything is filled in (listeners, checks, disk folders, names) and every file path is absolute.
// Key names are those of the file.

import { join, resolve } from 'node:path';
import { type AdminOptions, admin, type PeerOptions, peers } from '../admin/options.ts';
import { type IdentityOptions, siteIdentity } from '../asset/options.ts';
import { derived, list, record, required, section, type Value } from '../base/knobs.ts';
import { duration, file, text } from '../base/leaves.ts';
import { type LogOptions, log } from '../base/options.ts';
import type { Shape } from '../base/shapes.ts';
import type { Ms } from '../base/units.ts';
import { type CacheRules, cacheRules } from '../cache/options.ts';
import { type FrontOptions, front, type HealthOptions, health, type NodeOptions, nodes } from '../front/options.ts';
import {
  type ClientOptions,
  clients,
  type RefererOptions,
  referers,
  type SignatureOptions,
  signature,
} from '../guard/options.ts';
import { named, type OriginOptions, origin } from '../origin/options.ts';
import { type PurgeOptions, purge, type RedisOptions, redis } from '../purge/options.ts';

const ORIGIN_NAME = /^[a-z][a-z0-9_-]{0,63}$/i;

const site = section(
  {
    name: siteIdentity.name,
    hosts: siteIdentity.hosts,
    path: siteIdentity.path,
    origin: derived(text(required(''), 'the origin that fills the site', { type: 'name' }), 'the only origin'),
    methods: list(
      text(required(''), '', { type: 'method', expects: 'a method such as GET', pattern: /^[A-Z]{1,32}$/ }),
      ['GET', 'HEAD'],
      'methods served; others get 405, and those added here pass to the origin uncached',
      { least: 1 },
    ),
    query: siteIdentity.query,
    ...cacheRules,
    referers,
    signature,
    clients,
  },
  'A site: which requests it serves, from where, and under which rules. Chosen by host (exact, then *.suffix, then *), then by the longest path.',
);

export const root = section({
  state: file('var', "deckle's own folder: the purge log, node states, the lock"),
  stop_timeout: duration('60s', 'how long a process that is told to stop may finish what it does', { max: '1d' }),
  front,
  admin,
  peers,
  health,
  nodes,
  origins: record(origin, { samples: { directory: 'samples' } }, 'Where originals live, by name.', {
    key: 'NAME',
    keyPattern: ORIGIN_NAME,
    keyWords: 'a name: a letter, then letters, digits, - and _',
  }),
  sites: list(site, [{ name: 'all' }], 'The sites.', { least: 1 }),
  purge,
  redis,
  log,
});

/** What the file said, defaults filled in, nothing derived yet. */
export type Written = Value<typeof root>;
type WrittenSite = Written['sites'][number];
type WrittenNode = Written['nodes'][number];

export interface SiteOptions extends IdentityOptions, CacheRules {
  /** The name of one of `origins`; the config refuses others. */
  readonly origin: string;
  readonly methods: readonly string[];
  readonly referers: RefererOptions;
  readonly signature: SignatureOptions;
  readonly clients: ClientOptions;
}

export interface Config {
  readonly state: string;
  readonly stop_timeout: Ms;
  readonly front: FrontOptions;
  readonly admin: AdminOptions;
  readonly peers: PeerOptions;
  readonly health: HealthOptions;
  readonly nodes: readonly NodeOptions[];
  readonly origins: readonly OriginOptions[];
  readonly sites: readonly SiteOptions[];
  readonly purge: PurgeOptions;
  readonly redis: RedisOptions;
  readonly log: LogOptions;
}

/** Everything that a default leaves to other keys is filled in; paths count from `cwd`. */
export function complete(written: Written, cwd: string): Config {
  const state = resolve(cwd, written.state);
  const origins = Object.entries(written.origins).map(([name, given]) => absoluteOrigin(named(name, given), cwd));
  const access = written.log.access;
  return {
    ...written,
    state,
    front: {
      ...written.front,
      listen: written.front.listen.map((listen) => ({
        ...listen,
        tls: listen.tls.map((entry) => ({ ...entry, cert: resolve(cwd, entry.cert), key: resolve(cwd, entry.key) })),
      })),
    },
    nodes: written.nodes.map((node) => completeNode(node, written.health.path, state, cwd)),
    origins,
    sites: written.sites.map((each) => completeSite(each, origins, cwd)),
    log: { ...written.log, access: access === '' || access === '-' ? access : resolve(cwd, access) },
  };
}

function completeNode(node: WrittenNode, healthPath: string, state: string, cwd: string): NodeOptions {
  return {
    ...node,
    listen: node.listen ?? node.address,
    check: node.check ?? healthPath,
    disk: { ...node.disk, path: node.disk.path === undefined ? join(state, node.name) : resolve(cwd, node.disk.path) },
  };
}

function completeSite(given: WrittenSite, origins: readonly OriginOptions[], cwd: string): SiteOptions {
  const { deny } = given.referers;
  // An image to deny with is not in effect yet (effect.ts): the denial itself is.
  const status = deny.image !== '' ? 403 : (deny.status ?? (deny.redirect !== '' ? 302 : 403));
  return {
    ...given,
    name: given.name ?? `${given.hosts[0] ?? ''}${given.path}`,
    origin: given.origin ?? (origins.length === 1 ? (origins[0]?.name ?? '') : ''),
    referers: {
      ...given.referers,
      deny: { status, redirect: deny.redirect, image: deny.image === '' ? '' : resolve(cwd, deny.image) },
    },
  };
}

function absoluteOrigin(given: OriginOptions, cwd: string): OriginOptions {
  switch (given.kind) {
    case 'directory':
      return { ...given, directory: resolve(cwd, given.directory) };
    case 'http':
      return { ...given, tls: { ...given.tls, ca: given.tls.ca === '' ? '' : resolve(cwd, given.tls.ca) } };
    case 's3':
      return given;
  }
}

/** The shape of the key that a dotted path names (`[]` for any entry, `*` for any name), or undefined. For tables that speak of keys. */
export function shapeAt(path: string): Shape | undefined {
  let shape: Shape | undefined = root.shape;
  for (const step of path.replaceAll('[]', '.[]').split('.')) {
    if (shape?.kind === 'list' && step === '[]') shape = shape.item;
    else if (shape?.kind === 'record' && step === '*') shape = shape.item;
    else if (shape?.kind === 'section') shape = shape.fields[step];
    else if (shape?.kind === 'forms') shape = Object.values(shape.forms).find((form) => step in form.fields)?.fields[step];
    else return undefined;
  }
  return shape;
}
