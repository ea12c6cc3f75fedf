// Where originals live: one named origin is a directory, a list of urls, or a bucket; the key that it holds tells which.

import { isHost } from '../base/address.ts';
import { forms, list, record, required, section, type Value } from '../base/knobs.ts';
import { choice, duration, file, flag, secret, text, whole } from '../base/leaves.ts';
import { HEADER_NAME, headerValue, serverUrl } from '../base/options.ts';

const directory = section(
  { directory: file(required(''), 'a folder on this machine (a local disk or a mount)') },
  'Files below a folder.',
);

const http = section(
  {
    urls: list(serverUrl(required(''), ''), [], 'servers that hold the same images, asked in this order', { least: 1, most: 32 }),
    host: text('', "the Host header sent: empty: the url's own; client: the client's, then part of the key; else this text", {
      type: 'host',
      expects: "a host, client, or empty for the url's own",
      pattern: /^(?:[A-Za-z0-9_.-]+(?::\d{1,5})?|\[[0-9A-Fa-f:.]+\](?::\d{1,5})?)?$/,
    }),
    headers: record(headerValue(required(''), 'value', { nature: 'secret' }), {}, 'headers sent with every request', {
      key: 'HEADER',
      keyPattern: HEADER_NAME,
      keyWords: 'the name of a header',
    }),
    tls: section(
      {
        verify: flag(true, "whether the server's certificate is checked"),
        ca: file('', 'a PEM file of the authorities to trust instead of the usual ones'),
      },
      'How https urls are trusted.',
    ),
    connections: whole(1, 65_535, 64, 'connections to each url at most'),
    queue: section(
      {
        max: whole(0, 1_000_000, 1024, 'requests that may wait for a connection'),
        timeout: duration('5s', 'how long one waits', { min: '1ms', max: '1h' }),
      },
      'Requests that wait for a connection.',
    ),
    timeouts: section(
      {
        connect: duration('3s', 'until a connection stands', { min: '1ms', max: '1h' }),
        first_byte: duration('15s', 'until the answer begins', { min: '1ms', max: '1h' }),
        between_bytes: duration('15s', 'between two parts of an answer', { min: '1ms', max: '1h' }),
      },
      'How long the origin may take.',
    ),
    retries: whole(0, 10, 2, 'further tries on connect failures and resets before the first byte; never after a timeout'),
    cooldown: duration('10s', 'the longest pause between tries of a failing url: tries begin 250 ms apart and double', {
      min: '250ms',
      max: '1d',
    }),
  },
  'HTTP servers.',
);

const bucket = section(
  {
    s3: section(
      {
        endpoint: serverUrl('', 'the url of the service'),
        bucket: text('', 'the bucket'),
        region: text('', 'the region'),
        access_key: text('', 'the id of the key'),
        secret_key: secret('', 'the key'),
        style: choice(['path', 'virtual'], 'path', 'whether the bucket stands in the path or in the host'),
      },
      'The bucket.',
    ),
  },
  'An S3 or OSS bucket.',
);

export const origin = forms({ directory, urls: http, s3: bucket }, 'An origin; it has exactly one of directory, urls and s3.');

export interface DirectoryOptions extends Value<typeof directory> {
  readonly kind: 'directory';
  readonly name: string;
}
/** `host` is '' for the url's own, 'client' for the client's, else the text to send; `urls` are WHATWG origins, no path. */
export interface HttpOptions extends Value<typeof http> {
  readonly kind: 'http';
  readonly name: string;
}
export interface S3Options extends Value<typeof bucket> {
  readonly kind: 's3';
  readonly name: string;
}
export type OriginOptions = DirectoryOptions | HttpOptions | S3Options;

/** What was read becomes an origin of that name. */
export function named(name: string, given: Value<typeof origin>): OriginOptions {
  switch (given.kind) {
    case 'directory':
      return { ...given, name };
    case 'urls':
      return { ...given, kind: 'http', name };
    case 's3':
      return { ...given, name };
  }
}

/** Whether a literal Host of an origin is one. */
export function goodHost(host: string): boolean {
  return host === '' || host.startsWith('[') || isHost(host.replace(/:\d+$/, ''));
}
