// The command line: finds the command, runs it, ends with its exit code.

import { VERSION } from '../app/version.ts';
import { nearest } from '../base/nearest.ts';
import type { Command, Io } from './command.ts';

interface Entry {
  readonly summary: string;
  /** Loaded when it is asked for: a front has no use for what reads configs. */
  load(): Promise<Command>;
}

const COMMANDS: Readonly<Record<string, Entry>> = {
  start: {
    summary: 'run every process that the config places on this machine',
    load: async () => (await import('./start.ts')).start,
  },
  front: { summary: 'run one front alone (containers)', load: async () => (await import('./alone.ts')).alone('front') },
  node: { summary: 'run one cache node alone (containers)', load: async () => (await import('./alone.ts')).alone('node') },
  check: {
    summary: 'validate the config, say what is wrong and where',
    load: async () => (await import('./check.ts')).checkCommand,
  },
  where: { summary: 'say which node owns a URL, and what it holds', load: async () => (await import('./where.ts')).where },
  purge: { summary: 'take images out of every cache', load: async () => (await import('./purge.ts')).purge },
};

function overview(): string {
  const lines = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(8)} ${summary}`);
  return `deckle ${VERSION}: a caching edge for images\n\nUsage: deckle COMMAND [ARGUMENTS]\n\n${lines.join('\n')}\n\ndeckle COMMAND --help says more, with an example.\n`;
}

/** @param program the script that was started, for the processes that deckle starts itself */
export async function main(argv: readonly string[], program: string): Promise<void> {
  const io: Io = {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    env: process.env,
    cwd: process.cwd(),
  };
  // Under a supervisor the same command line is a child: it gets its config over the channel.
  if (process.connected && process.env['DECKLE_CHILD'] === '1') {
    await (await import('../app/child.ts')).runChild(argv[0] === 'front' ? 'front' : 'node');
  } else process.exitCode = await run(argv, io, program);
}

async function run(argv: readonly string[], io: Io, program: string): Promise<number> {
  const [name, ...rest] = argv;
  if (name === '--version' || name === '-v') {
    io.out(`${VERSION}\n`);
    return 0;
  }
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    (name === undefined ? io.err : io.out)(overview());
    return name === undefined ? 2 : 0;
  }
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (entry === undefined) {
    const meant = nearest(name, Object.keys(COMMANDS));
    io.err(`deckle: no command is called ${name}${meant === undefined ? '' : ` (did you mean ${meant}?)`}\nTry: deckle --help\n`);
    return 2;
  }
  const command = await entry.load();
  if (rest.includes('--help') || rest.includes('-h')) {
    io.out(command.help);
    return 0;
  }
  return command.run(rest, io, program);
}
