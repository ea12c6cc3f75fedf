// The options of every process that belong to no room (the log), and the kinds of text that several rooms' options are made of:
// addresses, ranges of them, header names, urls. Each kind refuses what the code behind it could not use.

import { type Address, addressText, parseAddress, parseCidr } from './address.ts';
import { type Knob, leaf, type Required, section, type Value } from './knobs.ts';
import { choice, decimal, type TextRules, text } from './leaves.ts';
import type { LeafShape } from './shapes.ts';

/** `host:port` of a listener: `127.0.0.1:8080`, `[::1]:8080`, `:8080`. */
export function listenAddress(fallback: string | Required<Address>, doc: string): Knob<Address, LeafShape> {
  return addressLeaf(fallback, doc, true);
}

/** `host:port` of a peer to dial; never port 0. */
export function peerAddress(fallback: string | Required<Address>, doc: string): Knob<Address, LeafShape> {
  return addressLeaf(fallback, doc, false);
}

function addressLeaf(fallback: string | Required<Address>, doc: string, any: boolean): Knob<Address, LeafShape> {
  return leaf<Address>({
    type: 'host:port',
    expects: 'host:port such as 127.0.0.1:8080',
    default: fallback,
    doc,
    json: { type: 'string', pattern: ':[0-9]+$' },
    parse: (given) => {
      const address = parseAddress(String(given), { any });
      if (typeof address === 'string') return address;
      return address.port === 0 && !any ? 'port 0 cannot be dialled' : { value: address };
    },
    write: addressText,
  });
}

/** A range of addresses in CIDR form, kept as text; see `cidrMatcher`. */
export function cidr(doc: string): Knob<string, LeafShape> {
  return leaf({
    type: 'range',
    expects: 'a range of addresses such as 10.0.0.0/8',
    default: { required: true, blank: '' },
    doc,
    json: { type: 'string' },
    parse: (given) => {
      if (typeof given !== 'string') return undefined;
      const range = parseCidr(given);
      return typeof range === 'string' ? range : { value: given };
    },
  });
}

export const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/;

/** A header's name (RFC 9110 token), kept as written unless `as` says otherwise. */
export function headerName(
  fallback: string | Required<string>,
  doc: string,
  rules: Pick<TextRules, 'as' | 'refuse'> = {},
): Knob<string, LeafShape> {
  return text(fallback, doc, { type: 'header', expects: 'the name of a header', pattern: HEADER_NAME, ...rules });
}

/** A header's value: visible ASCII, spaces and tabs inside; never a line break. */
export function headerValue(
  fallback: string | Required<string>,
  doc: string,
  rules: Pick<TextRules, 'nature'> = {},
): Knob<string, LeafShape> {
  return text(fallback, doc, {
    type: 'header value',
    expects: 'a header value in visible ASCII',
    pattern: /^(?:[!-~](?:[\t -~]*[!-~])?)?$/,
    ...rules,
  });
}

/** `https://host[:port]`, kept as the WHATWG origin: lower case, no default port, no slash at its end. */
export function serverUrl(fallback: string | Required<string>, doc: string): Knob<string, LeafShape> {
  return leaf({
    type: 'url',
    expects: 'a url such as https://images.example.com',
    default: fallback,
    doc,
    json: { type: 'string', pattern: fallback === '' ? '^(https?://.*)?$' : '^https?://' },
    parse: (given) => {
      if (given === '' && fallback === '') return { value: '' };
      if (typeof given !== 'string' || !/^https?:\/\/[!-~]+$/i.test(given)) return undefined;
      const url = URL.parse(given);
      if (url === null || url.hostname === '') return undefined;
      // Credentials would be shown wherever the url is; they belong into a header that comes from the environment.
      if (url.username !== '' || url.password !== '')
        return 'a url with a user name or password is not taken (send a header instead)';
      if (url.port === '0') return 'port 0 cannot be dialled';
      if (url.pathname !== '/' || given.includes('?') || given.includes('#'))
        return `a url here ends after the host and port: ${url.origin}`;
      return { value: url.origin };
    },
  });
}

export const log = section(
  {
    level: choice(
      ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'],
      'info',
      'how much a process says about itself on standard error',
    ),
    access: text('', 'the access log: a file, "-" for standard output, empty for none; JSON lines'),
    sample: decimal(0, 1, 1, 'the share of requests that are logged; errors and refusals always are'),
  },
  'What is written down.',
);
export type LogOptions = Value<typeof log>;
