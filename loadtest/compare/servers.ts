// The servers of a comparison, each on one core with equal memory and the settings an operator would give it: one worker or one pool
// of threads, no access log, connections kept alive. What is not said here is the program's own default.
// Promises: a server accepts connections when it is returned; `pids` are all its processes as they are now.

import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts, type Plain, startEdge } from '../../test/support/edge.ts';
import { findOrInstall, startNginx } from '../../test/support/peers.ts';
import { pin, startProgram } from './children.ts';
import { processTree } from './cpu.ts';
import { HOST } from './heads.ts';

/** What is measured, by the word that `--only` takes. */
export type ServerName = 'deckle-node' | 'deckle-front' | 'nginx' | 'haproxy' | 'varnish' | 'haproxy-varnish';

export interface Server {
  readonly name: ServerName;
  readonly port: number;
  /** Every process whose time counts, with what it is called. */
  pids(): Promise<ReadonlyMap<number, string>>;
  /** The share of its answers since it was last asked that were hot copies, where it has them. */
  hotShare?(): Promise<number>;
  close(): Promise<void>;
}

export interface Place {
  readonly core: number;
  readonly originPort: number;
}

/** For each cache; every set of pictures fits. */
const MEMORY_MB = 512;
const LARGEST_BYTES = 1024 * 1024;

export async function startNginxCache({ core, originPort }: Place): Promise<Server> {
  const folder = fastFolder('nginx');
  const http = `
  sendfile on; tcp_nopush on; tcp_nodelay on;
  open_file_cache max=4000 inactive=1h; open_file_cache_valid 60s;
  keepalive_timeout 3600s; keepalive_requests 1000000000;
  types { image/jpeg jpg; }
  proxy_cache_path ${folder}/cache levels=1:2 keys_zone=pictures:64m max_size=${MEMORY_MB}m inactive=1d use_temp_path=off;
  upstream origin { server 127.0.0.1:${originPort}; keepalive 64; }
  server {
    listen @LISTEN@ backlog=1024 reuseport;
    server_name ${HOST};
    location / {
      proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_cache pictures; proxy_cache_key $host$uri; proxy_cache_valid 200 1h; proxy_cache_lock on;
    }
  }`;
  const peer = await startNginx(http);
  const root = Number(readFileSync(join(peer.dir, 'nginx.pid'), 'latin1'));
  pin(root, core);
  return {
    name: 'nginx',
    port: peer.port,
    // The cache loader, which ends a minute after the start, answers nobody.
    pids: async () => new Map([...named(root, 'nginx')].filter(([pid]) => !titleOf(pid).includes('cache loader'))),
    close: async () => {
      await peer.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export async function startHaproxyCache({ core, originPort }: Place): Promise<Server> {
  const rules = `
  http-request cache-use pictures
  http-response cache-store pictures`;
  const cache = `
cache pictures
  total-max-size ${MEMORY_MB}
  max-object-size ${LARGEST_BYTES}
  max-age 3600`;
  return startHaproxy('haproxy', core, originPort, rules, cache);
}

export async function startVarnish({ core, originPort }: Place): Promise<Server> {
  const program = await findOrInstall('varnishd');
  const [port] = (await freePorts(1)) as [number];
  const folder = fastFolder('varnish');
  const argv = ['-F', '-n', join(folder, 'v'), '-a', `127.0.0.1:${port}`, '-b', `127.0.0.1:${originPort}`];
  const settings = ['-s', `malloc,${MEMORY_MB}m`, '-p', 'thread_pools=1', '-p', 'timeout_idle=3600', '-t', '3600'];
  return ofOne('varnish', port, folder, program, [...argv, ...settings], core);
}

/** Two hops of the peers: HAProxy, which balances and caches nothing, in front of Varnish. */
export async function startHaproxyVarnish(place: Place): Promise<Server> {
  const behind = await startVarnish(place);
  try {
    const front = await startHaproxy('haproxy-varnish', place.core, behind.port, '', '');
    return {
      ...front,
      pids: async () => new Map([...(await front.pids()), ...(await behind.pids())]),
      close: async () => {
        await front.close();
        await behind.close();
      },
    };
  } catch (error) {
    await behind.close();
    throw error;
  }
}

/** One node without a front, asked directly, with guard and metrics on. */
export function startDeckleNode(place: Place): Promise<Server> {
  return startDeckle('deckle-node', place, { processes: 0 }, false);
}

/** One front and one node, asked at the front, with guard and metrics on; the front keeps `hotMb` of copies. */
export function startDeckleFront(place: Place, hotMb: number): Promise<Server> {
  return startDeckle('deckle-front', place, { hot: { size: `${hotMb}MB` } }, hotMb > 0);
}

async function startDeckle(
  name: 'deckle-node' | 'deckle-front',
  { core, originPort }: Place,
  front: { readonly [key: string]: Plain },
  keepsCopies: boolean,
): Promise<Server> {
  const [nodePort] = (await freePorts(1)) as [number];
  const config: { readonly [key: string]: Plain } = {
    front,
    nodes: [{ name: 'n1', address: `127.0.0.1:${nodePort}`, memory: `${MEMORY_MB}MB`, disk: { size: 0 } }],
    origins: { pictures: { urls: [`http://127.0.0.1:${originPort}`] } },
    sites: [
      {
        name: 'pictures',
        hosts: [HOST],
        referers: { allow: ['none', 'blocked', 'server_names', '*.example.com'] },
      },
    ],
  };
  const edge = await startEdge({ config });
  const root = edge.supervisor.pid!;
  pin(root, core);
  let before = { hot: 0, all: 0 };
  const hotShare = async () => {
    const now = {
      hot: await edge.metric('deckle_requests_total', { role: 'front', result: 'hot' }),
      all: await edge.metric('deckle_requests_total', { role: 'front' }),
    };
    const share = (now.hot - before.hot) / Math.max(1, now.all - before.all);
    before = now;
    return share;
  };
  return {
    name,
    port: name === 'deckle-node' ? nodePort : edge.frontPort,
    pids: async () => {
      const { processes } = await edge.stats();
      const names = new Map(processes.map(({ pid, name: called }) => [pid, called]));
      return new Map(processTree(root).map((pid) => [pid, names.get(pid) ?? 'supervisor']));
    },
    ...(keepsCopies ? { hotShare } : {}),
    close: () => edge.close(),
  };
}

async function startHaproxy(name: ServerName, core: number, behind: number, rules: string, cache: string): Promise<Server> {
  const program = await findOrInstall('haproxy');
  const [port] = (await freePorts(1)) as [number];
  const folder = mkdtempSync(join(tmpdir(), 'deckle-haproxy-'));
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn 2000
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout http-keep-alive 1h
frontend clients
  bind 127.0.0.1:${port}${rules}
  default_backend pictures
backend pictures
  http-reuse always
  server s1 127.0.0.1:${behind}
${cache}
`,
  );
  return ofOne(name, port, folder, program, ['-db', '-f', file], core);
}

/** A server of one program with a folder, which goes when it ends or does not start. */
async function ofOne(
  name: ServerName,
  port: number,
  folder: string,
  program: string,
  argv: readonly string[],
  core: number,
): Promise<Server> {
  const forget = () => rmSync(folder, { recursive: true, force: true });
  const child = await startProgram(program, argv, core, port).catch((error: unknown) => {
    forget();
    throw error;
  });
  const called = name === 'varnish' ? 'varnish' : 'haproxy';
  return { name, port, pids: async () => named(child.pid, called), close: () => child.close().then(forget) };
}

function named(root: number, name: string): ReadonlyMap<number, string> {
  return new Map(processTree(root).map((pid) => [pid, name]));
}

/** What a process calls itself; the one that ends while others go on is the loader. */
function titleOf(pid: number): string {
  const file = `/proc/${pid}/cmdline`;
  return existsSync(file) ? readFileSync(file, 'latin1') : 'cache loader';
}

/** In memory where the machine has such a folder: no server is to wait for a disk here. */
function fastFolder(name: string): string {
  const shared = '/dev/shm';
  const usable = statSync(shared, { throwIfNoEntry: false })?.isDirectory() === true;
  return mkdtempSync(join(usable ? shared : tmpdir(), `deckle-${name}-`));
}
