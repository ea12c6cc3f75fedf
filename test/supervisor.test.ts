// `deckle start` and `deckle front|node` as real processes: how they stop, what refuses to start, what is replaced, what is written.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { stringify } from 'yaml';
import { startOrigin } from './support/bad-origin.ts';
import { decidedBy, take } from './support/client.ts';
import { type Edge, type EdgeSetup, freePorts, type Plain, PROGRAM, readConfig, startEdge, until } from './support/edge.ts';

async function edgeOf(t: TestContext, setup: EdgeSetup = {}): Promise<Edge> {
  const edge = await startEdge(setup);
  t.after(() => edge.close());
  return edge;
}

/** An origin whose body stops in the middle until it is let go; an edge before it. */
async function withSlowImage(t: TestContext) {
  const rest = Promise.withResolvers<void>();
  const origin = await startOrigin({
    answer: (_request, response) => {
      response.writeHead(200, { 'content-type': 'image/png', 'content-length': 16 });
      response.write(Buffer.from('89504e470d0a1a0a', 'hex'));
      void rest.promise.then(() => response.end('12345678'));
      return true;
    },
  });
  t.after(() => origin.close());
  const edge = await edgeOf(t, {
    config: {
      origins: { store: { urls: [origin.url] } },
      sites: [{ name: 'all', hosts: ['*'], path: '/', origin: 'store' }],
    },
  });
  const download = take(`${edge.front}/a.png`);
  await origin.arrived(1);
  return { edge, download, finish: () => rest.resolve() };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function pids(edge: Edge): Promise<readonly number[]> {
  return (await edge.stats()).processes.map(({ pid }) => pid);
}

async function refusesConnections(url: string): Promise<boolean> {
  return (await take(url, { mostMs: 2_000 })).fate === 'none';
}

test('SIGTERM: what is in flight is finished, nothing new is taken, exit code 0', async (t) => {
  const { edge, download, finish } = await withSlowImage(t);
  const children = await pids(edge);
  const stopped = edge.stop();
  await until('new connections are refused', () => refusesConnections(edge.front));
  assert.ok(edge.supervisor.exitCode === null, 'it waits for the download');
  finish();
  const { fate, bytes } = await download;
  assert.deepEqual({ fate, bytes }, { fate: 'whole', bytes: 16 });
  assert.equal(await stopped, 0);
  assert.deepEqual(children.filter(isAlive), []);
});

test('a second SIGTERM stops at once', async (t) => {
  const { edge, download } = await withSlowImage(t);
  const children = await pids(edge);
  edge.supervisor.kill('SIGTERM');
  await until('new connections are refused', () => refusesConnections(edge.front));
  const began = performance.now();
  const exited = once(edge.supervisor, 'exit');
  edge.supervisor.kill('SIGTERM');
  await exited;
  assert.ok(performance.now() - began < 5_000, 'well before stop_timeout');
  assert.notEqual((await download).fate, 'whole');
  await until('the children are gone', () => !children.some(isAlive));
});

test('the children end by themselves when the supervisor is killed', async (t) => {
  const edge = await edgeOf(t);
  const children = await pids(edge);
  assert.equal(children.length, 3);
  edge.supervisor.kill('SIGKILL');
  await until('the children are gone', () => !children.some(isAlive));
  assert.ok(await refusesConnections(edge.front));
});

/** A config beside those of a running edge, with its own folder. */
type Config = { [key: string]: Plain };

/** Starts what must refuse to start, from a config; ends it when it does not. */
async function refused(t: TestContext, config: Config, argv: readonly string[] = ['start']) {
  const folder = mkdtempSync(join(tmpdir(), 'deckle-refused-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'deckle.yaml');
  writeFileSync(file, stringify({ state: join(folder, 'var'), ...config }));
  const began = performance.now();
  const child = spawn(process.execPath, [PROGRAM, ...argv, '-c', file], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const late = setTimeout(() => child.kill('SIGKILL'), 15_000);
  await once(child, 'close');
  clearTimeout(late);
  return { code: child.exitCode, said, ms: performance.now() - began };
}

async function freshConfig(): Promise<Config> {
  const [front, admin, one, two] = await freePorts(4);
  return {
    front: { listen: `127.0.0.1:${front}` },
    admin: { listen: `127.0.0.1:${admin}` },
    nodes: [
      { name: 'n1', address: `127.0.0.1:${one}` },
      { name: 'n2', address: `127.0.0.1:${two}` },
    ],
    origins: { here: { directory: '.' } },
    sites: [{ hosts: ['*'], path: '/', origin: 'here' }],
  };
}

test('a second start is refused in one line: the same state folder, the same front port, also with two fronts each', async (t) => {
  const edge = await edgeOf(t, { config: { front: { processes: 2 } } });
  const running = readConfig(edge) as Config;
  const same = await refused(t, running);
  assert.equal(same.code, 1);
  assert.match(same.said, /^deckle: state folder .* is in use by another deckle \(process \d+\)\n$/);

  for (const processes of [1, 2]) {
    const config = { ...(await freshConfig()), front: { listen: `127.0.0.1:${edge.frontPort}`, processes } };
    const other = await refused(t, config);
    assert.equal(other.code, 1);
    assert.equal(other.said, `deckle: front: 127.0.0.1:${edge.frontPort} is taken by another program\n`);
  }
  assert.equal((await take(`${edge.front}/-/health`)).status, 200, 'the first one did not notice');
});

/** What keeps an edge from starting, and the line that says so. */
const HINDRANCES: readonly [name: string, change: (config: Config, taken: number) => Config, line: RegExp][] = [
  [
    'a missing directory',
    (config) => ({ ...config, origins: { here: { directory: 'no/such' } } }),
    /^deckle: .*no\/such.* does not exist\n$/,
  ],
  [
    'a directory that is a file',
    (config) => ({ ...config, origins: { here: { directory: '/etc/passwd' } } }),
    /^deckle: .*\/etc\/passwd is not a directory\n$/,
  ],
  [
    'a state folder below a file',
    (config) => ({ ...config, state: '/etc/passwd/x' }),
    /^deckle: state folder \/etc\/passwd\/x: .*\n$/,
  ],
  [
    'a taken admin port',
    (config, taken) => ({ ...config, admin: { listen: `127.0.0.1:${taken}` } }),
    /^deckle: admin: 127\.0\.0\.1:\d+ is taken by another program\n$/,
  ],
  [
    'a taken node port',
    (config, taken) => ({ ...config, nodes: [{ name: 'n1', address: `127.0.0.1:${taken}` }] }),
    /^deckle: node n1: 127\.0\.0\.1:\d+ is taken by another program\n$/,
  ],
  [
    'an address of another machine',
    (config) => ({ ...config, front: { listen: '192.0.2.1:8080' } }),
    /^deckle: front: 192\.0\.2\.1:8080 is not an address of this machine\n$/,
  ],
  [
    'an access log in no folder',
    (config) => ({ ...config, log: { access: '/no/such/access.log' } }),
    /^deckle: n\d: .*\/no\/such\/access\.log.*\n$/,
  ],
];

for (const [name, change, line] of HINDRANCES) {
  test(`no start: ${name}`, async (t) => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const { port } = server.address() as { port: number };
    const { code, said, ms } = await refused(t, change(await freshConfig(), port));
    assert.match(said, line);
    assert.equal(code, 1);
    assert.ok(ms < 10_000, `after ${ms} ms`);
  });
}

test('a node that dies is replaced, and what it had counted stays counted', async (t) => {
  const edge = await edgeOf(t, { config: { front: { hot: { size: 0 } } } });
  const url = `${edge.front}/aurora-lake.jpg`;
  const owner = decidedBy((await take(url)).headers);
  for (let at = 0; at < 20; at += 1) assert.equal((await take(url)).status, 200);
  const counted = () => edge.metric('deckle_requests_total', { role: 'node', node: owner });
  await until('the requests are counted', async () => (await counted()) === 21);
  const before = await edge.pid(owner);
  process.kill(before, 'SIGKILL');
  let least = Number.POSITIVE_INFINITY;
  await until('it is replaced', async () => {
    least = Math.min(least, await counted());
    const { processes } = await edge.stats();
    return processes.some(({ name, pid, state }) => name === owner && state === 'up' && pid !== before);
  });
  assert.ok(least >= 21, `the counter went down to ${least}`);
  assert.equal(await edge.metric('deckle_process_restarts_total', { process: owner }), 1);
  await until('it answers its images again', async () => decidedBy((await take(url)).headers) === owner);
  await until('old and new are added up', async () => (await counted()) > 21);
});

test('ps tells the processes apart', async (t) => {
  const edge = await edgeOf(t);
  for (const [name, words] of [
    ['front-1', 'front\x001'],
    ['n1', 'node\0n1'],
    ['n2', 'node\0n2'],
  ] as const) {
    const line = readFileSync(`/proc/${await edge.pid(name)}/cmdline`, 'latin1');
    assert.ok(line.endsWith(`${words}\0`), line.replaceAll('\0', ' '));
  }
});

interface LogLine {
  readonly who: string;
  readonly status: number;
  readonly target: string;
  readonly result: string;
  readonly reason?: string;
  readonly tries?: number;
}

test('the access log: JSON lines with results and reasons, reopened by SIGUSR1 after it was renamed', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'deckle-log-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'access.log');
  const old = join(folder, 'access.log.1');
  const edge = await edgeOf(t, { config: { log: { access: file } } });
  const lines = (from: string): readonly LogLine[] =>
    readFileSync(from, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as LogLine);

  await take(`${edge.front}/aurora-lake.jpg`);
  await take(`${edge.front}/a%00b?quoted="x"`);
  await until('both are written', () => lines(file).filter(({ who }) => who === 'front-1').length === 2);
  const [good, bad] = lines(file).filter(({ who }) => who === 'front-1');
  assert.deepEqual([good?.status, good?.target, good?.result, good?.tries], [200, '/aurora-lake.jpg', 'miss', 1]);
  assert.deepEqual([bad?.status, bad?.result, bad?.reason], [400, 'refused', 'path']);
  assert.ok(lines(file).some(({ who, result }) => /^n[12]$/.test(who) && result === 'miss'));

  renameSync(file, old);
  const pids = async () => (await edge.stats()).processes.map(({ pid }) => pid);
  const before = await pids();
  edge.supervisor.kill('SIGUSR1');
  const kept = () => lines(old).length;
  await until('the new file is written to', async () => {
    await take(`${edge.front}/aurora-lake.jpg`);
    try {
      return new Set(lines(file).map(({ who }) => who)).size === 2;
    } catch {
      return false;
    }
  });
  const after = kept();
  await take(`${edge.front}/sun`);
  await until('the last is written', () => lines(file).some(({ target }) => target === '/sun'));
  assert.equal(kept(), after, 'nobody writes to the old one any more');
  assert.deepEqual(await pids(), before, 'SIGUSR1 ends nobody');
  assert.equal(await edge.stop(), 0);
});

/** One process alone, until the test ends. */
async function alone(t: TestContext, argv: readonly string[], config: Config): Promise<ChildProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'deckle-alone-'));
  const file = join(folder, 'deckle.yaml');
  writeFileSync(file, stringify({ state: join(folder, 'var'), ...config }));
  const child = spawn(process.execPath, [PROGRAM, ...argv, '-c', file], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  assert.match(line.toString(), /^\S+ on http:\/\/\S+, figures on http:\/\/\S+\n$/);
  return child;
}

test('a node and a front alone: admin open, purges answered 503, SIGTERM exit 0', async (t) => {
  const [front, node, frontAdmin, nodeAdmin] = await freePorts(4);
  const origin = await startOrigin();
  t.after(() => origin.close());
  const config = (admin: number): Config => ({
    front: { listen: `127.0.0.1:${front}` },
    admin: { listen: `127.0.0.1:${admin}` },
    nodes: [{ name: 'n1', address: `127.0.0.1:${node}` }],
    origins: { store: { urls: [origin.url] } },
    sites: [{ hosts: ['*'], path: '/', origin: 'store' }],
  });
  const one = await alone(t, ['node', 'n1'], config(nodeAdmin!));
  const two = await alone(t, ['front'], config(frontAdmin!));
  const answer = await take(`http://127.0.0.1:${front}/a.jpg`);
  assert.equal(answer.sha256, origin.sha256('/a.jpg'));
  assert.equal(decidedBy(answer.headers), 'n1');
  for (const [admin, role] of [
    [frontAdmin, 'front'],
    [nodeAdmin, 'node'],
  ] as const) {
    const purge = await fetch(`http://127.0.0.1:${admin}/purge`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ urls: ['/a.jpg'] }),
    });
    assert.equal(purge.status, 503);
    const metrics = await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text();
    assert.match(metrics, new RegExp(`deckle_requests_total\\{[^}]*role="${role}"`));
    assert.equal((await fetch(`http://127.0.0.1:${admin}/-/ready`)).status, 200);
  }
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  await take(`http://127.0.0.1:${front}/a.jpg`, { agent });
  for (const child of [two, one]) {
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    assert.deepEqual(await exited, [0, null], 'an idle kept-alive client does not hold it');
  }
});

test('alone: what is refused is one line too', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const taken = `127.0.0.1:${(server.address() as { port: number }).port}`;
  const fresh = await freshConfig();
  for (const [argv, config, line] of [
    [['front'], { ...fresh, front: { listen: taken } }, /^deckle: front-1: 127\.0\.0\.1:\d+ is taken by another program\n$/],
    [['front'], { ...fresh, admin: { listen: taken } }, /^deckle: admin: 127\.0\.0\.1:\d+ is taken by another program\n$/],
    [['node', 'n9'], fresh, /^deckle: no node is called n9 \(the config has n1, n2\)\n$/],
    [
      ['node', 'n1'],
      { ...fresh, nodes: [{ name: 'n1', address: taken }] },
      /^deckle: n1: 127\.0\.0\.1:\d+ is taken by another program\n$/,
    ],
    [['node', 'n1'], { ...fresh, log: { access: '/no/such/access.log' } }, /^deckle: n1: .*\/no\/such\/access\.log.*\n$/],
  ] as const) {
    const { code, said } = await refused(t, config as Config, argv);
    assert.match(said, line);
    assert.equal(code, 1);
  }
});
