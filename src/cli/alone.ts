// `deckle front [NAME]` and `deckle node NAME`: one process alone, for containers. It opens admin.listen itself.

import { createAdminServer } from '../admin/server.ts';
import { sharedAnswerToken } from '../app/answer-token.ts';
import { CertificateKeeper, certificateEvents } from '../app/certificates.ts';
import { createFront } from '../app/front.ts';
import { createNode } from '../app/node.ts';
import { bindProblem } from '../app/sockets.ts';
import { VERSION } from '../app/version.ts';
import type { Worker } from '../app/worker.ts';
import { addressText } from '../base/address.ts';
import { systemClock } from '../base/clock.ts';
import { createLog } from '../base/log.ts';
import type { Position } from '../base/position.ts';
import type { Config } from '../config/schema.ts';
import { type Command, configFor, type Io, misused, readArguments } from './command.ts';
import { collectSignals, urlOf } from './start.ts';

const OPTIONS = { config: { type: 'string', short: 'c' } } as const;

/** No log reaches a process that runs alone without Redis: it stands at the beginning of an epoch of its own. */
const NO_LOG: Position = { epoch: '0000000000000000', high: 0n, low: 0n };

export function alone(role: 'front' | 'node'): Command {
  const operand = role === 'front' ? '[NAME]' : 'NAME';
  const help = `deckle ${role} ${operand} [-c FILE]

Runs one ${role === 'front' ? 'front' : 'cache node'} alone, for containers and other process managers. It opens admin.listen itself; purges need a
log that all processes share, so POST /purge answers 503 here.

  -c, --config FILE  the config (else DECKLE_CONFIG, config/deckle.yaml, /etc/deckle/deckle.yaml)
  -h, --help         this text

Exit code: 0 stopped, 1 could not start, 2 wrong usage.

Example: deckle ${role} ${role === 'front' ? 'front-1' : 'n1'} -c /etc/deckle/deckle.yaml
`;
  return {
    help,
    run: (argv, io) => run(role, argv, io),
  };
}

async function run(role: 'front' | 'node', argv: readonly string[], io: Io): Promise<number> {
  const parsed = readArguments(argv, OPTIONS);
  if (typeof parsed === 'string') return misused(role, parsed, io);
  const [name = role === 'front' ? 'front-1' : undefined, more] = parsed.positionals;
  if (name === undefined) return misused(role, 'which one? Give the name of a node', io);
  if (more !== undefined) return misused(role, `unexpected ${more}`, io);
  const loaded = configFor(parsed.values.config, io, role === 'front' ? 'read' : 'leave');
  if (loaded === undefined) return 1;
  const { config } = loaded;
  if (role === 'node' && !config.nodes.some((node) => node.name === name)) {
    io.err(`deckle: no node is called ${name} (the config has ${config.nodes.map((node) => node.name).join(', ')})\n`);
    return 1;
  }
  const signals = collectSignals();
  const log = createLog(config.log.level, name);
  let worker: Worker;
  const certificates = await CertificateKeeper.open(
    role === 'front' ? config.front.listen : [],
    certificateEvents(log, (renewed) => worker.certify(renewed)),
  );
  if (typeof certificates === 'string') {
    io.err(`deckle: ${name}: ${certificates}\n`);
    return 1;
  }
  // Without a secret nobody else could know what we draw.
  const answerToken = sharedAnswerToken(config.peers.secret) ?? '';
  try {
    worker =
      role === 'front'
        ? createFront(config, name, NO_LOG, certificates.material, answerToken, systemClock, log)
        : createNode(config, name, NO_LOG, answerToken, systemClock, log);
  } catch (error) {
    io.err(`deckle: ${name}: ${(error as Error).message}\n`);
    return 1;
  }
  const address = role === 'front' ? config.front.listen[0]!.address : config.nodes.find((node) => node.name === name)!.listen;
  try {
    await worker.listen([]);
  } catch (error) {
    io.err(`deckle: ${name}: ${bindProblem(address, error as NodeJS.ErrnoException)}\n`);
    return 1;
  }
  const admin = adminOf(worker, config);
  try {
    await admin.listen();
  } catch (error) {
    io.err(`deckle: admin: ${bindProblem(config.admin.listen, error as NodeJS.ErrnoException)}\n`);
    worker.kill();
    process.exit(1);
  }
  certificates.watch();
  const listens = role === 'front' ? config.front.listen : [{ address, tls: [] }];
  io.out(
    `${name} on ${listens.map((each) => urlOf(addressText(each.address), each.tls)).join(' ')}, figures on http://${addressText(config.admin.listen)}\n`,
  );

  for (;;) {
    const signal = await signals.next();
    if (signal === 'SIGUSR1') worker.reopenLogs();
    else if (signal === 'SIGTERM' || signal === 'SIGINT') break;
  }
  void signals.next().then(() => process.exit(1));
  setTimeout(() => process.exit(1), config.stop_timeout).unref();
  await worker.stop();
  await admin.close();
  process.exit(0);
}

function adminOf(worker: Worker, config: Config) {
  const sinceMs = systemClock.monoMs();
  return createAdminServer(
    {
      ready: () => worker.ready(),
      snapshot: async () => worker.snapshot(),
      status: async () => ({
        version: VERSION,
        configSerial: 1,
        purgePosition: undefined,
        processes: [
          {
            name: worker.name,
            role: worker.role,
            pid: process.pid,
            state: 'up' as const,
            restarts: 0,
            sinceMs: systemClock.monoMs() - sinceMs,
            position: undefined,
          },
        ],
        nodes: config.nodes.map((node) => ({
          name: node.name,
          address: addressText(node.address),
          weight: node.weight,
          state: 'unknown' as const,
          here: node.name === worker.name,
          maxConnections: node.max_connections,
        })),
        sites: config.sites.map(({ name, hosts, path, origin }) => ({ name, hosts, path, origin })),
      }),
      purge: async () => ({ kind: 'unlogged', message: 'this process runs alone: no log carries purges to the others' }),
    },
    { host: config.admin.listen.host, port: config.admin.listen.port, token: config.admin.token },
  );
}
