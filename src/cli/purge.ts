// `deckle purge URL…`: takes images out of every cache, and says what each process did.

import { addressText, isWildcard } from '../base/address.ts';
import { ask } from './ask.ts';
import { type Command, configFor, type Io, misused, readArguments } from './command.ts';

const HELP = `deckle purge URL… [-c FILE] [--wait 1s] [--json]

Removes images from every cache node and front, through the log that every process applies in order.
A URL is http://host/path?query, or /path for every site that serves it.

  -c, --config FILE  the config (else DECKLE_CONFIG, config/deckle.yaml, /etc/deckle/deckle.yaml)
      --wait TIME    how long to wait for every process (1s)
      --json         print the answer as data
  -h, --help         this text

Exit code: 0 logged and applied everywhere, 1 refused, not logged, or a process is still behind, 2 wrong usage.

Example: deckle purge http://img.example.com/photos/a.jpg --wait 5s
`;

const OPTIONS = {
  config: { type: 'string', short: 'c' },
  wait: { type: 'string', default: '1s' },
  json: { type: 'boolean' },
  prefix: { type: 'string' },
  tag: { type: 'string', multiple: true },
  host: { type: 'string', multiple: true },
  all: { type: 'boolean' },
  soft: { type: 'boolean' },
} as const;

/** The longest wait that the admin listener grants, and some. */
const TIMEOUT_MS = 65_000;

export const purge: Command = { help: HELP, run };

interface Done {
  readonly id: string;
  readonly applied: Readonly<Record<string, number | null>>;
  readonly pending: readonly string[];
}

async function run(argv: readonly string[], io: Io): Promise<number> {
  const parsed = readArguments(argv, OPTIONS);
  if (typeof parsed === 'string') return misused('purge', parsed, io);
  const { values, positionals } = parsed;
  const wanted = {
    urls: positionals,
    prefix: values.prefix ?? '',
    tags: values.tag ?? [],
    hosts: values.host ?? [],
    all: values.all ?? false,
  };
  if (positionals.length === 0 && wanted.prefix === '' && wanted.tags.length + wanted.hosts.length === 0 && !wanted.all) {
    return misused('purge', 'nothing to purge: name a URL', io);
  }
  const loaded = configFor(values.config, io, 'leave');
  if (loaded === undefined) return 1;
  const { listen, token } = loaded.config.admin;
  const host = isWildcard(listen.host) ? '127.0.0.1' : listen.host;
  const body = JSON.stringify({ ...wanted, soft: values.soft ?? false, wait: values.wait });
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
  };
  if (token !== '') headers['authorization'] = `Bearer ${token}`;
  let answer: { readonly status: number; readonly text: string };
  try {
    answer = await ask({ host, port: listen.port }, { method: 'POST', path: '/purge', headers, body }, TIMEOUT_MS);
  } catch (error) {
    io.err(`deckle: no deckle answers on http://${addressText({ host, port: listen.port })} (${(error as Error).message})\n`);
    return 1;
  }
  if (answer.status !== 200) {
    io.err(`deckle: not purged: ${messageOf(answer.text)}\n`);
    return 1;
  }
  const done = JSON.parse(answer.text) as Done;
  if (values.json === true) io.out(`${answer.text.trim()}\n`);
  else {
    io.out(`purge ${done.id}\n`);
    for (const [name, count] of Object.entries(done.applied).sort())
      io.out(`  ${name.padEnd(12)} ${count === null ? 'applied' : `${count} removed`}\n`);
    for (const name of done.pending) io.out(`  ${name.padEnd(12)} not yet\n`);
  }
  return done.pending.length === 0 ? 0 : 1;
}

function messageOf(text: string): string {
  try {
    return (JSON.parse(text) as { readonly error: { readonly message: string } }).error.message;
  } catch {
    return text.trim();
  }
}
