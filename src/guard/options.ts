// Who may see an image: referers, signed URLs, client addresses. The guarding part of a site's section.

import { derived, list, record, required, section, type Value } from '../base/knobs.ts';
import { choice, decimal, duration, file, secret, text, whole } from '../base/leaves.ts';
import { cidr } from '../base/options.ts';

export const referers = section(
  {
    mode: choice(['nginx', 'strict'], 'nginx', 'nginx: the verdicts of its valid_referers; strict: whole hosts only'),
    allow: list(
      text(required(''), '', {
        type: 'referer',
        expects: 'none, blocked, server_names, a host, a wildcard or ~regex',
        most: 1024,
      }),
      [],
      'who may embed: none, blocked, server_names, host[/path], *.example.com, .example.com, example.*, ~regex; [] checks nothing',
    ),
    deny: section(
      {
        status: derived(whole(200, 599, 403, 'status of a denial'), '403; with redirect 302, with image 200'),
        redirect: text('', 'send a denied client to this URL instead', {
          type: 'url',
          expects: 'an http(s) URL or a path',
          pattern: /^(?:(?:https?:\/\/[^\s/]|\/(?!\/))[!-~]*)?$/,
        }),
        image: file('', 'a file on this machine to answer a denied client with instead'),
      },
      'What a denied client gets.',
    ),
  },
  'Who may embed the images of the site (hotlink protection).',
);
type ReadReferers = Value<typeof referers>;
/** `redirect` and `image` are '' when not set, at most one is set; `status` is the one to answer with. */
export type RefererOptions = Omit<ReadReferers, 'deny'> & {
  readonly deny: { readonly status: number; readonly redirect: string; readonly image: string };
};

export const signature = section(
  {
    scheme: choice(
      ['none', 'deckle', 'oss', 'cdn-a', 'cdn-b', 'cdn-c', 'secure-link', 'secure-link-path', 'cloudfront', 'imgproxy'],
      'none',
      'how URLs of the site are signed',
    ),
    keys: record(secret(required(''), 'the secret'), {}, 'the secrets, by key id; several are valid at once', {
      key: 'ID',
      keyPattern: /^[A-Za-z0-9._-]{1,64}$/,
      keyWords: 'an id of letters, digits and ._-',
    }),
    ttl: duration('30m', 'how long a URL that carries its time of signing is valid'),
    skew: duration('0s', "how far another machine's clock may be off"),
    bucket: text('', 'the bucket in the signed string (oss)'),
    format: text('$expires$uri$remote_addr ', 'the signed string before the secret (secure-link)'),
  },
  'Signed URLs.',
);
export type SignatureOptions = Value<typeof signature>;

export const clients = section(
  {
    allow: list(cidr(''), [], 'addresses that may ask; [] lets all'),
    deny: list(cidr(''), [], 'addresses that may not ask'),
    rate: section(
      {
        per_second: decimal(0, 1_000_000, 0, 'requests a second of one client address; 0: any'),
        burst: whole(0, 1_000_000, 0, 'requests above the rate that are let through at once'),
      },
      'The rate of one client address.',
    ),
  },
  'Which client addresses may ask, and how often.',
);
export type ClientOptions = Value<typeof clients>;
