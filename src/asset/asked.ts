// What a request asks for, read strictly: the host and the canonical target. The first sentence of both stories.
// Promises: what comes out is what keys, rules and origins see; two readings of one head do not exist.
// Refuses, as a Fault: requests that were here before (CDN-Loop, RFC 8586), hosts that are none, an absolute-form target whose authority is not the Host, paths without canonical form.

import { Fault } from '../base/fault.ts';
import { PerFields } from '../wire/per-fields.ts';
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

/** What the fields alone say. */
interface Said {
  readonly field: string | undefined;
  readonly fault: Fault | undefined;
  readonly host: string;
  readonly authority: string;
}

export class AskedReader {
  readonly #said = new PerFields(readSaid);

  read(head: HeadScanner): Asked | Fault {
    const said = this.#said.of(head);
    const target = originForm(head.target, said.field);
    if (typeof target !== 'string') return target;
    if (said.fault?.code === 'DECKLE_LOOP') return said.fault;
    const canonical = canonicalTarget(target);
    if (canonical === undefined) return new Fault('DECKLE_BAD_PATH');
    return said.fault ?? { host: said.host, authority: said.authority, path: canonical.path, query: canonical.query };
  }
}

function readSaid(head: HeadScanner): Said {
  const field = head.get('host');
  const nobody = { field, host: '', authority: '' };
  if (isLoop(head.list('cdn-loop'))) return { ...nobody, fault: new Fault('DECKLE_LOOP') };
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
