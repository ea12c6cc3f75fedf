// `deckle start`: the processes that the config places on this machine, their log of purges and the admin listener.
// Promises: a process that dies is replaced; every process gets each record of the log in order; SIGTERM ends fronts first, then
// nodes, within stop_timeout. It is never on the path of a request. What can be refused was refused before (start.ts).

import type { AdminBackend } from '../admin/backend.ts';
import { type AdminServer, createAdminServer } from '../admin/server.ts';
import { addressText } from '../base/address.ts';
import { systemClock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { comparePositions, formatPosition, parsePosition } from '../base/position.ts';
import type { Ms } from '../base/units.ts';
import type { Config } from '../config/schema.ts';
import type { NodeOptions } from '../front/options.ts';
import { mergeSnapshots, Registry, type Snapshot } from '../metrics/registry.ts';
import type { PurgeLog } from '../purge/log.ts';
import { drawnAnswerToken, sharedAnswerToken } from './answer-token.ts';
import type { CertificateKeeper, Certificates, TlsMaterial } from './certificates.ts';
import { tell, toWire } from './channel.ts';
import { type CrewHouse, Member } from './crew.ts';
import { Purger } from './purger.ts';
import { bindProblem, type SlotSocket } from './sockets.ts';
import { VERSION } from './version.ts';

/** The program and the arguments that a child is started with, before its role. */
export interface Program {
  readonly program: string;
  readonly args: readonly string[];
}

/** What the supervisor takes over, and lets go of when it stops. */
export interface SupervisorParts extends Program {
  /** The nodes that run here. */
  readonly nodes: readonly NodeOptions[];
  /** Front processes. */
  readonly slots: number;
  /** For each address of front.listen, a socket per slot. */
  readonly sockets: readonly (readonly SlotSocket[])[];
  readonly purgeLog: PurgeLog;
  readonly certificates: CertificateKeeper;
  readonly log: Log;
  readonly unlock: () => void;
}

/** Nodes and fronts must be up within this after their start, or the start as a whole has failed. */
const START_MS: Ms = 20_000;

const NO_TLS: TlsMaterial = { certificates: [], ticketKeys: '' };

/** What a look at the figures waits for a process that is busy. */
const FRESH_MS: Ms = 500;

export class Supervisor {
  readonly #config: Config;
  readonly #sockets: readonly (readonly SlotSocket[])[];
  readonly #purgeLog: PurgeLog;
  readonly #certificates: CertificateKeeper;
  readonly #log: Log;
  readonly #unlock: () => void;
  readonly #members: readonly Member[];
  /** Of this start: a child that is replaced gets the same. */
  readonly #answerToken: string;
  readonly #registry = new Registry();
  readonly #purger: Purger;
  readonly #admin: AdminServer;
  readonly #stopFollowing: () => void;
  #changed: (() => void)[] = [];
  #stopping: Promise<void> | undefined;

  constructor(config: Config, parts: SupervisorParts) {
    const { nodes, slots, sockets, purgeLog, log } = parts;
    this.#config = config;
    this.#sockets = sockets;
    this.#purgeLog = purgeLog;
    this.#certificates = parts.certificates;
    this.#log = log;
    this.#unlock = parts.unlock;
    this.#answerToken = sharedAnswerToken(config.peers.secret) ?? drawnAnswerToken();
    const house = this.#house(parts);
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
    const deadlineMs = systemClock.monoMs() + START_MS;
    for (const role of ['node', 'front'] as const) {
      const members = this.#members.filter((member) => member.plan.role === role);
      for (const member of members) member.start();
      while (!members.every((member) => member.state === 'up')) {
        const failed = members.find((member) => member.problem !== undefined);
        if (failed !== undefined) return `${failed.plan.name}: ${failed.problem}`;
        const leftMs = deadlineMs - systemClock.monoMs();
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

  /** Renewed certificates, for every front that is there; one that comes later gets them with its first word. */
  certify(certificates: Certificates): void {
    for (const { plan, child } of this.#members)
      if (plan.role === 'front' && child !== undefined) tell(child, { kind: 'certificates', certificates });
  }

  async #stop(): Promise<void> {
    this.#certificates.close();
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

  #nextChange(mostMs: Ms): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, mostMs);
      this.#changed.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #house({ program, args }: Program): CrewHouse {
    return {
      clock: systemClock,
      program,
      args,
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
    // A node has no business with keys.
    const tls = role === 'front' ? this.#certificates.material : NO_TLS;
    tell(child, {
      kind: 'start',
      role,
      name,
      config: this.#config,
      position,
      sockets: handles.length,
      tls,
      answerToken: this.#answerToken,
    });
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
