// The image can be built and runs, the package can be installed and runs, and the house stands as it is drawn: types, style,
// generated documents, floors. Each is a test or a script of its own; here their verdicts stand together.
// The bounded twin asks for the floors only: every run of the tests has the other files in it already.

import { join } from 'node:path';
import { type Ran, runCommand, underThisNode } from '../../support/commands.ts';
import { CHECKOUT } from '../../support/edge.ts';
import type { Line, Row } from '../line.ts';

const MOST_MS = 300_000;
const SCRIPTS: readonly (readonly [script: string, what: string])[] = [
  ['types', 'every file holds what its types say'],
  ['lint', 'every file is written in the one style'],
  ['docs:check', 'the generated documents are those of the tables'],
];

export const line: Line = {
  number: 9,
  title: 'the container, the package and the floors of the house',
  measure: async (scale) => {
    if (scale === 'bounded') return testRows('test/floors.test.ts');
    const rows: Row[] = [];
    for (const file of ['test/dockerfile.test.ts', 'test/package.test.ts', 'test/floors.test.ts'])
      rows.push(...(await testRows(file)));
    for (const [script, what] of SCRIPTS) rows.push(await scriptRow(script, what));
    return rows;
  },
};

/** A row for each test of a file. */
async function testRows(file: string): Promise<readonly Row[]> {
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

async function scriptRow(script: string, what: string): Promise<Row> {
  const ran = await runCommand(['npm', 'run', '--silent', script], { cwd: CHECKOUT, env: underThisNode(), mostMs: MOST_MS });
  return { asked: `npm run ${script}: ${what}`, reached: ran.code === 0 ? 'ok' : tail(ran), ok: ran.code === 0 };
}

function tail({ code, out, err }: Ran): string {
  return `exit code ${code}: ${(out + err).trim().split('\n').slice(-5).join(' | ')}`;
}
