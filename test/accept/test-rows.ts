// The verdicts of a test file as rows of an acceptance line.

import { join } from 'node:path';
import { type Ran, runCommand } from '../support/commands.ts';
import { CHECKOUT } from '../support/edge.ts';
import type { Row } from './line.ts';

const MOST_MS = 300_000;

/** A row for each test of a file. */
export async function testRows(file: string): Promise<readonly Row[]> {
  const ran = await runCommand([process.execPath, '--test', '--test-reporter=tap', join(CHECKOUT, file)], {
    cwd: CHECKOUT,
    mostMs: MOST_MS,
  });
  const rows = [...ran.out.matchAll(/^(not )?ok \d+ - (.*)$/gm)].map(([, not, name]) => ({
    asked: name!.replaceAll('\\#', '#'),
    reached: not === undefined ? 'ok' : 'failed',
    ok: not === undefined,
  }));
  const whole = ran.code === 0 && rows.length > 0;
  return [...rows, { asked: `${file}: exit code 0`, reached: whole ? `${rows.length} tests` : tail(ran), ok: whole }];
}

/** How a command ended, in one line. */
export function tail({ code, out, err }: Ran): string {
  return `exit code ${code}: ${(out + err).trim().split('\n').slice(-5).join(' | ')}`;
}
