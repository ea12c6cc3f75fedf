// What a request asks for, read strictly: the host, the canonical target, the site, and the name that all of deckle has for the image.
// The first sentence of both stories.
// Promises: what comes out is what keys, rules and origins see; two readings of one head do not exist. What was read of a target
// before is not worked out again: a table of fixed size remembers the short ones.
// Refuses, as a Fault: requests that were here before (CDN-Loop, RFC 8586), hosts that are none, an absolute-form target whose
// authority is not the Host, paths without canonical form.

import { Fault } from '../base/fault.ts';
import { PerFields } from '../wire/per-fields.ts';
import type { HeadScanner } from '../wire/scanner.ts';
import { keptQuery, keyHash, originTarget, type QueryMode, sourceKey } from './key.ts';
import { canonicalTarget } from './path.ts';
import { parseHost, type SiteIdentity, type SiteTable } from './site.ts';

/** What naming asks of a site. */
export interface NamingSite extends SiteIdentity {
  readonly query: QueryMode;
  /** The client's host is sent to the origin, and so belongs to the key. */
  readonly hostInKey: boolean;
}

export interface Asked<S> {
  /** Host and port as the client named them, lower case; '' for an HTTP/1.0 request without Host. */
  readonly authority: string;
  /** Canonical. */
  readonly path: string;
  readonly site: S | undefined;
  /** Path and kept query: what the origin is asked for. Without a site, as the key, ''. */
  readonly target: string;
  /** The source key and its hash. */
  readonly key: string;
  readonly hash: number;
}

interface Remembered<S> {
  /** As it was written. */
  readonly target: string;
  readonly asked: Asked<S>;
}

/** A power of two. With targets of the longest kind that is remembered, all places take about 4 MB. */
const PLACES = 4096;
const LONGEST_REMEMBERED = 256;

export class AskedReader<S extends NamingSite> {
  readonly #sites: SiteTable<S>;
  readonly #said: PerFields<Said>;
  readonly #remembered: (Remembered<S> | undefined)[] = new Array(PLACES).fill(undefined);

  constructor(sites: SiteTable<S>) {
    this.#sites = sites;
    // A front's connections carry requests of many clients, which seldom differ in this.
    let last: Said | undefined;
    this.#said = new PerFields((head) => {
      last = readSaid(head, last);
      return last;
    });
  }

  read(head: HeadScanner): Asked<S> | Fault {
    const said = this.#said.of(head);
    const { target } = head;
    // The whole reading depends on these two alone.
    const place = said.fault === undefined ? placeOf(target) : -1;
    if (place < 0) return this.#work(said, target);
    const remembered = this.#remembered;
    const known = remembered[place];
    if (known !== undefined && isOf(known, target, said.authority)) return known.asked;
    const second = remembered[place ^ 1];
    if (second !== undefined && isOf(second, target, said.authority)) return second.asked;
    const asked = this.#work(said, target);
    if (asked instanceof Fault) return asked;
    // Two targets of one place share it with the place beside it.
    if (known !== undefined) remembered[place ^ 1] = known;
    remembered[place] = { target, asked };
    return asked;
  }

  #work(said: Said, written: string): Asked<S> | Fault {
    const target = originForm(written, said.field);
    if (typeof target !== 'string') return target;
    if (said.fault?.code === 'DECKLE_LOOP') return said.fault;
    const canonical = canonicalTarget(target);
    if (canonical === undefined) return new Fault('DECKLE_BAD_PATH');
    if (said.fault !== undefined) return said.fault;
    const { host, authority } = said;
    const { path } = canonical;
    const site = this.#sites.find(host, path);
    if (site === undefined) return { authority, path, site, target: '', key: '', hash: 0 };
    const query = keptQuery(site.query, canonical.query);
    const key = sourceKey(site.name, site.hostInKey ? authority : undefined, path, query);
    return { authority, path, site, target: originTarget(path, query), key, hash: keyHash(key) };
  }
}

function isOf({ target, asked }: Remembered<unknown>, wanted: string, authority: string): boolean {
  return target === wanted && asked.authority === authority;
}

// -1: not one that is remembered.
function placeOf(target: string): number {
  if (target.length > LONGEST_REMEMBERED || target.charCodeAt(0) !== 0x2f) return -1;
  let hash = 0;
  for (let at = 1; at < target.length; at += 1) hash = (Math.imul(hash, 31) + target.charCodeAt(at)) | 0;
  return (hash ^ (hash >>> 15)) & (PLACES - 1);
}

const ABSOLUTE = /^https?:\/\//i;

/** What the fields alone say. */
interface Said {
  readonly field: string | undefined;
  readonly fault: Fault | undefined;
  readonly host: string;
  readonly authority: string;
}

/** @param last what another head said, which is said again if all of it is equal */
function readSaid(head: HeadScanner, last: Said | undefined): Said {
  const field = head.get('host');
  const nobody = { field, host: '', authority: '' };
  if (isLoop(head.list('cdn-loop'))) return { ...nobody, fault: new Fault('DECKLE_LOOP') };
  if (last !== undefined && last.field === field && last.fault === undefined) return last;
  if (field === undefined) return { ...nobody, fault: undefined };
  const host = parseHost(field);
  if (host === undefined) return { ...nobody, fault: new Fault('DECKLE_BAD_HOST') };
  const authority = host.port === '' ? host.name : `${host.name}:${host.port}`;
  return { field, host: host.name, authority, fault: undefined };
}

function originForm(target: string, field: string | undefined): string | Fault {
  if (target.charCodeAt(0) === 0x2f) return target;
  // RFC 9112 §3.2.2: the authority of an absolute-form target stands for Host; one that differs from Host leaves doubt.
  const scheme = ABSOLUTE.exec(target);
  if (scheme === null) return new Fault('DECKLE_BAD_REQUEST', undefined, 'target');
  const slash = target.indexOf('/', scheme[0].length);
  const authority = slash < 0 ? target.slice(scheme[0].length) : target.slice(scheme[0].length, slash);
  if (field === undefined || authority.toLowerCase() !== field.toLowerCase()) return new Fault('DECKLE_BAD_HOST');
  return slash < 0 ? '/' : target.slice(slash);
}

function isLoop(cdnLoop: string | undefined): boolean {
  return cdnLoop?.split(',').some((member) => member.split(';', 1)[0]!.trim().toLowerCase() === 'deckle') ?? false;
}
