// The flags of the comparison. Promises: every number is bounded; a wrong flag is a value with a sentence, never a throw.

import { parseArgs } from 'node:util';
import type { ServerName } from './servers.ts';

export interface CompareOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly rows: readonly number[];
  /** Whether a server takes part. */
  readonly wanted: (name: ServerName) => boolean;
  /** Whether one repeated request is measured too. */
  readonly repeated: boolean;
  readonly serverCore: number;
  readonly clientCore: number;
  readonly json: boolean;
}

export type Parsed =
  | { readonly kind: 'run'; readonly options: CompareOptions }
  | { readonly kind: 'help' }
  | { readonly kind: 'wrong'; readonly message: string };

const SERVERS: readonly ServerName[] = ['deckle-node', 'deckle-front', 'nginx', 'haproxy', 'varnish', 'haproxy-varnish'];
const ALL_ROWS = [1, 2, 3, 4];

export const HELP = `npm run compare -- [flags]: deckle, nginx, HAProxy and Varnish on one core each, with the same pictures and clients

  --rounds N         rounds, in each of which every server is asked; 1 to 50   (5)
  --seconds N        how long a server is asked in a round; 1 to 60            (4)
  --rows LIST        rows of the table: 1,2,3,4                                (all)
  --only LIST        servers whose names begin so: deckle-node, deckle-front,
                     nginx, haproxy, varnish, haproxy-varnish                  (all)
  --no-repeated      leave out the column of one repeated request
  --cores A,B        the core of the servers and that of the clients           (0,1)
  --json             print one JSON object instead of the tables
  --help             this text

Needs nginx, varnish, haproxy and taskset; installs the first three where that is allowed.
Exit codes: 0 every bound holds, 1 one was missed, an answer was wrong or a server did not start, 2 wrong usage.
Example: npm run compare -- --rows 1 --only deckle,nginx --rounds 3
`;

/** `cores`: how many the machine has. */
export function parseOptions(argv: readonly string[], cores: number): Parsed {
  let values: ReturnType<typeof readFlags>;
  try {
    values = readFlags(argv);
  } catch (error) {
    return { kind: 'wrong', message: (error as Error).message.split('\n', 1)[0]! };
  }
  if (values.help) return { kind: 'help' };
  const rounds = whole(values.rounds, 1, 50);
  const seconds = whole(values.seconds, 1, 60);
  const rows = values.rows === undefined ? ALL_ROWS : listed(values.rows, (text) => whole(text, 1, ALL_ROWS.length));
  const pins = listed(values.cores, (text) => whole(text, 0, cores - 1));
  const only =
    values.only === undefined
      ? ['']
      : listed(values.only, (text) => (SERVERS.some((name) => name.startsWith(text)) ? text : undefined));
  if (rounds === undefined) return wrong('--rounds', values.rounds, 'a whole number from 1 to 50');
  if (seconds === undefined) return wrong('--seconds', values.seconds, 'a whole number from 1 to 60');
  if (rows === undefined) return wrong('--rows', values.rows!, 'numbers from 1 to 4 with commas between them');
  if (pins?.length !== 2) return wrong('--cores', values.cores, `two numbers from 0 to ${cores - 1} with a comma between them`);
  if (only === undefined)
    return wrong('--only', values.only!, `of ${SERVERS.join(', ')}, or how they begin, with commas between`);
  return {
    kind: 'run',
    options: {
      rounds,
      seconds,
      rows: [...new Set(rows)].sort((a, b) => a - b),
      wanted: (name) => only.some((begin) => name.startsWith(begin)),
      repeated: !values['no-repeated'],
      serverCore: pins[0]!,
      clientCore: pins[1]!,
      json: values.json,
    },
  };
}

function readFlags(argv: readonly string[]) {
  return parseArgs({
    args: [...argv],
    strict: true,
    allowPositionals: false,
    options: {
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '4' },
      rows: { type: 'string' },
      only: { type: 'string' },
      'no-repeated': { type: 'boolean', default: false },
      cores: { type: 'string', default: '0,1' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  }).values;
}

function wrong(flag: string, given: string, right: string): Parsed {
  return { kind: 'wrong', message: `${flag} ${given}: must be ${right}` };
}

function listed<T>(text: string, read: (text: string) => T | undefined): readonly T[] | undefined {
  const values = text.split(',').map(read);
  return values.every((value) => value !== undefined) ? values : undefined;
}

function whole(text: string, min: number, max: number): number | undefined {
  const value = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  return value >= min && value <= max ? value : undefined;
}
