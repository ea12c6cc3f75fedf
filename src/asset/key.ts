// The source key: the one name of an image that the ring, the cache and purges share. `SITE HOST/path?query` on one line:
//   all /photos/a.jpg?w=200          (the host is not part of it)
//   shop www.example.com/photos/a.jpg
//
// Promises: two images never share a key, whatever their URLs are made of (docs/decisions/0013-source-key.md); what is not in the
// key is not sent to the origin, so no request can fill a key with an answer to something else. Refuses nothing: it takes paths
// and queries as path.ts makes them, hosts as site.ts makes them (a port may follow), and any site name.

import { canonicalEscapes } from './path.ts';

export type QueryMode = 'ignore' | 'all' | readonly string[];

export interface SourceKeyParts {
  readonly site: string;
  readonly host: string | undefined;
  readonly path: string;
  readonly query: string;
}

/**
 * The part of a canonical query that belongs to the key: the parameters that the site keeps, sorted by the bytes of their names.
 * Parameters of one name keep their order, which may mean something to the origin. Empty parameters (`a&&b`) go.
 * Names are compared as what they stand for: `size[]` in the config keeps `size%5B%5D=1` too, in the spelling it came in.
 */
export function keptQuery(mode: QueryMode, query: string): string {
  if (mode === 'ignore' || query === '' || mode.length === 0) return '';
  const wanted = mode === 'all' ? undefined : mode.map(wantedName);
  const kept: { readonly name: string; readonly parameter: string }[] = [];
  for (const parameter of query.split('&')) {
    if (parameter === '') continue;
    const equals = parameter.indexOf('=');
    const name = equals < 0 ? parameter : parameter.slice(0, equals);
    if (wanted === undefined || wanted.includes(spelledOut(name))) kept.push({ name, parameter });
  }
  // The sort is stable. Names are ASCII here, so that code units are bytes.
  kept.sort((one, two) => (one.name < two.name ? -1 : one.name > two.name ? 1 : 0));
  return kept.map((each) => each.parameter).join('&');
}

/**
 * @param host      the client's host exactly when it is sent on to the origin
 * @param keptQuery of keptQuery(); '' means that nothing is sent on
 */
export function sourceKey(siteName: string, host: string | undefined, path: string, keptQuery: string): string {
  return `${escapeSite(siteName)} ${host ?? ''}${originTarget(path, keptQuery)}`;
}

/** 32 bits of a key: FNV-1a over its bytes, then the finaliser of MurmurHash3, which spreads what FNV leaves in the low bits. */
export function keyHash(key: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < key.length; at += 1) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The parts of a source key, for people and for those who must ask the origin; undefined when it is not one. */
export function splitKey(key: string): SourceKeyParts | undefined {
  const space = key.indexOf(' ');
  const slash = key.indexOf('/', space + 1);
  if (space < 0 || slash < 0) return undefined;
  const site = unescapeSite(key.slice(0, space));
  if (site === undefined) return undefined;
  const mark = key.indexOf('?', slash);
  return {
    site,
    host: slash === space + 1 ? undefined : key.slice(space + 1, slash),
    path: mark < 0 ? key.slice(slash) : key.slice(slash, mark),
    query: mark < 0 ? '' : key.slice(mark + 1),
  };
}

/** What the origin is asked for: exactly the end of the key. */
export function originTarget(path: string, keptQuery: string): string {
  return keptQuery === '' ? path : `${path}?${keptQuery}`;
}

/** A name of the config as spelledOut() would have it from the wire: text in UTF-8, escapes as they are, any other `%` a plain one. */
function wantedName(name: string): string {
  if (/^[\w.~-]*$/.test(name)) return name;
  const bytes = Buffer.from(name, 'utf8').toString('latin1');
  const plain = bytes.replace(/%(?![0-9A-Fa-f]{2})/g, '%25');
  return spelledOut(canonicalEscapes(plain) ?? plain);
}

/** A canonical name with every reserved character escaped: `size[]` and `size%5B%5D` are one name. */
function spelledOut(name: string): string {
  return name.replace(/[^\w.~%-]/g, (byte) => `%${hex(byte.charCodeAt(0), 2)}`);
}

/** A site name may be any text; in a key it is visible ASCII without spaces: other UTF-16 units are `%uXXXX`, so is `%` itself. */
function escapeSite(name: string): string {
  return /^[!-$&-~]*$/.test(name) ? name : name.replace(/[^!-$&-~]/g, (unit) => `%u${hex(unit.charCodeAt(0), 4)}`);
}

function unescapeSite(text: string): string | undefined {
  const name = text.replace(/%u([0-9A-F]{4})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
  return escapeSite(name) === text ? name : undefined;
}

function hex(code: number, digits: number): string {
  return code.toString(16).toUpperCase().padStart(digits, '0');
}
