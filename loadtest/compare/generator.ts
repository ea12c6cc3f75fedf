// The load generator of a comparison, a process of its own: raw sockets, one request in flight on each, every answer checked.
// Usage (by compare.ts): fork with the name of a set of pictures; answers each `Job` with one `Outcome`.
// Promises: a window is bounded in time; processor time of the server and answers are counted between the same two moments; the
// length of every body is checked and every hundredth body byte by byte. A connection with a fault is given up, with its reason.

import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { Latencies } from '../latencies.ts';
import { cpuBetween, readCpu } from './cpu.ts';
import { isSetName, picturesOf } from './images.ts';
import { type Ask, planOf, type Traffic } from './plan.ts';
import { AnswerReader } from './reader.ts';

export interface Job {
  readonly port: number;
  readonly traffic: Traffic;
  readonly connections: number;
  /** How long is counted; not looked at for `warm`, which ends when every picture was asked for. */
  readonly seconds: number;
  /** The processes of the server. */
  readonly pids: readonly number[];
}

export type Outcome =
  | {
      readonly kind: 'done';
      readonly requests: number;
      readonly seconds: number;
      /** Nanoseconds of each process of the server. */
      readonly cpuNs: Readonly<Record<number, number>>;
      readonly p50Ms: number;
      readonly p99Ms: number;
      /** Connections given up, in the lead-in too. */
      readonly faults: number;
      /** The first reasons. */
      readonly reasons: readonly string[];
    }
  | { readonly kind: 'failed'; readonly why: string };

const LEAD_IN_MS = 500;
const WARM_LIMIT_MS = 60_000;
const COMPARE_EVERY = 100;
const MAX_REASONS = 5;
/** All connections read into one buffer: what came is looked at before the next read. */
const READ_BUFFER = Buffer.allocUnsafeSlow(256 * 1024);

const set = process.argv[2] ?? '';
if (!isSetName(set)) throw new Error(`no set of pictures is called ${set}`);
const pictures = picturesOf(set);
const plans = new Map<string, readonly (readonly Ask[])[]>();

/** What is counted from one moment on. */
interface Tally {
  requests: number;
  readonly latencies: Latencies;
}

class Run {
  tally: Tally = { requests: 0, latencies: new Latencies() };
  faults = 0;
  readonly reasons: string[] = [];
  readonly #clients: readonly Client[];
  #open: number;
  #ended: () => void = () => {};
  /** Resolves when no connection is left. */
  readonly ended = new Promise<void>((resolve) => {
    this.#ended = resolve;
  });

  constructor(job: Job) {
    const plan = planFor(job).filter((asks) => asks.length > 0);
    this.#open = plan.length;
    this.#clients = plan.map((asks, index) => new Client(this, job, asks, index));
  }

  fault(reason: string): void {
    this.faults += 1;
    if (this.reasons.length < MAX_REASONS) this.reasons.push(reason);
  }

  left(): void {
    this.#open -= 1;
    if (this.#open === 0) this.#ended();
  }

  stop(): void {
    for (const client of this.#clients) client.stop();
  }
}

class Client {
  readonly #run: Run;
  readonly #asks: readonly Ask[];
  readonly #once: boolean;
  readonly #reader = new AnswerReader();
  readonly #socket: Socket;
  #next = 0;
  #asked = 0;
  #beganMs = 0;
  #over = false;

  constructor(run: Run, job: Job, asks: readonly Ask[], index: number) {
    this.#run = run;
    this.#asks = asks;
    this.#once = job.traffic === 'warm';
    // Which of a hundred requests is compared byte by byte differs from connection to connection.
    this.#asked = index;
    const callback = (length: number) => {
      this.#take(length);
      return true;
    };
    this.#socket = connect({ port: job.port, host: '127.0.0.1', noDelay: true, onread: { buffer: READ_BUFFER, callback } });
    this.#socket.on('connect', () => this.#ask());
    this.#socket.on('error', (error) => this.#end(error.message));
    this.#socket.on('end', () => this.#end('the connection was closed'));
    this.#socket.on('close', () => this.#end('the connection was closed'));
  }

  stop(): void {
    this.#end(undefined);
  }

  #ask(): void {
    const ask = this.#asks[this.#next]!;
    this.#next = this.#next + 1 === this.#asks.length ? 0 : this.#next + 1;
    this.#asked += 1;
    this.#reader.expect(ask.picture.body, this.#once || this.#asked % COMPARE_EVERY === 0);
    this.#beganMs = performance.now();
    this.#socket.write(ask.request);
  }

  #take(length: number): void {
    if (this.#over) return;
    if (!this.#reader.take(READ_BUFFER, length)) {
      if (this.#reader.fault !== undefined) this.#end(this.#reader.fault);
      return;
    }
    const { tally } = this.#run;
    tally.requests += 1;
    tally.latencies.add(performance.now() - this.#beganMs);
    if (this.#once && this.#next === 0) this.#end(undefined);
    else this.#ask();
  }

  #end(fault: string | undefined): void {
    if (this.#over) return;
    this.#over = true;
    if (fault !== undefined) this.#run.fault(fault);
    this.#socket.destroy();
    this.#run.left();
  }
}

function planFor({ traffic, connections }: Job): readonly (readonly Ask[])[] {
  const key = `${traffic} ${connections}`;
  const plan = plans.get(key) ?? planOf(traffic, pictures, connections);
  plans.set(key, plan);
  return plan;
}

async function perform(job: Job): Promise<Outcome> {
  const run = new Run(job);
  if (job.traffic !== 'warm') await pause(LEAD_IN_MS);
  const before = readCpu(job.pids);
  const beganMs = performance.now();
  run.tally = { requests: 0, latencies: new Latencies() };
  const { tally } = run;
  const late = new AbortController();
  const limit = pause(job.traffic === 'warm' ? WARM_LIMIT_MS : job.seconds * 1000, 'time', { signal: late.signal });
  const first = await Promise.race([run.ended, limit.catch(() => undefined)]);
  late.abort();
  const after = readCpu(job.pids);
  const seconds = (performance.now() - beganMs) / 1000;
  const requests = tally.requests;
  const { latencies } = tally;
  run.stop();
  if (job.traffic === 'warm' && first === 'time') return { kind: 'failed', why: 'not every picture was answered in time' };
  return {
    kind: 'done',
    requests,
    seconds,
    cpuNs: Object.fromEntries(cpuBetween(before, after)),
    p50Ms: latencies.percentileMs(0.5),
    p99Ms: latencies.percentileMs(0.99),
    faults: run.faults,
    reasons: run.reasons,
  };
}

process.on('message', (job: Job) => {
  void perform(job).then(
    (outcome) => process.send?.(outcome),
    (error: unknown) => process.send?.({ kind: 'failed', why: (error as Error).message } satisfies Outcome),
  );
});
process.on('disconnect', () => process.exit());
