// Which site a request belongs to: by host (exact, then the longest `*.suffix`, then `*`), then by the longest path prefix.
//
// Promises: a host is compared in one spelling (lower case, no port, no trailing dot, IPv6 compressed); the table is compiled once
// and a look-up is a few map reads, bounded by the config and never by the request; prefixes end at segment borders, so `/a` is not
// `/ab`; a host without a matching path falls through to the next best host. Refuses: Host values that are no host (undefined).

import { isIPv6 } from 'node:net';

export interface SiteIdentity {
  readonly name: string;
  /** `www.example.com`, `*.example.com` (not the apex) or `*`. */
  readonly hosts: readonly string[];
  /** `/a` is `/a` and all below it; `/a/` is only what is below; `/` is everything. */
  readonly path: string;
}

export interface ParsedHost {
  /** Lower case, without port and trailing dot; IPv6 in brackets. */
  readonly name: string;
  /** Decimal without leading zeros, '' when none was given. */
  readonly port: string;
}

const MAX_HOST = 255;
/** A host, its dot, a colon and five digits. */
const MAX_VALUE = MAX_HOST + 7;
const REG_NAME = /^([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)\.?(?::([0-9]{0,5}))?$/;
const IPV6 = /^\[([0-9A-Fa-f:.]{2,45})\](?::([0-9]{0,5}))?$/;

/** The host and port of a Host header or an authority; undefined when it is anything but `host` or `host:port`. */
export function parseHost(value: string): ParsedHost | undefined {
  if (value.length > MAX_VALUE) return undefined;
  const bracketed = value.startsWith('[');
  const match = (bracketed ? IPV6 : REG_NAME).exec(value);
  const written = match?.[1];
  if (written === undefined || written.length > MAX_HOST || (bracketed && !isIPv6(written))) return undefined;
  const digits = match?.[2] ?? '';
  const port = digits === '' ? '' : String(Number(digits));
  if (Number(port) > 65_535) return undefined;
  // One address has many spellings; the URL parser knows the one of RFC 5952.
  return { name: bracketed ? new URL(`http://[${written}]`).hostname : written.toLowerCase(), port };
}

interface PathLevel<S> {
  readonly byPrefix: ReadonlyMap<string, S>;
  /** The lengths that prefixes of this level have, longest first. */
  readonly lengths: readonly number[];
}

export class SiteTable<S extends SiteIdentity> {
  readonly #exact: ReadonlyMap<string, PathLevel<S>>;
  readonly #suffixes: ReadonlyMap<string, PathLevel<S>>;
  readonly #longestSuffix: number;
  readonly #any: PathLevel<S> | undefined;

  /** Of two sites with one host and path the first counts; the config refuses such a pair. */
  constructor(sites: readonly S[]) {
    const exact = new Map<string, S[]>();
    const suffixes = new Map<string, S[]>();
    const any: S[] = [];
    for (const site of sites) {
      for (const host of site.hosts) {
        if (host === '*') any.push(site);
        else if (host.startsWith('*.')) listAt(suffixes, canonicalHost(host.slice(2))).push(site);
        else listAt(exact, canonicalHost(host)).push(site);
      }
    }
    this.#exact = levels(exact);
    this.#suffixes = levels(suffixes);
    this.#longestSuffix = [...suffixes.keys()].reduce((longest, suffix) => Math.max(longest, suffix.length), 0);
    this.#any = any.length === 0 ? undefined : pathLevel(any);
  }

  /**
   * @param host as parseHost names it
   * @param path canonical
   */
  find(host: string, path: string): S | undefined {
    const exact = this.#exact.get(host);
    if (exact !== undefined) {
      const site = longestPrefix(exact, path);
      if (site !== undefined) return site;
    }
    if (this.#longestSuffix > 0) {
      // Dots further left than the longest suffix reaches cannot begin one.
      const from = Math.max(0, host.length - this.#longestSuffix - 1);
      for (let dot = host.indexOf('.', from); dot >= 0; dot = host.indexOf('.', dot + 1)) {
        const level = this.#suffixes.get(host.slice(dot + 1));
        const site = level === undefined ? undefined : longestPrefix(level, path);
        if (site !== undefined) return site;
      }
    }
    return this.#any === undefined ? undefined : longestPrefix(this.#any, path);
  }
}

function longestPrefix<S>(level: PathLevel<S>, path: string): S | undefined {
  for (const length of level.lengths) {
    if (length > path.length || !isBorder(path, length)) continue;
    const site = level.byPrefix.get(path.slice(0, length));
    if (site !== undefined) return site;
  }
  return undefined;
}

/** Whether a prefix of this length ends where a segment of the path does. */
function isBorder(path: string, length: number): boolean {
  return length === path.length || path[length - 1] === '/' || path[length] === '/';
}

function canonicalHost(host: string): string {
  return parseHost(host)?.name ?? host.toLowerCase();
}

function listAt<S>(lists: Map<string, S[]>, host: string): S[] {
  const list = lists.get(host) ?? [];
  lists.set(host, list);
  return list;
}

function levels<S extends SiteIdentity>(lists: ReadonlyMap<string, readonly S[]>): ReadonlyMap<string, PathLevel<S>> {
  return new Map([...lists].map(([host, sites]) => [host, pathLevel(sites)]));
}

function pathLevel<S extends SiteIdentity>(sites: readonly S[]): PathLevel<S> {
  const byPrefix = new Map<string, S>();
  for (const site of sites) if (!byPrefix.has(site.path)) byPrefix.set(site.path, site);
  const lengths = [...new Set([...byPrefix.keys()].map((prefix) => prefix.length))];
  return { byPrefix, lengths: lengths.sort((one, two) => two - one) };
}
