// deckle beside nginx, HAProxy and Varnish: what a request costs each of them, on one machine, in one run, with the same clients.
// Usage: npm run compare -- --help

import { cpus } from 'node:os';
import { measureRow } from './measure.ts';
import { HELP, parseOptions } from './options.ts';
import { resultsJson, rowText } from './report.ts';
import { ROWS } from './rows.ts';
import { isGood, type RowResult, verdictOf } from './verdict.ts';

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // The first one ends what was started and takes its folders away; the second one does not wait for that.
    if (interrupted.signal.aborted) process.exit(1);
    interrupted.abort(new Error(`ended by ${signal}`));
  });
}

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  const parsed = parseOptions(argv, cpus().length);
  if (parsed.kind === 'help') {
    process.stdout.write(HELP);
    return 0;
  }
  if (parsed.kind === 'wrong') {
    process.stderr.write(`${parsed.message}\nnpm run compare -- --help says more\n`);
    return 2;
  }
  const { options } = parsed;
  const rows = ROWS.filter(({ number, start }) => options.rows.includes(number) && [...start.keys()].some(options.wanted));
  if (rows.length === 0) {
    process.stderr.write('none of the servers of --only takes part in these rows\n');
    return 2;
  }
  const results: RowResult[] = [];
  try {
    for (const row of rows) {
      const windows = await measureRow(row, options, interrupted.signal, (line) => process.stderr.write(`${line}\n`));
      const result = verdictOf(row, windows);
      results.push(result);
      if (!options.json) process.stdout.write(rowText(result));
    }
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    return 1;
  }
  if (options.json) process.stdout.write(resultsJson(results));
  return isGood(results) ? 0 : 1;
}
