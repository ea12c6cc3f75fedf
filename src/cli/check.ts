// `deckle check`: whether the config would be taken, and what would be in force.
// Promises: reads the config, the files that it refers to with ${file:…} and the certificates, changes nothing; exit code 0 taken, 1 refused, 2 wrong usage;
// problems go to standard error one a line, or with --json to standard output as data.

import { notInEffect } from '../config/effect.ts';
import { effectiveJson, effectiveYaml } from '../config/effective.ts';
import { loadConfig, problemText } from '../config/load.ts';
import { type Command, type Io, misused, readArguments } from './command.ts';

const HELP = `deckle check [-c FILE] [--effective] [--json]

Validates the config and prints every fault as file:line:col: path: what is wrong.

  -c, --config FILE  the config (else DECKLE_CONFIG, config/deckle.yaml, /etc/deckle/deckle.yaml)
      --effective    print every knob in force, with absolute paths; marks what differs from its default, masks secrets
      --json         print data instead of text
  -h, --help         this text

Exit code: 0 the config is good, 1 it is refused, 2 wrong usage.

Example: deckle check -c /etc/deckle/deckle.yaml --effective | grep '# set'
`;

const OPTIONS = {
  config: { type: 'string', short: 'c' },
  effective: { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

export const checkCommand: Command = { help: HELP, run: check };

/** @param argv what follows `check` */
export async function check(argv: readonly string[], io: Io): Promise<number> {
  const parsed = readArguments(argv, OPTIONS);
  if (typeof parsed === 'string') return misused('check', parsed, io);
  const { values: flags, positionals } = parsed;
  if (positionals[0] !== undefined) return misused('check', `unexpected ${positionals[0]} (the config is named with -c)`, io);
  if (flags.config === '') return misused('check', '-c needs the name of a file', io);
  if (flags.help === true) {
    io.out(HELP);
    return 0;
  }
  const json = (value: unknown): void => io.out(`${JSON.stringify(value, null, 2)}\n`);
  const result = loadConfig(flags.config, io);
  if (!result.ok) {
    if (flags.json === true) json({ ok: false, problems: result.problems });
    else for (const problem of result.problems) io.err(`${problemText(problem)}\n`);
    return 1;
  }
  const { file, config, warnings, given } = result;
  const later = notInEffect(config);
  const effective = { config, given, cwd: io.cwd };
  if (flags.json === true) {
    json({ ok: true, file, warnings, not_in_effect: later, ...(flags.effective === true ? effectiveJson(effective) : {}) });
    return 0;
  }
  for (const warning of warnings) io.err(`${problemText(warning)} (a warning)\n`);
  if (flags.effective === true) io.out(effectiveYaml(effective));
  else io.out(`${file}: ok\n${later.map((line) => `  ${line}\n`).join('')}`);
  return 0;
}
