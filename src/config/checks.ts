// The checks that look at more than one key: names that must differ, names that must exist, doors that need a secret.
// Promises: pure; every fault at once, each at the key that a person would change. What is wrong of itself, the knobs have said already.

import { type Address, addressText, isLoopback, isWildcard, networkText, parseCidr } from '../base/address.ts';
import type { Issue } from '../base/knobs.ts';
import { nearest } from '../base/nearest.ts';
import type { Path } from '../base/shapes.ts';
import { durationText } from '../base/units.ts';
import type { NodeOptions } from '../front/options.ts';
import { compileReferers } from '../guard/referer.ts';
import { goodHost } from '../origin/options.ts';
import { HOP_BY_HOP } from '../wire/headers.ts';
import type { Config, SiteOptions } from './schema.ts';

export function crossCheck(config: Config): readonly Issue[] {
  return [
    ...frontChecks(config),
    ...adminChecks(config),
    ...nodeChecks(config),
    ...portChecks(config),
    ...originChecks(config),
    ...siteChecks(config),
  ];
}

const issue = (path: Path, message: string): Issue => ({ path, onKey: false, message });

function* frontChecks({ front }: Config): Iterable<Issue> {
  const { load_factor: factor } = front.balance;
  if (factor > 0 && factor < 1) yield issue(['front', 'balance', 'load_factor'], `must be 0 or at least 1, found ${factor}`);
}

function* adminChecks({ admin }: Config): Iterable<Issue> {
  if (admin.token === '' && !isLoopback(admin.listen.host)) {
    yield issue(['admin', 'listen'], `${addressText(admin.listen)} is not loopback: admin.token is needed`);
  }
}

/** Names that other members of an answer use: `front` in Cache-Status, `front-1` in what a purge reports. */
const FRONT_NAME = /^front(?:-\d+)?$/;

function* nodeChecks({ nodes, peers }: Config): Iterable<Issue> {
  const names = new Map<string, number>();
  const addresses = new Map<string, number>();
  for (const [at, node] of nodes.entries()) {
    const path = (...rest: string[]): Path => ['nodes', at, ...rest];
    if (FRONT_NAME.test(node.name)) yield issue(path('name'), `"${node.name}" is a name of fronts`);
    yield* twice(names, node.name, at, path('name'), 'nodes', 'name');
    yield* twice(addresses, addressText(node.address), at, path('address'), 'nodes', 'address');
    if (peers.secret === '' && !isLoopback(node.address.host)) {
      yield issue(path('address'), `${addressText(node.address)} is not loopback: peers.secret is needed`);
    }
    const other = nodes.findIndex(
      (one, which) => which < at && one.disk.path === node.disk.path && oneMachine(one, node) && keepsOnDisk(one),
    );
    if (other >= 0 && keepsOnDisk(node))
      yield issue(path('disk', 'path'), `${node.disk.path} is the folder of nodes[${other}] already`);
  }
}

const keepsOnDisk = (node: NodeOptions): boolean => node.disk.size > 0 && node.here !== false;

/** Whether two nodes are certain to run on one machine. */
function oneMachine(one: NodeOptions, two: NodeOptions): boolean {
  if (one.here !== 'auto' && two.here !== 'auto') return one.here === two.here && one.here;
  return one.address.host === two.address.host || (isLoopback(one.address.host) && isLoopback(two.address.host));
}

interface Listener extends Address {
  readonly path: Path;
  readonly words: string;
}

/** Listeners of one machine that want the same port. */
function* portChecks({ front, admin, nodes }: Config): Iterable<Issue> {
  const here: Listener[] = front.listen.map(({ address }, at) => ({
    ...address,
    path: ['front', 'listen', at],
    words: 'front.listen',
  }));
  here.push({ ...admin.listen, path: ['admin', 'listen'], words: 'admin.listen' });
  const nodeListeners = nodes.map((node, at) => {
    const own = addressText(node.listen) !== addressText(node.address);
    return { node, ...node.listen, path: ['nodes', at, own ? 'listen' : 'address'], words: `nodes[${at}]` };
  });
  for (const [at, one] of here.entries()) {
    const other = here.slice(0, at).find((earlier) => clash(earlier, one));
    if (other !== undefined) yield issue(one.path, `${addressText(one)} is taken by ${other.words} (${addressText(other)})`);
  }
  for (const [at, one] of nodeListeners.entries()) {
    const runsHere = one.node.here === true || (one.node.here === 'auto' && isLoopback(one.node.address.host));
    const other =
      (runsHere ? here.find((earlier) => clash(earlier, one)) : undefined) ??
      nodeListeners
        .slice(0, at)
        .find((earlier) => oneMachine(earlier.node, one.node) && !sameAddress(earlier.node, one.node) && clash(earlier, one));
    if (other !== undefined) yield issue(one.path, `${addressText(one)} is taken by ${other.words} (${addressText(other)})`);
  }
}

/** Said once, as a doubled address. */
const sameAddress = (one: NodeOptions, two: NodeOptions): boolean => addressText(one.address) === addressText(two.address);

function clash(one: Address, two: Address): boolean {
  if (one.port !== two.port || one.port === 0) return false;
  const host = (name: string): string => (name === 'localhost' ? '127.0.0.1' : name);
  return host(one.host) === host(two.host) || isWildcard(one.host) || isWildcard(two.host);
}

function* originChecks({ origins }: Config): Iterable<Issue> {
  for (const origin of origins) {
    if (origin.kind !== 'http') continue;
    const path = (...rest: (string | number)[]): Path => ['origins', origin.name, ...rest];
    const urls = new Map<string, number>();
    for (const [at, url] of origin.urls.entries()) yield* twice(urls, url, at, path('urls', at), `origins.${origin.name}.urls`);
    if (!goodHost(origin.host)) yield issue(path('host'), `"${origin.host}" is not a host name or address`);
    for (const name of Object.keys(origin.headers)) {
      const lower = name.toLowerCase();
      if (lower === 'host') yield { ...issue(path('headers', name), 'the Host sent is set by `host`'), onKey: true };
      else if (HOP_BY_HOP.has(lower) || lower === 'content-length')
        yield { ...issue(path('headers', name), 'belongs to a connection, not to an origin'), onKey: true };
    }
  }
}

function* siteChecks({ sites, origins }: Config): Iterable<Issue> {
  const names = new Map<string, number>();
  const places = new Map<string, number>();
  const known = origins.map((origin) => origin.name);
  for (const [at, site] of sites.entries()) {
    const path = (...rest: (string | number)[]): Path => ['sites', at, ...rest];
    // Two sites that were left unnamed share a name only with a place, and that is said below.
    if (site.name !== `${site.hosts[0]}${site.path}`) yield* twice(names, site.name, at, path('name'), 'sites', 'name');
    for (const [which, host] of site.hosts.entries()) {
      const place = `${host} ${site.path}`;
      const other = places.get(place);
      if (other === undefined) places.set(place, at);
      else if (other === at) yield issue(path('hosts', which), `${host} stands here twice`);
      else yield issue(path('hosts', which), `${host}${site.path} is served by sites[${other}] already`);
    }
    if (site.origin === '') {
      yield issue(
        path('origin'),
        `is missing: the name of an origin${known.length === 0 ? ' (there is none)' : ` (one of ${known.join(', ')})`}`,
      );
    } else if (!known.includes(site.origin)) {
      const near = nearest(site.origin, known);
      const hint = near !== undefined ? ` (did you mean "${near}"?)` : known.length > 0 ? ` (known: ${known.join(', ')})` : '';
      yield issue(path('origin'), `no origin has the name "${site.origin}"${hint}`);
    }
    if (site.ttl.min > site.ttl.max) {
      yield issue(path('ttl', 'min'), `${durationText(site.ttl.min)} is more than ttl.max, ${durationText(site.ttl.max)}`);
    }
    yield* refererChecks(site, path);
  }
}

function* refererChecks({ referers, hosts }: SiteOptions, path: (...rest: (string | number)[]) => Path): Iterable<Issue> {
  const compiled = compileReferers({ allow: referers.allow, serverNames: hosts });
  if (!compiled.ok)
    yield issue(
      path('referers', 'allow', Math.max(0, referers.allow.indexOf(compiled.entry))),
      `${JSON.stringify(compiled.entry)}: ${compiled.problem}`,
    );
  const { status, redirect, image } = referers.deny;
  const at = path('referers', 'deny', 'status');
  if (redirect !== '' && image !== '') yield issue(path('referers', 'deny'), 'is either a redirect or an image, not both');
  else if (redirect !== '' && ![301, 302, 303, 307, 308].includes(status))
    yield issue(at, `a redirect is 301, 302, 303, 307 or 308, found ${status}`);
  else if (redirect === '' && image === '' && status < 400) yield issue(at, `a denial is 400 to 599, found ${status}`);
}

function* twice(seen: Map<string, number>, value: string, at: number, path: Path, where: string, key = ''): Iterable<Issue> {
  const other = seen.get(value);
  if (other === undefined) seen.set(value, at);
  else yield issue(path, `"${value}" is ${where}[${other}]${key === '' ? '' : `.${key}`} already`);
}

/** What is no fault and still most likely not meant. */
export function doubts(config: Config): readonly Issue[] {
  const found: Issue[] = [];
  for (const [at, range] of config.front.trusted_proxies.entries()) {
    const parsed = parseCidr(range);
    if (typeof parsed === 'string') continue;
    const path = ['front', 'trusted_proxies', at];
    if (parsed.bits === 0) found.push(issue(path, `${range} believes every client what it says of its address`));
    else if (range.includes('/') && networkText(parsed) !== range.toLowerCase())
      found.push(issue(path, `${range} is read as ${networkText(parsed)}`));
  }
  for (const [at, node] of config.nodes.entries()) {
    if (node.here !== false && node.memory === 0 && node.disk.size === 0)
      found.push(issue(['nodes', at], `${node.name} keeps nothing: memory and disk are both off`));
  }
  return found;
}
