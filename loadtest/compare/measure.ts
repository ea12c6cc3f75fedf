// One row of the comparison: start everything, warm every cache, ask every server in every round, take the figures.
// Promises: all servers stay up through the row and are asked in another order each round; a cache is warm when a whole pass over the
// pictures brings no request to the origin; everything that was started is ended, whatever happens.

import { startWorker, type Worker } from './children.ts';
import type { Job, Outcome } from './generator.ts';
import type { CompareOptions } from './options.ts';
import type { OriginWord } from './origin.ts';
import type { Traffic } from './plan.ts';
import { closeServers, type Row, startServers } from './rows.ts';
import type { Server } from './servers.ts';
import type { Window } from './verdict.ts';

const CONNECTIONS = 64;
/** A front takes copies only of what is asked for often: that takes some passes, and not every picture gets there. */
const WARM_PASSES = 20;
const HOT_ENOUGH = 0.99;
const ANSWER_LIMIT_MS = 10_000;
const JOB_LIMIT_MS = 120_000;

export type Say = (line: string) => void;

/** Rejects with the reason of `signal` soon after it was aborted, with everything ended. */
export async function measureRow(row: Row, options: CompareOptions, signal: AbortSignal, say: Say): Promise<readonly Window[]> {
  const origin = startWorker<OriginWord, 'count'>(new URL('origin.ts', import.meta.url), row.set, options.clientCore);
  const generator = startWorker<Outcome, Job>(new URL('generator.ts', import.meta.url), row.set, options.clientCore);
  let servers: readonly Server[] = [];
  try {
    const word = await origin.ask(undefined, ANSWER_LIMIT_MS);
    if (!('port' in word)) throw new Error('the origin did not say its port');
    servers = await startServers(row, { core: options.serverCore, originPort: word.port }, options.wanted);
    const bench = new Bench(origin, generator, options.seconds, signal);
    for (const server of servers) {
      say(`row ${row.number}: warming ${server.name}`);
      await bench.warm(server);
    }
    const traffics = row.traffic.filter((traffic) => options.repeated || traffic !== 'repeated');
    const windows: Window[] = [];
    for (let round = 1; round <= options.rounds; round++) {
      for (const traffic of traffics) {
        for (const server of rotated(servers, round - 1)) {
          const window = await bench.window(server, traffic, round);
          windows.push(window);
          say(`row ${row.number}, round ${round} of ${options.rounds}: ${window.server}, ${traffic}: ${wordOf(window)}`);
        }
      }
    }
    return windows;
  } finally {
    await closeServers(servers);
    await generator.close();
    await origin.close();
  }
}

class Bench {
  readonly #origin: Worker<OriginWord, 'count'>;
  readonly #generator: Worker<Outcome, Job>;
  readonly #seconds: number;
  readonly #signal: AbortSignal;

  constructor(origin: Worker<OriginWord, 'count'>, generator: Worker<Outcome, Job>, seconds: number, signal: AbortSignal) {
    this.#origin = origin;
    this.#generator = generator;
    this.#seconds = seconds;
    this.#signal = signal;
  }

  async warm(server: Server): Promise<void> {
    let fromOrigin = Number.NaN;
    for (let pass = 1; pass <= WARM_PASSES; pass++) {
      const asked = await this.#originRequests();
      const { faults, reasons } = await this.#run(server, 'warm');
      if (faults > 0) throw new Error(`${server.name} cannot be warmed: ${reasons.join('; ')}`);
      fromOrigin = (await this.#originRequests()) - asked;
      const hot = (await server.hotShare?.()) ?? 1;
      if (fromOrigin === 0 && hot >= HOT_ENOUGH) return;
    }
    if (fromOrigin > 0) throw new Error(`${server.name} still asks the origin after ${WARM_PASSES} passes over the pictures`);
  }

  async window(server: Server, traffic: Traffic, round: number): Promise<Window> {
    const names = await server.pids();
    await server.hotShare?.();
    const asked = await this.#originRequests();
    const { requests, seconds, cpuNs, p50Ms, p99Ms, faults, reasons } = await this.#run(server, traffic, [...names.keys()]);
    const originRequests = (await this.#originRequests()) - asked;
    const hotShare = await server.hotShare?.();
    const byName: Record<string, number> = {};
    for (const [pid, name] of names) byName[name] = (byName[name] ?? 0) + (cpuNs[pid] ?? 0);
    const common = { round, server: server.name, traffic, requests, seconds, cpuNs: byName, p50Ms, p99Ms, faults, reasons };
    return { ...common, originRequests, ...(hotShare === undefined ? {} : { hotShare }) };
  }

  async #run(server: Server, traffic: Traffic, pids: readonly number[] = []): Promise<Extract<Outcome, { kind: 'done' }>> {
    const job: Job = { port: server.port, traffic, connections: CONNECTIONS, seconds: this.#seconds, pids };
    const outcome = await this.#generator.ask(job, JOB_LIMIT_MS, this.#signal);
    if (outcome.kind === 'failed') throw new Error(`${server.name}: ${outcome.why}`);
    return outcome;
  }

  async #originRequests(): Promise<number> {
    const word = await this.#origin.ask('count', ANSWER_LIMIT_MS);
    if (!('requests' in word)) throw new Error('the origin did not count');
    return word.requests;
  }
}

function rotated<T>(items: readonly T[], by: number): readonly T[] {
  const first = by % Math.max(1, items.length);
  return [...items.slice(first), ...items.slice(0, first)];
}

function wordOf({ requests, seconds, cpuNs, faults }: Window): string {
  const us = Object.values(cpuNs).reduce((sum, ns) => sum + ns, 0) / 1000 / requests;
  return `${us.toFixed(1)} µs, ${Math.round(requests / seconds)} a second${faults > 0 ? `, ${faults} WRONG` : ''}`;
}
