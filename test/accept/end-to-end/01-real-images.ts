// From nothing to real photographs: a fresh clone on the machine's own Node, the images of two Debian packages byte by byte, a
// packed file installed globally. The bounded twin serves the samples only: a fresh clone is what every run of CI begins with.

import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, extname, join } from 'node:path';
import { installGlobally, mustRun, olderNode, packageVersion, runCommand, underThisNode } from '../../support/commands.ts';
import { CHECKOUT, type Edge, freePorts, startEdge, until } from '../../support/edge.ts';
import { exactly, type Line, type Row } from '../line.ts';

const FRONT = 'http://127.0.0.1:8080';
const DASHBOARD = 'http://127.0.0.1:8081';
const OWN_PORTS = [8080, 8081, 7101, 7102];
const PACKAGES = ['mate-backgrounds', 'gnome-backgrounds'];
/** Kept from run to run: the packages are 80 MB. */
const DOWNLOADS = join(tmpdir(), 'deckle-debian-backgrounds');
const IMAGE = /\.(?:jpe?g|png|webp|avif|gif|svg|jxl|tiff?|bmp)$/i;
const INSTALL_MOST_MS = 300_000;
const START_MOST_MS = 60_000;
const STOP_MOST_MS = 30_000;
const MB = 1024 * 1024;

export const line: Line = {
  number: 1,
  title: 'two commands on a fresh machine, and real images come back byte by byte',
  measure: async (scale) => {
    if (scale === 'bounded') return samples();
    const folder = mkdtempSync(join(tmpdir(), 'deckle-fresh-'));
    try {
      const clone = join(folder, 'clone');
      return [...(await freshClone(clone)), ...(await packages()), ...(await packedFile(clone, folder))];
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

// ---- a fresh clone -----------------------------------------------------------------------------------------------------------

async function freshClone(clone: string): Promise<readonly Row[]> {
  const changed = (await mustRun(['git', 'status', '--porcelain'], { cwd: CHECKOUT })).out
    .split('\n')
    .filter((each) => each !== '');
  await mustRun(['git', 'clone', '--quiet', CHECKOUT, clone], { cwd: tmpdir() });
  const commit = (await mustRun(['git', 'rev-parse', '--short', 'HEAD'], { cwd: clone })).out.trim();
  const note = changed.length === 0 ? '' : `, without ${changed.length} changes that are not committed`;
  const cloned: Row = { asked: 'a fresh clone of the committed state', reached: `${commit}${note}`, ok: true };

  const taken = await takenPorts();
  if (taken.length > 0)
    return [cloned, { asked: `ports ${OWN_PORTS.join(' ')} are free`, reached: `taken: ${taken.join(' ')}`, ok: false }];
  const node = olderNode();
  if (node === undefined)
    return [cloned, { asked: 'a Node on the PATH that is older than 24', reached: 'there is none', ok: false }];

  const env = machineEnv(node);
  const version = (await mustRun([node, '--version'], { cwd: clone })).out.trim();
  const installed = await runCommand(['npm', 'ci'], { cwd: clone, env, mostMs: INSTALL_MOST_MS });
  const rows: Row[] = [
    cloned,
    {
      asked: `npm ci under Node ${version}`,
      reached: installed.code === 0 ? `done in ${(installed.wallMs / 1000).toFixed(1)} s` : `${installed.code}: ${installed.err}`,
      ok: installed.code === 0,
    },
  ];
  return installed.code === 0 ? [...rows, ...(await npmStart(clone, env, version))] : rows;
}

/** The PATH of a shell on this machine: the Node that is linked into a checkout is not on it. */
function machineEnv(node: string): Record<string, string | undefined> {
  const path = (process.env['PATH'] ?? '').split(':').filter((folder) => !folder.includes('node_modules'));
  const kept = Object.keys(process.env).filter((name) => !/^(?:npm_|NODE)/i.test(name) && name !== 'INIT_CWD');
  const gone = Object.keys(process.env).filter((name) => !kept.includes(name));
  return {
    ...Object.fromEntries(gone.map((name) => [name, undefined])),
    PATH: [dirname(node), ...path].join(':'),
    npm_config_prefer_offline: 'true',
  };
}

async function npmStart(clone: string, env: Record<string, string | undefined>, version: string): Promise<readonly Row[]> {
  const begun = performance.now();
  // A group of its own: npm, its shell and the edge are ended together, as Ctrl-C would.
  const edge = spawn('npm', ['start'], {
    cwd: clone,
    env: { ...process.env, ...env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  for (const stream of [edge.stdout, edge.stderr]) stream.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  const group = (signal: NodeJS.Signals): void => {
    if (edge.pid !== undefined && edge.exitCode === null && edge.signalCode === null) process.kill(-edge.pid, signal);
  };
  const endWithUs = (): void => group('SIGKILL');
  process.on('exit', endWithUs);
  try {
    await until('npm start is ready', () => edge.exitCode !== null || isUp(printed), START_MOST_MS);
    const upSeconds = ((performance.now() - begun) / 1000).toFixed(1);
    const urls = sampleUrls(printed);
    const rows: Row[] = [
      {
        asked: `npm start under Node ${version}`,
        reached: edge.exitCode === null ? `up in ${upSeconds} s` : printed,
        ok: edge.exitCode === null,
      },
      ...bannerRows(printed, FRONT, DASHBOARD),
    ];
    for (const url of urls) rows.push(await missThenHit(url, async () => curlHead(url, clone)));
    const stopped = await stopGroup(edge, group);
    return [...rows, { asked: 'SIGINT to the group, as Ctrl-C: it ends and frees its ports', ...stopped }];
  } finally {
    group('SIGKILL');
    process.off('exit', endWithUs);
  }
}

async function stopGroup(edge: ChildProcess, group: (signal: NodeJS.Signals) => void): Promise<Pick<Row, 'reached' | 'ok'>> {
  const begun = performance.now();
  group('SIGINT');
  try {
    await until(
      'it has ended',
      async () => (edge.exitCode !== null || edge.signalCode !== null) && (await takenPorts()).length === 0,
      STOP_MOST_MS,
    );
  } catch {
    return { reached: `ports still taken: ${(await takenPorts()).join(' ')}`, ok: false };
  }
  return { reached: `in ${((performance.now() - begun) / 1000).toFixed(1)} s`, ok: true };
}

function isUp(printed: string): boolean {
  return sampleUrls(printed).length > 0;
}

function sampleUrls(printed: string): readonly string[] {
  return [...printed.matchAll(/^try\s+(http\S+)$/gm)].map((match) => match[1]!);
}

function bannerRows(printed: string, front: string, dashboard: string): readonly Row[] {
  const urls = sampleUrls(printed);
  return [
    exactly('the address of the images is printed', printed.includes(front), true),
    exactly('the address of the dashboard is printed', printed.includes(dashboard), true),
    exactly('sample URLs to try', urls.length, 3),
    exactly('warnings and stacks printed', printed.split('\n').filter((each) => /warning|^\s+at /i.test(each)).length, 0),
  ];
}

async function takenPorts(): Promise<readonly number[]> {
  const answers = await Promise.all(
    OWN_PORTS.map(
      (port) =>
        new Promise<boolean>((resolve) => {
          const socket = createConnection({ host: '127.0.0.1', port }, () => {
            socket.destroy();
            resolve(true);
          });
          socket.on('error', () => resolve(false));
        }),
    ),
  );
  return OWN_PORTS.filter((_, at) => answers[at]);
}

// ---- miss, then hit ----------------------------------------------------------------------------------------------------------

interface Head {
  readonly status: number;
  readonly cacheStatus: string;
  readonly age: string;
}

async function curlHead(url: string, cwd: string): Promise<Head> {
  const { out } = await mustRun(['curl', '-sI', url], { cwd });
  const field = (name: string): string => new RegExp(`^${name}: (.*?)\\r?$`, 'mi').exec(out)?.[1] ?? '';
  return { status: Number(out.split(' ')[1]), cacheStatus: field('cache-status'), age: field('age') };
}

async function fetchHead(url: string): Promise<Head> {
  const { status, headers } = await fetch(url, { method: 'HEAD' });
  return { status, cacheStatus: headers.get('cache-status') ?? '', age: headers.get('age') ?? '' };
}

async function missThenHit(url: string, head: () => Promise<Head>): Promise<Row> {
  const first = await head();
  const second = await head();
  const said = [first, second].map(({ status, cacheStatus, age }) => `${status} "${cacheStatus}" Age ${age || '-'}`);
  return {
    asked: `HEAD twice: ${new URL(url).pathname}: a miss, then a hit with an Age`,
    reached: said.join(', then '),
    ok:
      first.status === 200 &&
      second.status === 200 &&
      /; fwd=uri-miss\b.*; stored/.test(first.cacheStatus) &&
      /; hit\b/.test(second.cacheStatus) &&
      /^\d+$/.test(second.age),
  };
}

// ---- byte by byte ------------------------------------------------------------------------------------------------------------

async function samples(): Promise<readonly Row[]> {
  const root = join(CHECKOUT, 'samples');
  const edge = await startEdge();
  try {
    const urls = sampleUrls(edge.output());
    const rows = [...bannerRows(edge.output(), edge.front, edge.admin)];
    for (const url of urls) rows.push(await missThenHit(url, () => fetchHead(url)));
    // Those three are stored already.
    const tried = new Set(urls.map((url) => decodeURIComponent(new URL(url).pathname.slice(1))));
    const images = readdirSync(root).filter((name) => IMAGE.test(name) && !tried.has(name));
    return [...rows, ...(await servedFrom(edge, root, images, 'samples'))];
  } finally {
    await edge.close();
  }
}

async function packages(): Promise<readonly Row[]> {
  const root = await backgrounds();
  const images = globSync('**/*', { cwd: root }).filter((name) => IMAGE.test(name) && lstatSync(join(root, name)).isFile());
  const total = images.reduce((sum, name) => sum + lstatSync(join(root, name)).size, 0);
  // Whichever node a picture falls to has room for it.
  const memory = `${Math.ceil((2 * total) / MB) + 64}MB`;
  const ports = await freePorts(2);
  const nodes = ports.map((port, at) => ({ name: `n${at + 1}`, address: `127.0.0.1:${port}`, memory }));
  const edge = await startEdge({ config: { origins: { pictures: { directory: root } }, nodes } });
  try {
    return await servedFrom(edge, root, images, PACKAGES.join(' and '));
  } finally {
    await edge.close();
  }
}

/** The unpacked packages, downloaded when they are not here yet. */
async function backgrounds(): Promise<string> {
  const tree = join(DOWNLOADS, 'tree');
  mkdirSync(DOWNLOADS, { recursive: true });
  const options = { cwd: DOWNLOADS, mostMs: INSTALL_MOST_MS };
  for (const name of PACKAGES) {
    const here = () => readdirSync(DOWNLOADS).find((file) => file.startsWith(`${name}_`) && file.endsWith('.deb'));
    if (here() === undefined && (await runCommand(['apt-get', 'download', name], options)).code !== 0) {
      await mustRun(['apt-get', 'update'], options);
      await mustRun(['apt-get', 'download', name], options);
    }
    if (!existsSync(join(tree, 'usr', 'share', 'doc', name))) await mustRun(['dpkg-deb', '-x', here()!, tree], options);
  }
  return tree;
}

/** Every image twice: from the origin, then from memory. */
async function servedFrom(edge: Edge, root: string, names: readonly string[], of: string): Promise<readonly Row[]> {
  const rows: Row[] = [summaryRow(root, names, of)];
  for (const [what, wanted] of [
    ['from the origin', /; fwd=uri-miss\b.*; stored/],
    ['from memory', /; hit\b/],
  ] as const) {
    const faults: string[] = [];
    for (const name of names) {
      const answer = await fetch(`${edge.front}/${name.split('/').map(encodeURIComponent).join('/')}`);
      const got = createHash('sha256')
        .update(Buffer.from(await answer.arrayBuffer()))
        .digest('hex');
      const cacheStatus = answer.headers.get('cache-status') ?? '';
      if (answer.status !== 200 || got !== sha256(join(root, name))) faults.push(`${name}: ${answer.status}, other bytes`);
      else if (!wanted.test(cacheStatus)) faults.push(`${name}: ${cacheStatus}`);
    }
    rows.push({
      asked: `${names.length} images of ${of} ${what}, equal by hash`,
      reached: faults.length === 0 ? `${names.length} of ${names.length}` : faults.join(' | '),
      ok: faults.length === 0 && names.length > 0,
    });
  }
  const objects = await edge.metric('deckle_cache_objects', { tier: 'memory' });
  return [...rows, { asked: 'all of them are in memory', reached: `${objects} objects`, ok: objects >= names.length }];
}

function summaryRow(root: string, names: readonly string[], of: string): Row {
  const counts = new Map<string, number>();
  let total = 0;
  let biggest = { name: '', bytes: 0 };
  for (const name of names) {
    const kind = extname(name).slice(1).toLowerCase();
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    const bytes = lstatSync(join(root, name)).size;
    total += bytes;
    if (bytes > biggest.bytes) biggest = { name, bytes };
  }
  const kinds = [...counts].map(([kind, count]) => `${count} ${kind}`).join(', ');
  const mb = (bytes: number): string => `${(bytes / MB).toFixed(1)} MB`;
  return {
    asked: `images of ${of}`,
    reached: `${names.length}: ${kinds}; ${mb(total)} in all, the biggest ${mb(biggest.bytes)} (${biggest.name})`,
    ok: names.length > 0,
  };
}

function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

// ---- the packed file ---------------------------------------------------------------------------------------------------------

async function packedFile(clone: string, folder: string): Promise<readonly Row[]> {
  if (!existsSync(join(clone, 'node_modules'))) return [exactly('the packed file', 'not packed: npm ci failed', 'installed')];
  const env = underThisNode();
  const packed = await mustRun(['npm', 'pack', '--pack-destination', folder], { cwd: clone, env });
  const program = await installGlobally(join(folder, packed.out.trim().split('\n').at(-1)!), join(folder, 'prefix'));
  const version = await runCommand([program, '--version'], { cwd: folder, env });
  const config = join(clone, 'config', 'deckle.yaml');
  const checked = await runCommand([program, 'check', '-c', config], { cwd: folder, env });
  return [
    exactly(
      `npm i -g of the packed file under Node ${process.versions.node}: deckle --version`,
      version.out.trim(),
      packageVersion(),
    ),
    exactly('and deckle check of the shipped config, exit code', checked.code ?? 'killed', 0),
  ];
}
