// `deckle where URL`: the whole decision about one URL, without asking for the image: site, key, owner, walk, and what the owner holds.

import { keysOfUrl } from '../app/purger.ts';
import { addressText } from '../base/address.ts';
import type { Config } from '../config/schema.ts';
import { Ring } from '../front/ring.ts';
import { ask } from './ask.ts';
import { type Command, configFor, type Io, misused, readArguments } from './command.ts';

const HELP = `deckle where URL [--host H] [-c FILE] [--json]

Says which site and which source key a URL has, which node owns it, the walk of the ring behind it, and what the owner holds now.

  -c, --config FILE  the config (else DECKLE_CONFIG, config/deckle.yaml, /etc/deckle/deckle.yaml)
      --host H       the host, when URL is only a path
      --json         print data
  -h, --help         this text

Exit code: 0 a site serves it, 1 none does, 2 wrong usage.

Example: deckle where /photos/a.jpg --host img.example.com
`;

const OPTIONS = { config: { type: 'string', short: 'c' }, host: { type: 'string' }, json: { type: 'boolean' } } as const;
const TIMEOUT_MS = 2_000;

export const where: Command = { help: HELP, run };

async function run(argv: readonly string[], io: Io): Promise<number> {
  const parsed = readArguments(argv, OPTIONS);
  if (typeof parsed === 'string') return misused('where', parsed, io);
  const [url, more] = parsed.positionals;
  if (url === undefined || more !== undefined) return misused('where', 'expected one URL', io);
  const loaded = configFor(parsed.values.config, io, 'leave');
  if (loaded === undefined) return 1;
  const { config } = loaded;
  const full = url.startsWith('/') ? `http://${parsed.values.host ?? 'localhost'}${url}` : url;
  const found = keysOfUrl(full, config);
  if (typeof found === 'string') {
    io.err(`deckle: ${found}\n`);
    return 1;
  }
  const key = found.keys[0]!;
  const walk = walkOf(config, key);
  const holds = walk[0] === undefined ? 'no node has a weight' : await holding(config, walk[0], key);
  if (parsed.values.json === true) {
    io.out(`${JSON.stringify({ site: found.site.name, key, owner: walk[0] ?? null, walk, holds }, null, 2)}\n`);
    return 0;
  }
  io.out(
    `site    ${found.site.name}\nkey     ${key}\nowner   ${walk[0] ?? '-'}\nwalk    ${walk.join(' ')}\nholds   ${typeof holds === 'string' ? holds : sentence(holds)}\n`,
  );
  return 0;
}

function walkOf(config: Config, key: string): readonly string[] {
  const walk = new Ring(config.nodes, config.front.balance.points).walk(key);
  const names: string[] = [];
  for (let at = walk.next(); at >= 0; at = walk.next()) names.push(config.nodes[at]!.name);
  return names;
}

interface Holding {
  readonly tier: string | null;
  readonly variants: number;
  readonly status?: number;
  readonly bytes?: number;
  readonly age?: number;
  readonly ttl?: number;
}

async function holding(config: Config, name: string, key: string): Promise<Holding | string> {
  const node = config.nodes.find((each) => each.name === name)!;
  const headers: Record<string, string> = { 'x-deckle-from': 'where', host: addressText(node.address) };
  if (config.peers.secret !== '') headers['x-deckle-peer'] = config.peers.secret;
  try {
    const path = `/-/object?key=${encodeURIComponent(key).replaceAll('%2F', '/')}`;
    const answer = await ask(node.address, { method: 'GET', path, headers }, TIMEOUT_MS);
    return answer.status === 200 ? (JSON.parse(answer.text) as Holding) : `${name} answers ${answer.status}`;
  } catch (error) {
    return `${name} does not answer (${(error as Error).message})`;
  }
}

function sentence(holds: Holding): string {
  if (holds.tier === null)
    return holds.variants === 0 ? 'nothing' : `${holds.variants} variants, none for a request without fields`;
  const state = (holds.ttl ?? 0) >= 0 ? `fresh for ${holds.ttl} s` : `stale since ${-(holds.ttl ?? 0)} s`;
  return `${holds.bytes} bytes in ${holds.tier}, status ${holds.status}, age ${holds.age} s, ${state}`;
}
