import assert from 'node:assert/strict';
import { test } from 'node:test';
import { copyLine, parseCopyWord } from './copy-word.ts';

const POSITION = `${'0'.repeat(40)}0123abcd`;

test('what a node says is what a front reads', () => {
  assert.equal(copyLine(1234.9, POSITION), `X-Deckle-Copy: 1234 ${POSITION}\r\n`);
  assert.deepEqual(parseCopyWord(`1234 ${POSITION}`), { lifetimeMs: 1234, position: POSITION });
  assert.deepEqual(parseCopyWord(copyLine(-5, POSITION).slice('X-Deckle-Copy: '.length, -2)), {
    lifetimeMs: 0,
    position: POSITION,
  });
});

test('any other text is no word', () => {
  for (const text of [
    '',
    '1',
    ` 1 ${POSITION}`,
    `1  ${POSITION}`,
    `1 ${POSITION} `,
    `-1 ${POSITION}`,
    `1.5 ${POSITION}`,
    `1e3 ${POSITION}`,
    `1 ${POSITION}0`,
    `1 ${POSITION.slice(1)}`,
    `1 ${POSITION.toUpperCase()}`,
    `${'9'.repeat(16)} ${POSITION}`,
  ])
    assert.equal(parseCopyWord(text), undefined, text);
});
