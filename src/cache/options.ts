// How long images are kept and under which rules: the caching part of a site's section.

import { type Knob, list, record, required, section, type Value } from '../base/knobs.ts';
import { choice, duration, size, text } from '../base/leaves.ts';
import { HEADER_NAME, headerName, headerValue } from '../base/options.ts';
import type { LeafShape } from '../base/shapes.ts';
import { HOP_BY_HOP } from '../wire/headers.ts';

/** Fields that deckle writes or removes itself; a site can neither send nor add them. */
const OWN = new Set(['host', 'content-length', 'cdn-loop', 'via', 'age', 'cache-status', 'x-request-id']);

const reserved = (name: string): boolean => HOP_BY_HOP.has(name) || OWN.has(name) || name.startsWith('x-deckle-');

/** Lower case; not one of those that are deckle's own or of one connection only. */
function freeHeader(doc: string, { star }: { readonly star: boolean }): Knob<string, LeafShape> {
  const refuse = (given: string) => {
    if (given === '*' && !star) return 'a header is named in full here';
    return reserved(given.toLowerCase()) ? `${given} is for deckle alone to write` : undefined;
  };
  return headerName(required(''), doc, { as: (given) => given.toLowerCase(), refuse });
}

export const cacheRules = {
  ttl: section(
    {
      default: duration(
        '1h',
        'lifetime of 200, 203, 204, 300, 301 and 308 answers that state none; 0s: the heuristic of RFC 9111, at most 1 d',
      ),
      min: duration('0s', 'a stated lifetime is raised to this; never against no-store, private or no-cache'),
      max: duration('365d', 'a stated lifetime is cut to this'),
      status: record(duration(required(0), 'lifetime'), { 404: '10s' }, 'lifetime of answers of other statuses that state none', {
        key: 'STATUS',
        keyPattern: /^[1-5][0-9][0-9]$/,
        keyWords: 'a status from 100 to 599',
      }),
    },
    'How long an answer is fresh.',
  ),
  grace: section(
    {
      healthy: duration('10s', 'how long past its lifetime an image may be served while it is refreshed'),
      sick: duration('1d', 'how long past its lifetime an image may be served while the origin fails'),
    },
    'How long past its lifetime an image may still be served.',
  ),
  stale_wait: duration('500ms', 'an expired image inside grace.sick never waits longer than this for its revalidation', {
    max: '1h',
  }),
  cdn_cache_control: list(
    headerName(required(''), '', { as: (given) => given.toLowerCase() }),
    ['Deckle-Cache-Control', 'CDN-Cache-Control'],
    'targeted fields (RFC 9213) in order; the first one present replaces Cache-Control and Expires for deckle',
    { most: 8 },
  ),
  downstream: section(
    {
      cache_control: headerValue('', "the Cache-Control sent to the tier in front instead of the origin's; empty: the origin's"),
      surrogate: choice(['drop', 'keep'], 'drop', 'whether Surrogate-Control and targeted fields of the origin are sent on'),
    },
    'What the tier in front is told.',
  ),
  request_directives: choice(
    ['ignore', 'honour'],
    'ignore',
    "whether a client's own Cache-Control (no-cache, max-age) is obeyed",
  ),
  store: list(
    text(required(''), '', {
      type: 'media range',
      expects: 'a media range such as image/*',
      pattern: /^(?:\*\/\*|[a-z0-9][a-z0-9!#$&^_.+-]{0,126}\/(?:\*|[a-z0-9][a-z0-9!#$&^_.+-]{0,126}))$/,
    }),
    ['image/*'],
    'types of 200 answers that are kept, if the bytes are of that kind too; ["*/*"] keeps anything cacheable',
  ),
  max_object: size('64MB', 'the largest body that is kept; larger ones are passed on', { min: 1 }),
  request_headers: list(
    freeHeader('', { star: true }),
    ['accept', 'accept-language', 'user-agent'],
    'request headers sent on to the origin beside those deckle writes itself; "*" sends all but those of one connection, Cookie and those that rewrite a request',
    {
      lone: true,
    },
  ),
  response_headers: section(
    {
      add: record(headerValue(required(''), 'value'), {}, 'headers set on every answer of the site', {
        key: 'HEADER',
        keyPattern: HEADER_NAME,
        keyWords: 'the name of a header',
      }),
      remove: list(freeHeader('', { star: false }), [], 'headers of the origin that are not sent on'),
    },
    'Changes to the headers of every answer.',
  ),
};

const whole = section(cacheRules);
export type CacheRules = Value<typeof whole>;
