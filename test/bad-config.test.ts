// Every bad config is refused with all its problems, each at its line, column and path, and with a text that says what is wrong.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Problem, parseConfig, problemText } from '../src/config/load.ts';
import { BAD_CONFIGS } from './fixtures/bad-config/cases.ts';

const around = { env: {}, cwd: '/', readFile: missing };

function missing(): never {
  throw Object.assign(new Error('missing'), { code: 'ENOENT' });
}

/** `line:col path: gist` */
function matches(problem: Problem, expected: string): boolean {
  const place = `${problem.line}:${problem.col} ${problem.path}: `;
  return expected.startsWith(place) && problem.message.includes(expected.slice(place.length));
}

for (const { name, text, problems } of BAD_CONFIGS) {
  test(`refused: ${name}`, () => {
    const result = parseConfig(text, 'deckle.yaml', around);
    assert.equal(result.ok, false, 'was taken');
    const told = result.problems.map(problemText).join('\n');
    assert.equal(result.problems.length, problems.length, `expected ${problems.length} problems:\n${told}`);
    const missed = problems.filter((expected) => !result.problems.some((problem) => matches(problem, expected)));
    assert.deepEqual(missed, [], told);
    const places = result.problems.map(({ line, col }) => line * 10_000 + col);
    assert.deepEqual(
      places,
      places.toSorted((one, two) => one - two),
      'not in the order of the file',
    );
  });
}

test('no two cases are the same', () => {
  assert.equal(new Set(BAD_CONFIGS.map(({ text }) => text)).size, BAD_CONFIGS.length);
  assert.ok(BAD_CONFIGS.length >= 36);
});
