// The flags that both load tests take. Promises: every number is bounded; a wrong flag is a value with a sentence, never a throw.

import { parseArgs } from 'node:util';

export interface LoadOptions {
  /** The edge, without a trailing slash. */
  readonly url: string;
  /** The admin listener whose /metrics is read before and after, without a trailing slash. */
  readonly admin: string;
  readonly seconds: number;
  readonly connections: number;
  readonly json: boolean;
  /** A file with one path a line, or undefined for the pictures of samples/. */
  readonly list: string | undefined;
  readonly seed: number;
}

export type Parsed =
  | { readonly kind: 'run'; readonly options: LoadOptions }
  | { readonly kind: 'help' }
  | { readonly kind: 'wrong'; readonly message: string };

export const FLAGS_HELP = `  --url URL          the edge                            (http://127.0.0.1:8080)
  --admin URL        its admin listener, for the metrics (http://127.0.0.1:8081)
  --seconds N        how long, 1 to 120                  (10)
  --connections N    kept-alive connections, 1 to 1024   (64)
  --list FILE        paths to ask for, one a line        (the pictures in samples/)
  --seed N           of everything random                (1)
  --json             print one JSON object instead of the table
  --help             this text

An admin token is taken from DECKLE_ADMIN_TOKEN.
Exit codes: 0 done, 1 there were errors, 2 wrong usage.
`;

export function parseOptions(argv: readonly string[]): Parsed {
  let values: ReturnType<typeof readFlags>;
  try {
    values = readFlags(argv);
  } catch (error) {
    return { kind: 'wrong', message: (error as Error).message.split('\n', 1)[0]! };
  }
  if (values.help) return { kind: 'help' };
  const url = baseUrl(values.url);
  const admin = baseUrl(values.admin);
  const seconds = whole(values.seconds, 1, 120);
  const connections = whole(values.connections, 1, 1024);
  const seed = whole(values.seed, 0, 2 ** 31);
  if (url === undefined) return wrong('--url', values.url, 'an http:// address without a path');
  if (admin === undefined) return wrong('--admin', values.admin, 'an http:// address without a path');
  if (seconds === undefined) return wrong('--seconds', values.seconds, 'a whole number from 1 to 120');
  if (connections === undefined) return wrong('--connections', values.connections, 'a whole number from 1 to 1024');
  if (seed === undefined) return wrong('--seed', values.seed, 'a whole number from 0');
  return { kind: 'run', options: { url, admin, seconds, connections, json: values.json, list: values.list, seed } };
}

function readFlags(argv: readonly string[]) {
  return parseArgs({
    args: [...argv],
    strict: true,
    allowPositionals: false,
    options: {
      url: { type: 'string', default: 'http://127.0.0.1:8080' },
      admin: { type: 'string', default: 'http://127.0.0.1:8081' },
      seconds: { type: 'string', default: '10' },
      connections: { type: 'string', default: '64' },
      list: { type: 'string' },
      seed: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  }).values;
}

function wrong(flag: string, given: string, right: string): Parsed {
  return { kind: 'wrong', message: `${flag} ${given}: must be ${right}` };
}

function whole(text: string, min: number, max: number): number | undefined {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  return value >= min && value <= max ? value : undefined;
}

function baseUrl(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null || url.protocol !== 'http:' || url.pathname !== '/' || url.search !== '' || url.hash !== '') return undefined;
  return url.username === '' && url.password === '' ? url.origin : undefined;
}
