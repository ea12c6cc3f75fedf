// What tells a site from another, and what of a URL names an image. Part of a site's section.

import { isIP } from 'node:net';
import { derived, either, type Knob, leaf, list, required, section, type Value } from '../base/knobs.ts';
import { choice, text } from '../base/leaves.ts';
import type { LeafShape } from '../base/shapes.ts';
import { canonicalTarget } from './path.ts';
import { parseHost } from './site.ts';

/** `a.example.com`, `*.example.com` (any depth, not the apex) or `*`; kept as parseHost names it. */
function hostPattern(): Knob<string, LeafShape> {
  return leaf({
    type: 'host',
    expects: 'a host, *.suffix or *',
    default: required('*'),
    doc: 'exact host, *.suffix, or *',
    json: { type: 'string' },
    parse: (given) => {
      if (given === '*') return { value: '*' };
      if (typeof given !== 'string') return undefined;
      const suffix = given.startsWith('*.');
      const host = parseHost(suffix ? given.slice(2) : given);
      if (host === undefined) return given.includes('*') ? 'a * stands alone or before the first dot: *.example.com' : undefined;
      if (given.includes(':') && !given.endsWith(']')) return 'a host of a site has no port';
      if (suffix && isIP(host.name) !== 0) return 'an address has no suffix';
      return { value: suffix ? `*.${host.name}` : host.name };
    },
  });
}

/** What is wrong with the path of a site, and what would be right. */
function refusePath(path: string): string | undefined {
  const canonical = path.includes('?') ? undefined : canonicalTarget(path)?.path;
  if (canonical === path) return undefined;
  const hint =
    canonical === undefined ? 'no //, no . or .. segment, no \\, # or ?, no encoded slash or control' : `write ${canonical}`;
  return `is not in the form in which paths are compared (${hint})`;
}

/** Of a query that is kept: names as they stand in the canonical query. */
const QUERY_NAME = /^[!$'()*+,./:;@A-Z_a-z0-9~%-]{1,128}$/;

export const siteIdentity = {
  name: derived(
    text(required(''), 'the label in metrics, logs and --site', {
      type: 'name',
      expects: 'a name of letters, digits and ._:/*-',
      pattern: /^[A-Za-z0-9*[][A-Za-z0-9._:/*[\]-]{0,127}$/,
    }),
    'first host and path',
  ),
  hosts: list(hostPattern(), ['*'], 'host names served: exact, *.suffix, or *', { least: 1 }),
  path: text('/', 'the paths served: /a is /a and all below it; of two sites of one host the longer path wins', {
    type: 'path',
    expects: 'a path that begins with /',
    pattern: /^\/.*$/s,
    refuse: refusePath,
  }),
  query: either(
    choice(['ignore', 'all'], 'ignore', ''),
    list(text(required(''), '', { type: 'name', expects: 'the name of a parameter', pattern: QUERY_NAME }), [], ''),
    'the query parameters that are part of the key, sorted; what is not in the key is not sent on: ignore, all, or a list of names',
  ),
};

const whole = section(siteIdentity);
/** The options that a site is told by; `site.ts` reads a part of them. */
export type IdentityOptions = Omit<Value<typeof whole>, 'name'> & { readonly name: string };
