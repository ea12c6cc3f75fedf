// From a config to a running supervisor: what must be had before the first process starts.
// Promises: everything that can be refused is refused here, in one line, and what was taken until then (the lock of the state folder,
// listening sockets, the purge log) is let go of in reverse.

import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { availableParallelism, networkInterfaces } from 'node:os';
import { isLoopback } from '../base/address.ts';
import { systemClock } from '../base/clock.ts';
import { createLog } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import type { NodeOptions } from '../front/options.ts';
import { openLocalLog } from '../purge/local.ts';
import type { PurgeLog } from '../purge/log.ts';
import { CertificateKeeper, certificateEvents } from './certificates.ts';
import { lockState } from './lock.ts';
import { bindSlots, type SlotSocket, tryBind } from './sockets.ts';
import { type Program, Supervisor } from './supervisor.ts';

export interface StartOptions extends Program {
  /** Only these nodes; undefined: all that are placed here. */
  readonly nodes: readonly string[] | undefined;
  readonly front: boolean;
}

export type Started =
  | { readonly kind: 'started'; readonly supervisor: Supervisor }
  | { readonly kind: 'refused'; readonly why: string };

/** Starts everything, or nothing: then `why` is one line. */
export async function startSupervisor(config: Config, options: StartOptions): Promise<Started> {
  const undo: (() => void | Promise<void>)[] = [];
  const refuse = async (why: string): Promise<Started> => {
    for (const step of undo.reverse()) await step();
    return { kind: 'refused', why };
  };
  const missing = missingDirectory(config);
  if (missing !== undefined) return refuse(missing);

  const lock = lockState(config.state, process.pid);
  if (lock.kind === 'refused') return refuse(lock.why);
  undo.push(() => lock.release());

  const nodes = config.nodes.filter((node) => isHere(node) && (options.nodes?.includes(node.name) ?? true));
  for (const name of options.nodes ?? []) {
    if (!config.nodes.some((node) => node.name === name)) return refuse(`--nodes: no node is called ${name}`);
  }
  for (const node of nodes) {
    const bound = await tryBind(node.listen);
    if (typeof bound === 'string') return refuse(`node ${node.name}: ${bound}`);
  }
  const slots = options.front ? (config.front.processes === 'auto' ? availableParallelism() : config.front.processes) : 0;
  const sockets: (readonly SlotSocket[])[] = [];
  for (const { address } of slots > 0 ? config.front.listen : []) {
    const bound = await bindSlots(address, slots);
    if (typeof bound === 'string') return refuse(`front: ${bound}`);
    undo.push(() => {
      for (const socket of bound) socket.close();
    });
    sockets.push(bound);
  }

  const log = createLog(config.log.level, 'supervisor');
  let supervisor: Supervisor | undefined;
  const certificates = await CertificateKeeper.open(
    slots > 0 ? config.front.listen : [],
    certificateEvents(log, (renewed) => supervisor?.certify(renewed)),
  );
  if (typeof certificates === 'string') return refuse(`front: ${certificates}`);
  let purgeLog: PurgeLog;
  try {
    purgeLog = await openLocalLog({
      folder: config.state,
      randomBytes,
      clock: systemClock,
      report: (event) => log.warn({ event: { ...event, error: undefined } }, `purge log: ${event.kind}`),
    });
  } catch (error) {
    return refuse(`state folder ${config.state}: ${(error as Error).message}`);
  }
  undo.push(() => purgeLog.close());

  supervisor = new Supervisor(config, {
    ...options,
    nodes,
    slots,
    sockets,
    purgeLog,
    certificates,
    log,
    unlock: () => lock.release(),
  });
  const problem = await supervisor.begin();
  if (problem === undefined) {
    certificates.watch();
    return { kind: 'started', supervisor };
  }
  // From here on all that was taken is the supervisor's to let go of.
  await supervisor.stop();
  return { kind: 'refused', why: problem };
}

/** Whether the config places a node on this machine (`here: auto`: its address is loopback or one of ours). */
function isHere(node: NodeOptions): boolean {
  if (node.here !== 'auto') return node.here;
  if (isLoopback(node.address.host)) return true;
  return Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === node.address.host));
}

function missingDirectory(config: Config): string | undefined {
  for (const origin of config.origins) {
    if (origin.kind !== 'directory') continue;
    try {
      if (!statSync(origin.directory).isDirectory()) return `origin ${origin.name}: ${origin.directory} is not a directory`;
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      return `origin ${origin.name}: ${origin.directory} ${code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`}`;
    }
  }
  return undefined;
}
