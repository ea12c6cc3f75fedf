// What every command of the command line shares: where it writes, how flags are read, how a config is loaded for it.
// Exit codes: 0 done, 1 refused or failed, 2 wrong usage.

import { type ParseArgsConfig, parseArgs } from 'node:util';
import { loadConfig, problemText } from '../config/load.ts';
import type { Config } from '../config/schema.ts';

export interface Io {
  out(text: string): void;
  err(text: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

export interface Command {
  /** The whole of --help, an example included. */
  readonly help: string;
  run(argv: readonly string[], io: Io, program: string): Promise<number>;
}

type Options = NonNullable<ParseArgsConfig['options']>;
type Parsed<O extends Options> = ReturnType<
  typeof parseArgs<{ args: string[]; options: O; strict: true; allowPositionals: true }>
>;

/** Flags and operands, or the sentence that says what is wrong with them. */
export function readArguments<O extends Options>(argv: readonly string[], options: O): Parsed<O> | string {
  try {
    return parseArgs({ args: [...argv], options, strict: true, allowPositionals: true });
  } catch (error) {
    // parseArgs throws for what a person typed; its first sentence says what.
    const text = error instanceof Error ? error.message : String(error);
    return text.split('. ')[0] ?? text;
  }
}

/** Wrong usage: one line, and where to read on. */
export function misused(name: string, what: string, io: Io): number {
  io.err(`deckle ${name}: ${what}\nTry: deckle ${name} --help\n`);
  return 2;
}

/**
 * The config, or undefined after its problems were printed.
 * @param certificates `leave` where no front is run: the keys may be for other users' eyes only
 */
export function configFor(
  file: string | undefined,
  io: Io,
  certificates: 'read' | 'leave',
): { readonly config: Config; readonly file: string } | undefined {
  const result = loadConfig(file, { ...io, certificates });
  if (result.ok) {
    for (const warning of result.warnings) io.err(`${problemText(warning)} (a warning)\n`);
    return { config: result.config, file: result.file };
  }
  for (const problem of result.problems) io.err(`${problemText(problem)}\n`);
  return undefined;
}
