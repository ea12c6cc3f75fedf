// A config that is wrong is refused at once, by `deckle start` and `deckle check` alike, every fault in a line of its own at its
// place. So is a start that another deckle or another program stands in the way of.
// Wall time is what an operator waits; the processor time beside it shows what of it was deckle's on a busy machine.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BAD_CONFIGS, type BadConfig } from '../../fixtures/bad-config/cases.ts';
import { type Ran, runCommand } from '../../support/commands.ts';
import { freePorts, PROGRAM, startEdge } from '../../support/edge.ts';
import { atMost, exactly, type Line, type Row, type Scale } from '../line.ts';

const REFUSED_WITHIN_MS = 1_000;
const BOUNDED_CASES = 12;
/** Writes the processor time of a process, in milliseconds, to the file that the variable names. */
const METER = `data:text/javascript,import{writeFileSync}from'node:fs';process.on('exit',()=>{const{user,system}=process.cpuUsage();writeFileSync(process.env.CPU_FILE,String((user+system)/1000))})`;

interface Measured extends Ran {
  readonly cpuMs: number;
}

export const line: Line = {
  number: 6,
  title: 'bad configs and taken places are refused within a second, each fault at its file, line and column',
  measure: async (scale) => {
    const folder = mkdtempSync(join(tmpdir(), 'deckle-bad-config-'));
    try {
      return [...(await badConfigs(scale, folder)), ...(await badSurroundings(folder)), ...(await takenPlaces(folder))];
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

async function deckle(folder: string, ...argv: readonly string[]): Promise<Measured> {
  const cpuFile = join(folder, 'cpu');
  const env = { CPU_FILE: cpuFile, DECKLE_CONFIG: undefined };
  const ran = await runCommand([process.execPath, '--import', METER, PROGRAM, ...argv], { cwd: folder, env, mostMs: 60_000 });
  return { ...ran, cpuMs: Number(readFileSync(cpuFile, 'utf8')) };
}

/** Evenly over the list, so that every kind of fault is among them. */
function chosen(scale: Scale): readonly BadConfig[] {
  if (scale === 'full') return BAD_CONFIGS;
  return Array.from({ length: BOUNDED_CASES }, (_, at) => BAD_CONFIGS[Math.floor((at * BAD_CONFIGS.length) / BOUNDED_CASES)]!);
}

async function badConfigs(scale: Scale, folder: string): Promise<readonly Row[]> {
  const cases = chosen(scale);
  const ran: Measured[] = [];
  const wrong: string[] = [];
  for (const each of cases) {
    writeFileSync(join(folder, 'deckle.yaml'), each.text);
    for (const command of ['start', 'check']) {
      const said = await deckle(folder, command, '-c', 'deckle.yaml');
      ran.push(said);
      const fault = faultOf(said, each.problems);
      if (fault !== undefined) wrong.push(`${command}, ${each.name}: ${fault}`);
    }
  }
  const typos = cases.filter(({ problems }) => problems.some((problem) => problem.includes('did you mean'))).length;
  return [
    {
      asked: `${cases.length} bad configs (${typos} of them typos) by start and check: exit code 1, a line per fault`,
      reached: wrong.length === 0 ? `${ran.length} of ${ran.length}` : wrong.join(' | '),
      ok: wrong.length === 0,
    },
    slowest('the slowest refusal', ran),
  ];
}

/** What is wrong with how a config was refused. The expected problems are `line:col path: gist`. */
function faultOf(said: Ran, problems: readonly string[]): string | undefined {
  if (said.code !== 1) return `exit code ${said.code}`;
  if (said.out !== '') return `wrote to standard output: ${said.out}`;
  const lines = said.err.split('\n').slice(0, -1);
  if (lines.length !== problems.length) return `${lines.length} lines for ${problems.length} faults: ${said.err}`;
  const missing = problems.find((problem) => !lines.some((text) => tells(text, problem)));
  return missing === undefined ? undefined : `no line tells ${missing}, but: ${said.err}`;
}

function tells(text: string, problem: string): boolean {
  const [, place, path, gist] = /^(\d+:\d+) (.*?): (.*)$/.exec(problem) ?? [];
  const start = path === '' ? `deckle.yaml:${place}: ` : `deckle.yaml:${place}: ${path}: `;
  return text.startsWith(start) && text.slice(start.length).includes(gist!);
}

function slowest(what: string, ran: readonly Measured[]): Row {
  const wall = Math.round(Math.max(...ran.map(({ wallMs }) => wallMs)));
  const cpu = Math.round(Math.max(...ran.map(({ cpuMs }) => cpuMs)));
  const row = atMost(what, wall, REFUSED_WITHIN_MS, ' ms');
  return { ...row, reached: `${row.reached} (processor time: ${cpu} ms at most)` };
}

interface Refusal {
  readonly what: string;
  readonly said: Measured;
  readonly wanted: RegExp;
}

function refusals(all: readonly Refusal[]): readonly Row[] {
  return [
    ...all.map(({ what, said, wanted }) => {
      const oneLine = said.err.split('\n').length === 2 && said.out === '';
      return {
        asked: `${what}: exit code 1 and one line`,
        reached: `${said.code}, ${said.err.trim()}${said.out}`,
        ok: said.code === 1 && oneLine && wanted.test(said.err),
      };
    }),
    slowest(
      'the slowest of these',
      all.map(({ said }) => said),
    ),
  ];
}

/** Faults around the config rather than in it. */
async function badSurroundings(folder: string): Promise<readonly Row[]> {
  const [front, admin, node] = await freePorts(3);
  const config = (rest: string) =>
    `front: {listen: "127.0.0.1:${front}"}\nadmin: {listen: "127.0.0.1:${admin}"}\nnodes: [{name: n1, address: "127.0.0.1:${node}"}]\n${rest}\n`;
  const file = join(folder, 'deckle.yaml');
  const all: Refusal[] = [];
  const add = async (what: string, wanted: RegExp, ...argv: readonly string[]) =>
    void all.push({ what, wanted, said: await deckle(folder, 'start', ...argv) });

  await add('a config that is not there', /^nowhere\.yaml: /, '-c', 'nowhere.yaml');
  mkdirSync(join(folder, 'directory.yaml'), { recursive: true });
  await add('a folder for a config', /^directory\.yaml: /, '-c', 'directory.yaml');
  writeFileSync(file, config('origins: {samples: {directory: nowhere}}'));
  await add('an origin folder that is not there', /origin samples: .*nowhere does not exist$/m, '-c', 'deckle.yaml');
  writeFileSync(join(folder, 'file'), '');
  writeFileSync(file, config('origins: {samples: {directory: file}}'));
  await add('an origin folder that is a file', /origin samples: .*file is not a directory$/m, '-c', 'deckle.yaml');
  writeFileSync(file, config('origins: {samples: {directory: .}}\nstate: file/below'));
  await add('a state folder below a file', /state folder .*file\/below: /, '-c', 'deckle.yaml');
  writeFileSync(file, config('origins: {samples: {directory: .}}'));
  await add('a node that no config names', /n7/, '-c', 'deckle.yaml', '--nodes', 'n1,n7');
  return refusals(all);
}

/** A second start beside a running edge, and a start where another program listens. */
async function takenPlaces(folder: string): Promise<readonly Row[]> {
  const edge = await startEdge({ nodes: 1 });
  const [front, admin, node] = await freePorts(3);
  const stranger = createServer();
  await new Promise<void>((resolve) => stranger.listen({ host: '127.0.0.1', port: 0 }, resolve));
  const taken = (stranger.address() as { port: number }).port;
  try {
    const pids = (await edge.stats()).processes.map(({ pid }) => pid);
    const start = async (places: { state?: string; front?: number; admin?: number; node?: number }): Promise<Measured> => {
      writeFileSync(
        join(folder, 'second.yaml'),
        [
          `state: ${JSON.stringify(places.state ?? join(folder, 'second'))}`,
          `front: {listen: "127.0.0.1:${places.front ?? front}"}`,
          `admin: {listen: "127.0.0.1:${places.admin ?? admin}"}`,
          `nodes: [{name: n1, address: "127.0.0.1:${places.node ?? node}"}]`,
          'origins: {samples: {directory: .}}',
        ].join('\n'),
      );
      return deckle(folder, 'start', '-c', 'second.yaml');
    };
    const rows = refusals([
      {
        what: 'a second start of the same config',
        said: await deckle(edge.folder, 'start', '-c', edge.configFile),
        wanted: /state folder .* is in use by another deckle \(process \d+\)$/m,
      },
      {
        what: 'a second start on the same state folder',
        said: await start({ state: join(edge.folder, 'var') }),
        wanted: /state folder .* is in use by another deckle \(process \d+\)$/m,
      },
      {
        what: "a second start on the front's port",
        said: await start({ front: edge.frontPort }),
        wanted: new RegExp(`front: 127\\.0\\.0\\.1:${edge.frontPort} is taken`),
      },
      {
        what: "a second start on a node's port",
        said: await start({ node: edge.nodePorts['n1']! }),
        wanted: new RegExp(`n1: 127\\.0\\.0\\.1:${edge.nodePorts['n1']} is taken`),
      },
      {
        what: 'a second start on the admin port',
        said: await start({ admin: edge.adminPort }),
        wanted: new RegExp(`admin: 127\\.0\\.0\\.1:${edge.adminPort} is taken`),
      },
      {
        what: 'a start where another program listens',
        said: await start({ front: taken }),
        wanted: new RegExp(`front: 127\\.0\\.0\\.1:${taken} is taken`),
      },
    ]);
    const after = (await edge.stats()).processes.map(({ pid }) => pid);
    const answer = await fetch(`${edge.front}/dunes.jpg`);
    await answer.arrayBuffer();
    return [...rows, exactly('the first edge serves on with the same processes', `${after} ${answer.status}`, `${pids} 200`)];
  } finally {
    stranger.close();
    await edge.close();
  }
}
