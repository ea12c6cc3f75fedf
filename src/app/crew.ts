// The crew: the child processes of a supervisor, started, watched and replaced with back-off.
// Promises: one process per member; a member that dies is replaced after 100 ms, doubled up to 5 s while it keeps dying; the
// counters of the dead are not lost. Knows nothing of configs and logs: its captain says what a member is told.

import { type ChildProcess, spawn } from 'node:child_process';
import type { Clock } from '../base/clock.ts';
import type { Ms } from '../base/units.ts';
import { metricEntry } from '../metrics/catalogue.ts';
import { mergeSnapshots, readSnapshot, type Snapshot } from '../metrics/registry.ts';
import { type ToSupervisor, tell } from './channel.ts';

export interface MemberPlan {
  readonly name: string;
  readonly role: 'front' | 'node';
  /** Arguments behind the program's name, so that `ps` shows the role. */
  readonly argv: readonly string[];
  /** The child is there and waits for its first word. */
  hello(child: ChildProcess): void;
}

export type MemberState = 'starting' | 'up' | 'down';

const FIRST_BACKOFF_MS: Ms = 100;
const LONGEST_BACKOFF_MS: Ms = 5_000;
/** A member that lived so long begins its back-off anew. */
const SETTLED_MS: Ms = 10_000;

export class Member {
  readonly plan: MemberPlan;
  readonly #crew: CrewHouse;
  child: ChildProcess | undefined;
  state: MemberState = 'down';
  sinceMs: Ms;
  restarts = 0;
  /** Position of the log it has applied, as text. */
  position: string | undefined;
  ready = false;
  why = 'starting';
  /** What it said when it could not start. */
  problem: string | undefined;
  #backoffMs = FIRST_BACKOFF_MS;
  #timer: NodeJS.Timeout | undefined;
  #retired: Snapshot = [];
  #latest: Snapshot = [];
  #ended = false;
  #asks = 0;
  #asking = new Map<number, () => void>();

  constructor(plan: MemberPlan, crew: CrewHouse) {
    this.plan = plan;
    this.#crew = crew;
    this.sinceMs = crew.clock.monoMs();
  }

  start(): void {
    this.#set('starting');
    const child = spawn(this.#crew.program, [...this.#crew.args, ...this.plan.argv], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: { ...this.#crew.env, DECKLE_CHILD: '1' },
    });
    this.child = child;
    child.on('message', (message: ToSupervisor) => this.#hear(child, message));
    child.on('error', (error) => {
      this.problem = error.message;
      // A process that could not be made never exits.
      if (child.pid === undefined) this.#gone(child);
    });
    child.on('exit', () => this.#gone(child));
  }

  /** Its figures, with the counters of its predecessors. */
  snapshot(): Snapshot {
    return mergeSnapshots([this.#retired, this.#latest]);
  }

  /** Asks for its figures; resolves when they came, when the process is gone, or after `mostMs`. */
  async freshen(mostMs: Ms): Promise<void> {
    const child = this.child;
    if (child === undefined || this.state !== 'up') return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const ask = ++this.#asks;
    this.#asking.set(ask, resolve);
    const timer = setTimeout(resolve, mostMs);
    tell(child, { kind: 'figures', ask });
    await promise;
    clearTimeout(timer);
    this.#asking.delete(ask);
  }

  /** It will not be replaced any more. */
  signal(signal: NodeJS.Signals): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.child?.kill(signal);
  }

  get alive(): boolean {
    return this.child !== undefined;
  }

  #hear(child: ChildProcess, message: ToSupervisor): void {
    if (child !== this.child) return;
    switch (message.kind) {
      case 'hello':
        this.plan.hello(child);
        return;
      case 'up':
        this.problem = undefined;
        this.#set('up');
        return;
      case 'failed':
        this.problem = message.message;
        this.#crew.changed();
        return;
      case 'figures':
        this.#latest = readSnapshot(message.snapshot);
        this.ready = message.ready;
        this.why = message.why;
        this.#asking.get(message.ask)?.();
        return;
      case 'applied':
        this.position = message.position;
        this.#crew.applied(this, message.position, message.removed);
        return;
    }
  }

  #gone(child: ChildProcess): void {
    if (child !== this.child) return;
    const livedMs = this.#crew.clock.monoMs() - this.sinceMs;
    const wasUp = this.state === 'up';
    this.child = undefined;
    this.ready = false;
    this.why = 'down';
    this.#retired = mergeSnapshots([this.#retired, this.#latest.filter(isLasting)]);
    this.#latest = [];
    for (const answer of this.#asking.values()) answer();
    this.#set('down');
    this.#crew.gone(this, child, this.#ended);
    if (this.#ended) return;
    if (wasUp && livedMs > SETTLED_MS) this.#backoffMs = FIRST_BACKOFF_MS;
    this.#timer = setTimeout(() => {
      this.restarts += 1;
      this.start();
    }, this.#backoffMs);
    this.#backoffMs = Math.min(LONGEST_BACKOFF_MS, this.#backoffMs * 2);
  }

  #set(state: MemberState): void {
    this.state = state;
    this.sinceMs = this.#crew.clock.monoMs();
    this.#crew.changed();
  }
}

export interface CrewHouse {
  readonly clock: Clock;
  readonly program: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  applied(member: Member, position: string, removed: number | null): void;
  /** @param ended it was told to end */
  gone(member: Member, child: ChildProcess, ended: boolean): void;
  /** Some member changed its state. */
  changed(): void;
}

function isLasting(series: Snapshot[number]): boolean {
  return metricEntry(series.name)?.kind !== 'gauge';
}
