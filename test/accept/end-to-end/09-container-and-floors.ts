// The image can be built and runs, the package can be installed and runs, and the house stands as it is drawn: types, style,
// generated documents, floors. Each is a test or a script of its own; here their verdicts stand together.
// The bounded twin asks for the floors only: every run of the tests has the other files in it already.

import { runCommand, underThisNode } from '../../support/commands.ts';
import { CHECKOUT } from '../../support/edge.ts';
import type { Line, Row } from '../line.ts';
import { tail, testRows } from '../test-rows.ts';

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

async function scriptRow(script: string, what: string): Promise<Row> {
  const ran = await runCommand(['npm', 'run', '--silent', script], { cwd: CHECKOUT, env: underThisNode(), mostMs: MOST_MS });
  return { asked: `npm run ${script}: ${what}`, reached: ran.code === 0 ? 'ok' : tail(ran), ok: ran.code === 0 };
}
