// A real edge for tests: `deckle start` as an operator would type it, with a config of its own on free ports of loopback.
// Promises: `start` resolves when every process is ready; a failed start rejects with what the edge printed; the edge ends
// with the test process, also when nobody closes it. Ends only processes that it started.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parse, stringify } from 'yaml';

export const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url));
export const PROGRAM = join(CHECKOUT, 'src', 'deckle.js');

const READY_MS = 30_000;
const STOP_MS = 30_000;
const POLL_MS = 20;

export type Plain = string | number | boolean | null | readonly Plain[] | { readonly [key: string]: Plain };

export interface EdgeSetup {
  /** Merged over the defaults of this harness: one front, `nodes` nodes with 64 MB of memory. Maps merge, lists replace. */
  readonly config?: { readonly [key: string]: Plain };
  /** Names n1, n2, …; default 2. Left out when `config.nodes` is given. */
  readonly nodes?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly argv?: readonly string[];
}

export interface Edge {
  readonly folder: string;
  readonly configFile: string;
  readonly frontPort: number;
  readonly adminPort: number;
  /** By name. */
  readonly nodePorts: Readonly<Record<string, number>>;
  readonly front: string;
  readonly admin: string;
  readonly supervisor: ChildProcess;
  /** Everything printed so far, both streams. */
  output(): string;
  /** Process id of `n1`, `front-1` … as it is now. */
  pid(name: string): Promise<number>;
  stats(): Promise<Stats>;
  /** Sum of the series of a metric whose labels hold all of `labels`. */
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>;
  /** Runs `deckle ARGS -c CONFIG` and returns what it said. */
  deckle(...argv: readonly string[]): Promise<Said>;
  /** SIGTERM, then the exit code. */
  stop(): Promise<number | null>;
  /** Ends it at once and removes its folder. */
  close(): Promise<void>;
}

export interface Stats {
  readonly processes: readonly {
    readonly name: string;
    readonly role: string;
    readonly pid: number;
    readonly state: string;
    readonly restarts: number;
  }[];
}

export interface Said {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/**
 * Ports for processes that are about to start: below the range that the kernel gives out by itself, and in a strip of this process's
 * own, since a port that was tried and let go must still be free when its process binds it, with other test files running.
 */
const FIRST_PORT = 10_000;
const STRIP = 40;
const STRIPS = 550;
let nextPort = 0;

/** Free ports of loopback, all different. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports: number[] = [];
  for (let tries = 0; ports.length < count; tries += 1) {
    if (tries > STRIP * STRIPS) throw new Error('no free ports');
    // A strip of which all is in use is followed by the next.
    const lap = Math.floor(tries / STRIP);
    const port = FIRST_PORT + ((process.pid + lap) % STRIPS) * STRIP + (nextPort % STRIP);
    nextPort += 1;
    if (!ports.includes(port) && (await isFree(port))) ports.push(port);
  }
  return ports;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

export async function startEdge(setup: EdgeSetup = {}): Promise<Edge> {
  const count = setup.nodes ?? 2;
  const [frontPort, adminPort, ...ports] = (await freePorts(2 + count)) as [number, number, ...number[]];
  const folder = mkdtempSync(join(tmpdir(), 'deckle-edge-'));
  const base = {
    state: join(folder, 'var'),
    stop_timeout: '10s',
    front: { listen: `127.0.0.1:${frontPort}` },
    admin: { listen: `127.0.0.1:${adminPort}` },
    nodes: ports.map((port, at) => ({ name: `n${at + 1}`, address: `127.0.0.1:${port}`, memory: '64MB' })),
    origins: { samples: { directory: join(CHECKOUT, 'samples') } },
    log: { level: 'warn' },
  };
  const config = merge(base, setup.config ?? {}) as typeof base;
  const configFile = join(folder, 'deckle.yaml');
  writeFileSync(configFile, stringify(config));
  const env = { ...process.env, ...setup.env };
  delete env['NODE_TEST_CONTEXT'];
  const supervisor = spawn(process.execPath, [PROGRAM, 'start', '-c', configFile, ...(setup.argv ?? [])], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  const keep = (chunk: Buffer) => {
    printed = (printed + chunk.toString()).slice(-256 * 1024);
  };
  supervisor.stdout.on('data', keep);
  supervisor.stderr.on('data', keep);
  const endWithUs = () => supervisor.kill('SIGKILL');
  process.on('exit', endWithUs);
  const gone = () => supervisor.exitCode !== null || supervisor.signalCode !== null;
  const exited = once(supervisor, 'exit');
  const admin = `http://127.0.0.1:${adminPort}`;

  const edge: Edge = {
    folder,
    configFile,
    frontPort,
    adminPort,
    nodePorts: Object.fromEntries(config.nodes.map((node) => [node.name, Number(node.address.split(':').at(-1))])),
    front: `http://127.0.0.1:${frontPort}`,
    admin,
    supervisor,
    output: () => printed,
    stats: async () => (await (await fetch(`${admin}/stats.json`)).json()) as Stats,
    pid: async (name) => {
      const found = (await edge.stats()).processes.find((process) => process.name === name);
      if (found === undefined) throw new Error(`no process is called ${name}`);
      return found.pid;
    },
    metric: async (name, labels = {}) => sumOf(await (await fetch(`${admin}/metrics`)).text(), name, labels),
    deckle: (...argv) => runDeckle([...argv, '-c', configFile], folder),
    stop: async () => {
      if (!gone()) supervisor.kill('SIGTERM');
      const late = setTimeout(() => supervisor.kill('SIGKILL'), STOP_MS);
      await exited;
      clearTimeout(late);
      return supervisor.exitCode;
    },
    close: async () => {
      process.off('exit', endWithUs);
      if (!gone()) {
        // The second word makes the supervisor end its children at once.
        supervisor.kill('SIGTERM');
        supervisor.kill('SIGINT');
        const late = setTimeout(() => supervisor.kill('SIGKILL'), STOP_MS);
        await exited;
        clearTimeout(late);
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };

  const deadline = Date.now() + READY_MS;
  // Its own word first: whoever else answers on that port is not this edge.
  while (!printed.includes('dashboard ') || !(await isReady(admin))) {
    if (gone() || Date.now() > deadline) {
      await edge.close();
      throw new Error(`the edge did not start:\n${printed}`);
    }
    await pause(POLL_MS);
  }
  return edge;
}

/** Waits until `condition` holds, looking again and again; fails after `mostMs`. */
export async function until(what: string, condition: () => Promise<boolean> | boolean, mostMs = 20_000): Promise<void> {
  const deadline = Date.now() + mostMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${mostMs} ms: ${what}`);
    await pause(POLL_MS);
  }
}

/** A deckle command to its end. */
export async function runDeckle(argv: readonly string[], cwd: string, env: Readonly<Record<string, string>> = {}): Promise<Said> {
  const child = spawn(process.execPath, [PROGRAM, ...argv], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  await once(child, 'close');
  return { code: child.exitCode, out, err };
}

async function isReady(admin: string): Promise<boolean> {
  try {
    return (await fetch(`${admin}/-/ready`)).status === 200;
  } catch {
    return false;
  }
}

function sumOf(text: string, name: string, labels: Readonly<Record<string, string>>): number {
  let sum = 0;
  for (const line of text.split('\n')) {
    const match = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (match?.[1] !== name) continue;
    const held = match[2] ?? '';
    if (Object.entries(labels).every(([label, value]) => `,${held}`.includes(`,${label}="${value}"`))) sum += Number(match[3]);
  }
  return sum;
}

function merge(base: unknown, over: unknown): unknown {
  if (!isMap(base) || !isMap(over)) return over;
  const merged: Record<string, unknown> = { ...base };
  // Origins are a whole of their own: the default one must not stay beside those that were asked for.
  for (const [key, value] of Object.entries(over))
    merged[key] = key in base && key !== 'origins' ? merge(base[key], value) : value;
  return merged;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The config of an edge as it was written. */
export function readConfig(edge: Edge): unknown {
  return parse(readFileSync(edge.configFile, 'utf8'));
}
