// What a request asks for, read strictly: the host and the canonical target. The first sentence of both stories.
// Promises: what comes out is what keys, rules and origins see; two readings of one head do not exist.
// Refuses, as a Fault: requests that were here before (CDN-Loop, RFC 8586), hosts that are none, an absolute-form target whose authority is not the Host, paths without canonical form.

import { Fault } from '../base/fault.ts';
import type { HeadScanner } from '../wire/scanner.ts';
import { canonicalTarget } from './path.ts';
import { parseHost } from './site.ts';

export interface Asked {
  /** Lower case, without port; '' for an HTTP/1.0 request without Host. */
  readonly host: string;
  /** Host and port as the client named them, lower case. */
  readonly authority: string;
  readonly path: string;
  /** Canonical, without `?`. */
  readonly query: string;
}

const ABSOLUTE = /^https?:\/\//i;

export function readAsked(head: HeadScanner): Asked | Fault {
  const field = head.get('host');
  let target = head.target;
  if (target.charCodeAt(0) !== 0x2f) {
    // RFC 9112 §3.2.2: the authority of an absolute-form target stands for Host; one that differs from Host leaves doubt.
    const scheme = ABSOLUTE.exec(target);
    if (scheme === null) return new Fault('DECKLE_BAD_REQUEST', undefined, 'target');
    const slash = target.indexOf('/', scheme[0].length);
    const authority = slash < 0 ? target.slice(scheme[0].length) : target.slice(scheme[0].length, slash);
    if (field === undefined || authority.toLowerCase() !== field.toLowerCase()) return new Fault('DECKLE_BAD_HOST');
    target = slash < 0 ? '/' : target.slice(slash);
  }
  if (isLoop(head.list('cdn-loop'))) return new Fault('DECKLE_LOOP');
  const canonical = canonicalTarget(target);
  if (canonical === undefined) return new Fault('DECKLE_BAD_PATH');
  if (field === undefined) return { host: '', authority: '', path: canonical.path, query: canonical.query };
  const host = parseHost(field);
  if (host === undefined) return new Fault('DECKLE_BAD_HOST');
  const authority = host.port === '' ? host.name : `${host.name}:${host.port}`;
  return { host: host.name, authority, path: canonical.path, query: canonical.query };
}

function isLoop(cdnLoop: string | undefined): boolean {
  return cdnLoop?.split(',').some((member) => member.split(';', 1)[0]!.trim().toLowerCase() === 'deckle') ?? false;
}
