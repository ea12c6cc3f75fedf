// Real programs that tests compare with: found on this machine, else installed with apt where that is allowed, and started on loopback.
//
// Promises: several test files may ask at once; one installs, the others wait and find it. Installing starts no service and
// says so in one line. Where nothing may be installed the error is the one line to type. A started program lives in a folder
// of its own and ends with the test, also when the test process ends without closing it.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

export type PeerName = 'nginx' | 'redis-server' | 'varnishd' | 'haproxy' | 'chromium' | 'wrk';

/** The Debian package of each program, and the other names it goes by. */
const PEERS: Readonly<Record<PeerName, { readonly pkg: string; readonly aliases: readonly string[] }>> = {
  nginx: { pkg: 'nginx', aliases: [] },
  'redis-server': { pkg: 'redis-server', aliases: ['valkey-server'] },
  varnishd: { pkg: 'varnish', aliases: [] },
  haproxy: { pkg: 'haproxy', aliases: [] },
  chromium: { pkg: 'chromium', aliases: ['chromium-browser', 'google-chrome-stable', 'google-chrome'] },
  wrk: { pkg: 'wrk', aliases: [] },
};

/** Where Debian keeps servers; a user's PATH often leaves these out. */
const SERVER_FOLDERS: readonly string[] = ['/usr/local/sbin', '/usr/sbin', '/sbin'];
const INSTALL_LIMIT_S = 480;
const START_LIMIT_MS = 10_000;
const STOP_LIMIT_MS = 5_000;
const PORT_TRIES = 5;

/** Runs under flock(1), whose lock dies with its holder. Arguments: program, package. What apt says is shown only when it failed. */
const INSTALL_SCRIPT = `
set -eu
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
command -v "$1" >/dev/null && exit 0
echo "tests: installing $2 with apt; its services stay stopped" >&2
said=$(mktemp)
policy=/usr/sbin/policy-rc.d
mark='# made by the tests of deckle'
undo() { rm -f "$said"; if grep -qs "$mark" "$policy"; then rm -f "$policy"; fi; }
trap undo EXIT
trap 'exit 1' HUP INT TERM
if [ ! -e "$policy" ]; then printf '#!/bin/sh\\n%s\\nexit 101\\n' "$mark" >"$policy"; chmod 755 "$policy"; fi
get() { apt-get -qq -y -o DPkg::Lock::Timeout=300 "$@" >>"$said" 2>&1 </dev/null; }
get install --no-install-recommends "$2" || { get update && get install --no-install-recommends "$2"; } || { tail -n 20 "$said" >&2; exit 1; }
`;

/**
 * The absolute path of a program. Looks on the PATH and in the folders of servers, then asks apt when this is root on Debian.
 * Throws an Error whose message is the line to type when the program is missing and cannot be installed.
 */
export async function findOrInstall(name: PeerName): Promise<string> {
  const found = find(name);
  if (found !== undefined) return found;
  const { pkg } = PEERS[name];
  const advice = `${name} is missing, type: sudo apt-get update && sudo apt-get install -y --no-install-recommends ${pkg}`;
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version') || find('apt-get') === undefined) throw new Error(advice);
  const installer = spawn(
    'timeout',
    [`${INSTALL_LIMIT_S}`, 'flock', '/run/deckle-tests-apt.lock', 'sh', '-c', INSTALL_SCRIPT, 'install', name, pkg],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const code = await new Promise((resolve) => {
    installer.once('error', () => resolve(undefined));
    installer.once('close', resolve);
  });
  const installed = find(name);
  if (code !== 0 || installed === undefined) throw new Error(advice);
  return installed;
}

export interface RunningPeer {
  readonly port: number;
  /** Its own folder: configuration, `error.log`, temporary files. Gone after close. */
  readonly dir: string;
  /** What it has written to its error log so far. */
  errorLog(): string;
  /** Resolves when the process has ended; safe to call again. */
  close(): Promise<void>;
}

/**
 * Starts nginx in the foreground on a free port of 127.0.0.1.
 * @param http what stands inside `http { }`; `@LISTEN@` and `@DIR@` become the address to listen on and the peer's own folder
 */
export async function startNginx(http: string): Promise<RunningPeer> {
  const program = await findOrInstall('nginx');
  for (let tries = 1; ; tries++) {
    const port = await freePort();
    const dir = mkdtempSync(join(tmpdir(), 'deckle-nginx-'));
    writeFileSync(join(dir, 'nginx.conf'), nginxConf(http, port, dir));
    const peer = runningPeer(spawnNginx(program, dir), port, dir);
    if (await accepts(peer.child, port)) return peer;
    const log = peer.errorLog();
    await peer.close();
    // Between the choice of the port and its use somebody else may take it.
    if (tries === PORT_TRIES || !log.includes('Address already in use')) throw new Error(`nginx did not start:\n${log}`);
  }
}

/** Starts Varnish before an HTTP server on loopback, with its own rules and 32 MB of memory. */
export async function startVarnish(backendPort: number): Promise<RunningPeer> {
  const program = await findOrInstall('varnishd');
  for (let tries = 1; ; tries++) {
    const port = await freePort();
    const dir = mkdtempSync(join(tmpdir(), 'deckle-varnish-'));
    const listen = ['-F', '-n', join(dir, 'v'), '-a', `127.0.0.1:${port}`, '-b', `127.0.0.1:${backendPort}`];
    const child = spawn(program, [...listen, '-s', 'malloc,32m', '-p', 'thread_pools=1'], { stdio: 'ignore' });
    const peer = runningPeer(child, port, dir);
    if (await accepts(child, port)) return peer;
    await peer.close();
    if (tries === PORT_TRIES) throw new Error('varnishd did not start');
  }
}

/**
 * What `nginx -t` says about a configuration.
 * @param http as for startNginx
 */
export async function testNginxConf(http: string): Promise<{ readonly ok: boolean; readonly said: string }> {
  const program = await findOrInstall('nginx');
  const dir = mkdtempSync(join(tmpdir(), 'deckle-nginx-'));
  try {
    writeFileSync(join(dir, 'nginx.conf'), nginxConf(http, await freePort(), dir));
    const child = spawnNginx(program, dir, '-t');
    const [code] = await once(child, 'close');
    return { ok: code === 0, said: logIn(dir) };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function find(name: string): string | undefined {
  const names = [name, ...(name in PEERS ? PEERS[name as PeerName].aliases : [])];
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter(isAbsolute);
  for (const alias of names) {
    for (const folder of [...folders, ...SERVER_FOLDERS]) {
      const path = join(folder, alias);
      if (isProgram(path)) return path;
    }
  }
  return undefined;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function nginxConf(http: string, port: number, dir: string): string {
  const body = http.replaceAll('@LISTEN@', `127.0.0.1:${port}`).replaceAll('@DIR@', dir);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((what) => `  ${what}_temp_path ${dir}/${what};`);
  return [
    // Workers of a root master would become a user who cannot read this folder.
    process.getuid?.() === 0 ? 'user root;' : '',
    'daemon off;',
    'worker_processes 1;',
    `pid ${dir}/nginx.pid;`,
    `error_log ${dir}/error.log notice;`,
    'events { worker_connections 512; }',
    'http {',
    '  access_log off;',
    ...temporary,
    body,
    '}',
    '',
  ].join('\n');
}

function spawnNginx(program: string, dir: string, ...more: readonly string[]): ChildProcess {
  return spawn(program, ['-p', dir, '-c', join(dir, 'nginx.conf'), '-e', join(dir, 'error.log'), ...more], { stdio: 'ignore' });
}

function runningPeer(child: ChildProcess, port: number, dir: string): RunningPeer & { readonly child: ChildProcess } {
  const kill = (): void => {
    // Not SIGKILL: the workers would outlive their master.
    child.kill('SIGTERM');
    rmSync(dir, { recursive: true, force: true });
  };
  process.once('exit', kill);
  const close = async (): Promise<void> => {
    if (!ended(child)) {
      child.kill('SIGTERM');
      const hard = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
      await once(child, 'close');
      clearTimeout(hard);
    }
    process.removeListener('exit', kill);
    rmSync(dir, { recursive: true, force: true });
  };
  return { child, port, dir, errorLog: () => logIn(dir), close };
}

function logIn(dir: string): string {
  const path = join(dir, 'error.log');
  return existsSync(path) ? readFileSync(path, 'latin1') : '';
}

function ended(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** True once the port takes a connection, false when the process ends first or the time is over. */
async function accepts(child: ChildProcess, port: number): Promise<boolean> {
  const until = performance.now() + START_LIMIT_MS;
  while (!ended(child) && performance.now() < until) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    // Somebody else's listener would answer too; ours is the one whose process still lives.
    if (open) return !ended(child);
    await pause(10);
  }
  return false;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('a TCP listener without a port');
  return address.port;
}
