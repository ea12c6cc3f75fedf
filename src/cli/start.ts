// `deckle start`: every process that the config places on this machine, until a signal ends it.

import { readdirSync } from 'node:fs';
import { startSupervisor } from '../app/start.ts';
import { addressText, isWildcard } from '../base/address.ts';
import { notInEffect } from '../config/effect.ts';
import type { Config } from '../config/schema.ts';
import { type Command, configFor, type Io, misused, readArguments } from './command.ts';

const HELP = `deckle start [-c FILE] [--nodes n1,n2] [--no-front]

Runs every process that the config places on this machine and replaces those that die.

  -c, --config FILE  the config (else DECKLE_CONFIG, config/deckle.yaml, /etc/deckle/deckle.yaml)
      --nodes NAMES  only these cache nodes, separated by commas
      --no-front     no front processes
  -h, --help         this text

Signals: SIGTERM or SIGINT finish what is in flight and stop (at most stop_timeout), a second one stops now; SIGUSR1 reopens logs.
Exit code: 0 stopped, 1 could not start, 2 wrong usage.

Example: deckle start -c /etc/deckle/deckle.yaml --nodes n1,n2
`;

const OPTIONS = {
  config: { type: 'string', short: 'c' },
  nodes: { type: 'string' },
  'no-front': { type: 'boolean' },
} as const;

export const start: Command = { help: HELP, run };

async function run(argv: readonly string[], io: Io, program: string): Promise<number> {
  const parsed = readArguments(argv, OPTIONS);
  if (typeof parsed === 'string') return misused('start', parsed, io);
  if (parsed.positionals.length > 0) return misused('start', `unexpected ${parsed.positionals[0]}`, io);
  const loaded = configFor(parsed.values.config, io, parsed.values['no-front'] === true ? 'leave' : 'read');
  if (loaded === undefined) return 1;
  const { config } = loaded;

  // Before the processes start: a signal that comes meanwhile must not be lost.
  const signals = collectSignals();
  const started = await startSupervisor(config, {
    nodes: parsed.values.nodes?.split(',').map((name) => name.trim()),
    front: parsed.values['no-front'] !== true,
    program: process.execPath,
    args: [program],
  });
  if (started.kind === 'refused') {
    io.err(`deckle: ${started.why}\n`);
    return 1;
  }
  const { supervisor } = started;
  io.out(banner(config, parsed.values['no-front'] !== true && config.front.processes !== 0));

  for (;;) {
    const signal = await signals.next();
    if (signal === 'SIGUSR1') supervisor.reopenLogs();
    else if (signal === 'SIGTERM' || signal === 'SIGINT') break;
    else io.err(`deckle: ${signal}: not in effect yet\n`);
  }
  void signals.next().then(() => supervisor.kill());
  await supervisor.stop();
  // Handlers and a waiting promise would keep the process; everything that matters has ended.
  process.exit(0);
}

function banner(config: Config, withFront: boolean): string {
  const lines: string[] = [];
  const addresses = withFront ? config.front.listen.map(({ address, tls }) => urlOf(reachable(address), tls)) : [];
  if (addresses.length > 0) lines.push(`images    ${addresses.join(' ')}`);
  lines.push(`dashboard http://${reachable(config.admin.listen)}`);
  if (addresses[0] !== undefined) for (const path of samplePaths(config)) lines.push(`try       ${addresses[0]}${path}`);
  const later = notInEffect(config).map((line) => line.split(' (', 1)[0]);
  if (later.length > 0) lines.push(`note      ${later.join('; ')}`);
  return `${lines.join('\n')}\n`;
}

/** What a browser would be told. */
export function urlOf(address: string, tls: readonly unknown[]): string {
  return `${tls.length > 0 ? 'https' : 'http'}://${address}`;
}

function reachable(address: { readonly host: string; readonly port: number }): string {
  return addressText(isWildcard(address.host) ? { host: '127.0.0.1', port: address.port } : address);
}

const SAMPLES = 3;
const IMAGE = /^[A-Za-z0-9._-]+\.(?:jpe?g|png|webp|avif|gif|svg)$/;

// A few files of the first directory that a site at `/` for any host serves: something to try at once.
function samplePaths(config: Config): readonly string[] {
  const site = config.sites.find((each) => each.path === '/' && each.hosts.includes('*'));
  const origin = config.origins.find((each) => each.name === site?.origin);
  if (origin?.kind !== 'directory') return [];
  try {
    const names = readdirSync(origin.directory).filter((name) => IMAGE.test(name));
    return [...new Set(['.jpg', '.webp', '.png', ''].map((suffix) => names.find((name) => name.endsWith(suffix))))]
      .filter((name) => name !== undefined)
      .slice(0, SAMPLES)
      .map((name) => `/${name}`);
  } catch {
    return [];
  }
}

interface Signals {
  next(): Promise<NodeJS.Signals>;
}

/** Signals in the order they came, none lost between two waits. */
export function collectSignals(): Signals {
  const came: NodeJS.Signals[] = [];
  let wake: (() => void) | undefined;
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const) {
    process.on(signal, () => {
      came.push(signal);
      wake?.();
    });
  }
  return {
    next: async () => {
      while (came.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      return came.shift()!;
    },
  };
}
