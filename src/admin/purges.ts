// The body of POST /purge: JSON to a purge request, or the reason why not.
// Promises: what passes has known keys only, each of its type and within its bounds, and names something to purge.
// Refuses: by name what is not understood, so that a purge with a slip of the pen is never a purge of nothing; and what is valid
// but not built yet, so that nobody takes it for done.

import { nearest } from '../base/nearest.ts';
import { parseDuration } from '../base/quantities.ts';
import { durationText, type Ms } from '../base/units.ts';

export interface PurgeRequest {
  /** As they were given: `http://host/path?query`, or `/path` for every site. */
  readonly urls: readonly string[];
  /** '' when none. */
  readonly prefix: string;
  readonly tags: readonly string[];
  readonly hosts: readonly string[];
  readonly all: boolean;
  readonly soft: boolean;
  /** How long the answer may wait for every process. */
  readonly waitMs: Ms;
}

export type ParsedPurge =
  | { readonly kind: 'request'; readonly request: PurgeRequest }
  | { readonly kind: 'bad'; readonly why: string }
  /** Valid by the contract, but this version cannot do it. */
  | { readonly kind: 'unbuilt'; readonly what: string };

const DEFAULT_WAIT: Ms = 1_000;
const MAX_WAIT: Ms = 60_000;
/** More than fit into the body, were they not empty. */
const MAX_ITEMS = 100_000;
const MAX_TEXT = 32_768;
const KEYS = ['urls', 'prefix', 'tags', 'hosts', 'all', 'soft', 'wait'] as const;
type Key = (typeof KEYS)[number];

export function parsePurge(body: Buffer): ParsedPurge {
  const given = readJson(body);
  if (given === undefined) return bad('the body is not JSON in UTF-8');
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return bad('the body is not a JSON object');
  const fields = given as Readonly<Record<string, unknown>>;
  for (const key of Object.keys(fields)) {
    if ((KEYS as readonly string[]).includes(key)) continue;
    const meant = nearest(key, KEYS);
    return bad(
      `${JSON.stringify(key.slice(0, 64))} is not a key of a purge${meant === undefined ? '' : ` (did you mean "${meant}"?)`}`,
    );
  }
  const problem = KEYS.map((key) => (Object.hasOwn(fields, key) ? wrong(key, fields[key]) : undefined)).find(
    (why) => why !== undefined,
  );
  if (problem !== undefined) return bad(problem);

  const own = <T>(key: Key, fallback: T): T => (Object.hasOwn(fields, key) ? (fields[key] as T) : fallback);
  const request: PurgeRequest = {
    urls: own('urls', []),
    prefix: own('prefix', ''),
    tags: own('tags', []),
    hosts: own('hosts', []),
    all: own('all', false),
    soft: own('soft', false),
    waitMs: parseDuration(own<unknown>('wait', undefined)) ?? DEFAULT_WAIT,
  };
  const { urls, prefix, tags, hosts, all } = request;
  if (urls.length + tags.length + hosts.length === 0 && prefix === '' && !all) return bad('the purge names nothing: give urls');
  const unbuilt = [
    ['prefix', prefix !== ''],
    ['tags', tags.length > 0],
    ['hosts', hosts.length > 0],
    ['all', all],
    ['soft', request.soft],
  ] as const;
  const what = unbuilt.filter(([, asked]) => asked).map(([key]) => key);
  return what.length > 0 ? { kind: 'unbuilt', what: what.join(', ') } : { kind: 'request', request };
}

/** What is wrong with the value of a key, or undefined. */
function wrong(key: Key, value: unknown): string | undefined {
  switch (key) {
    case 'urls':
    case 'tags':
    case 'hosts':
      if (!Array.isArray(value)) return `${key} is not a list of texts`;
      if (value.length > MAX_ITEMS) return `${key} has more than ${MAX_ITEMS} members`;
      for (const [at, item] of value.entries()) {
        if (!isText(item)) return `${key}[${at}] is not a text of 1 to ${MAX_TEXT} printable characters`;
      }
      return undefined;
    case 'prefix':
      if (value === '' || (isText(value) && /^(?:https?:\/\/[^/?#]+)?\//i.test(value))) return undefined;
      return 'prefix is not of the form http://host/path/ or /path/';
    case 'all':
    case 'soft':
      return typeof value === 'boolean' ? undefined : `${key} is not true or false`;
    case 'wait': {
      const ms = parseDuration(value);
      return ms !== undefined && ms <= MAX_WAIT
        ? undefined
        : `wait is not a duration from 0s to ${durationText(MAX_WAIT)}, such as "1s"`;
    }
  }
}

function isText(value: unknown): value is string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it refuses
  return typeof value === 'string' && value.length > 0 && value.length <= MAX_TEXT && !/[\u0000-\u001f\u007f]/.test(value);
}

function readJson(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    return undefined;
  }
}

function bad(why: string): ParsedPurge {
  return { kind: 'bad', why };
}
