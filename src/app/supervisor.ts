// `deckle start`: composition of the processes that the config places on this machine, their log of purges and the admin listener.
// Promises: everything that can be refused is refused before the first process starts, in one line; a process that dies is
// replaced; SIGTERM ends fronts first, then nodes, within stop_timeout. It is never on the path of a request.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { availableParallelism, networkInterfaces } from 'node:os';
import { type AdminBackend, type AdminServer, createAdminServer } from '../admin/server.ts';
import { addressText, isLoopback } from '../base/address.ts';
import { systemClock } from '../base/clock.ts';
import { createLog, type Log } from '../base/log.ts';
import { comparePositions, formatPosition, parsePosition } from '../base/position.ts';
import type { Config } from '../config/schema.ts';
import type { NodeOptions } from '../front/options.ts';
import { mergeSnapshots, Registry, type Snapshot } from '../metrics/registry.ts';
import { openLocalLog } from '../purge/local.ts';
import type { PurgeLog } from '../purge/log.ts';
import { tell, toWire } from './channel.ts';
import { type CrewHouse, Member } from './crew.ts';
import { lockState } from './lock.ts';
import { Purger } from './purger.ts';
import { bindProblem, bindSlots, type SlotSocket, tryBind } from './sockets.ts';
import { VERSION } from './version.ts';

export interface StartOptions {
  /** Only these nodes; undefined: all that are placed here. */
  readonly nodes: readonly string[] | undefined;
  readonly front: boolean;
  /** The program and the arguments that a child is started with, before its role. */
  readonly program: string;
  readonly args: readonly string[];
}

/** Nodes and fronts must be up within this after their start, or the start as a whole has failed. */
const START_MS = 20_000;

/** What a look at the figures waits for a process that is busy. */
const FRESH_MS = 500;

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

  const supervisor = new Supervisor(config, options, nodes, slots, sockets, purgeLog, log, () => lock.release());
  undo.push(() => supervisor.stop());
  const problem = await supervisor.begin();
  if (problem !== undefined) {
    undo.length = 0;
    await supervisor.stop();
    return { kind: 'refused', why: problem };
  }
  return { kind: 'started', supervisor };
}

export class Supervisor {
  readonly #config: Config;
  readonly #sockets: readonly (readonly SlotSocket[])[];
  readonly #purgeLog: PurgeLog;
  readonly #log: Log;
  readonly #unlock: () => void;
  readonly #members: readonly Member[];
  readonly #registry = new Registry();
  readonly #purger: Purger;
  readonly #admin: AdminServer;
  readonly #stopFollowing: () => void;
  #changed: (() => void)[] = [];
  #stopping: Promise<void> | undefined;

  constructor(
    config: Config,
    options: StartOptions,
    nodes: readonly NodeOptions[],
    slots: number,
    sockets: readonly (readonly SlotSocket[])[],
    purgeLog: PurgeLog,
    log: Log,
    unlock: () => void,
  ) {
    this.#config = config;
    this.#sockets = sockets;
    this.#purgeLog = purgeLog;
    this.#log = log;
    this.#unlock = unlock;
    const house = this.#house(options);
    const fronts = Array.from({ length: slots }, (_, slot) => this.#front(slot, house));
    this.#members = [...nodes.map((node) => this.#node(node, house)), ...fronts];
    this.#purger = new Purger(config, purgeLog, () => this.#members);
    this.#stopFollowing = purgeLog.follow(undefined, (record) => {
      for (const member of this.#members) {
        if (member.child !== undefined && member.position !== undefined)
          tell(member.child, { kind: 'record', record: toWire(record) });
      }
    }).stop;
    this.#admin = createAdminServer(this.#backend(), {
      host: config.admin.listen.host,
      port: config.admin.listen.port,
      token: config.admin.token,
      report: (error) => log.error({ error: String(error) }, 'admin listener'),
    });
    this.#figures();
  }

  /** Processes, admin listener; resolves to the reason why the start failed, or undefined. */
  async begin(): Promise<string | undefined> {
    try {
      await this.#admin.listen();
    } catch (error) {
      return `admin: ${bindProblem(this.#config.admin.listen, error as NodeJS.ErrnoException)}`;
    }
    const deadline = systemClock.monoMs() + START_MS;
    for (const role of ['node', 'front'] as const) {
      const members = this.#members.filter((member) => member.plan.role === role);
      for (const member of members) member.start();
      while (!members.every((member) => member.state === 'up')) {
        const failed = members.find((member) => member.problem !== undefined);
        if (failed !== undefined) return `${failed.plan.name}: ${failed.problem}`;
        const leftMs = deadline - systemClock.monoMs();
        if (leftMs <= 0)
          return `${members.find((member) => member.state !== 'up')?.plan.name} did not start within ${START_MS / 1000} s`;
        await this.#nextChange(leftMs);
      }
    }
    return undefined;
  }

  /** Fronts first, then nodes; what does not end within stop_timeout is killed. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** A second word to stop: at once. */
  kill(): void {
    for (const member of this.#members) member.signal('SIGKILL');
  }

  reopenLogs(): void {
    for (const member of this.#members) if (member.child !== undefined) tell(member.child, { kind: 'reopen-logs' });
  }

  async #stop(): Promise<void> {
    for (const sockets of this.#sockets) for (const socket of sockets) socket.close();
    const kill = setTimeout(() => this.kill(), this.#config.stop_timeout);
    for (const role of ['front', 'node'] as const) {
      const members = this.#members.filter((member) => member.plan.role === role);
      for (const member of members) member.signal('SIGTERM');
      while (members.some((member) => member.alive)) await this.#nextChange(1_000);
    }
    clearTimeout(kill);
    this.#stopFollowing();
    await this.#admin.close();
    await this.#purgeLog.close();
    this.#unlock();
  }

  #nextChange(mostMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, mostMs);
      this.#changed.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #house(options: StartOptions): CrewHouse {
    return {
      clock: systemClock,
      program: options.program,
      args: options.args,
      // Blocking file calls and name look-ups share this pool: each user of it has a smaller cap of its own.
      env: {
        ...process.env,
        UV_THREADPOOL_SIZE: process.env['UV_THREADPOOL_SIZE'] ?? '32',
        MALLOC_ARENA_MAX: process.env['MALLOC_ARENA_MAX'] ?? '2',
      },
      applied: (member, position, removed) => this.#purger.applied(member.plan.name, position, removed),
      gone: (member, child, ended) => {
        member.position = undefined;
        this.#purger.gone();
        if (ended || this.#stopping !== undefined) return;
        this.#registry.cell('deckle_process_restarts_total', { process: member.plan.name }).value += 1;
        this.#log.error(
          { process: member.plan.name, code: child.exitCode, signal: child.signalCode, problem: member.problem },
          'a process ended and is replaced',
        );
      },
      changed: () => {
        const waiting = this.#changed;
        this.#changed = [];
        for (const go of waiting) go();
      },
    };
  }

  #node(node: NodeOptions, house: CrewHouse): Member {
    const member: Member = new Member(
      {
        name: node.name,
        role: 'node',
        argv: ['node', node.name],
        hello: () => this.#start(member, []),
      },
      house,
    );
    return member;
  }

  #front(slot: number, house: CrewHouse): Member {
    const member: Member = new Member(
      {
        name: `front-${slot + 1}`,
        role: 'front',
        argv: ['front', String(slot + 1)],
        hello: () =>
          this.#start(
            member,
            this.#sockets.map((sockets) => sockets[slot]!.handle),
          ),
      },
      house,
    );
    return member;
  }

  // The config, the place in the log, the sockets. From here on the child gets every record.
  #start(member: Member, handles: readonly object[]): void {
    const child = member.child!;
    const { name, role } = member.plan;
    const position = formatPosition(this.#purgeLog.tail());
    tell(child, { kind: 'start', role, name, config: this.#config, position, sockets: handles.length });
    for (const handle of handles) tell(child, { kind: 'socket' }, handle);
    member.position = position;
  }

  #figures(): void {
    this.#registry.gauge('deckle_config_reload_ok', {}, () => 1);
    this.#registry.gauge('deckle_build_info', { version: VERSION, runtime: process.version }, () => 1);
    this.#registry.gauge('deckle_purge_lag', {}, () => {
      const tail = this.#purgeLog.tail();
      let lag = 0;
      for (const member of this.#members) {
        const at = member.position === undefined ? undefined : parsePosition(member.position);
        if (at !== undefined && comparePositions(at, tail) !== undefined) lag = Math.max(lag, Number(tail.low - at.low));
      }
      return lag;
    });
  }

  #backend(): AdminBackend {
    return {
      ready: () => {
        const late = this.#members.find((member) => !member.ready);
        if (this.#stopping !== undefined) return { ready: false, why: 'stopping' };
        return late === undefined ? { ready: true, why: '' } : { ready: false, why: `${late.plan.name}: ${late.why}` };
      },
      snapshot: () => this.#snapshot(),
      status: async () => {
        const nowMs = systemClock.monoMs();
        return {
          version: VERSION,
          configSerial: 1,
          purgePosition: formatPosition(this.#purgeLog.tail()),
          processes: this.#members.map((member) => ({
            name: member.plan.name,
            role: member.plan.role,
            pid: member.child?.pid,
            state: member.state,
            restarts: member.restarts,
            sinceMs: nowMs - member.sinceMs,
            position: member.position,
          })),
          nodes: this.#config.nodes.map((node) => {
            const member = this.#members.find((each) => each.plan.name === node.name);
            return {
              name: node.name,
              address: addressText(node.address),
              weight: node.weight,
              state: member === undefined ? ('unknown' as const) : member.state === 'up' ? ('up' as const) : ('down' as const),
              here: member !== undefined,
              maxConnections: node.max_connections,
            };
          }),
          sites: this.#config.sites.map(({ name, hosts, path, origin }) => ({ name, hosts, path, origin })),
        };
      },
      purge: (request) => this.#purger.purge(request),
    };
  }

  // Of this moment; of a process that does not answer at once, what it said last.
  async #snapshot(): Promise<Snapshot> {
    await Promise.all(this.#members.map((member) => member.freshen(FRESH_MS)));
    return mergeSnapshots([this.#registry.snapshot(), ...this.#members.map((member) => member.snapshot())]);
  }
}

/** Whether the config places a node on this machine (`here: auto`: its address is loopback or one of ours). */
export function isHere(node: NodeOptions): boolean {
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

/** Resolves with the first signal of the list. */
export async function firstSignal(...signals: readonly NodeJS.Signals[]): Promise<NodeJS.Signals> {
  const stop = new AbortController();
  try {
    return await Promise.race(signals.map((signal) => once(process, signal, { signal: stop.signal }).then(() => signal)));
  } finally {
    stop.abort();
  }
}
