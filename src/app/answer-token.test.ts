import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { QuickReader } from '../front/quick.ts';
import { drawnAnswerToken, sharedAnswerToken } from './answer-token.ts';

test('whoever has the secret has the token, and nobody else', () => {
  const token = sharedAnswerToken('s3cret');
  assert.equal(token, createHmac('sha256', 's3cret').update('deckle-answer').digest('hex').slice(0, 32));
  assert.equal(sharedAnswerToken('s3cret'), token);
  assert.notEqual(sharedAnswerToken('s3cret '), token);
  assert.equal(sharedAnswerToken(''), undefined);
});

test('one that is drawn is another each time', () => {
  assert.notEqual(drawnAnswerToken(), drawnAnswerToken());
});

test('either is one that a front takes, and nothing else is', () => {
  for (const token of [sharedAnswerToken('x')!, drawnAnswerToken()]) assert.doesNotThrow(() => new QuickReader(token));
  for (const token of ['', 'f'.repeat(31), 'f'.repeat(33), 'F'.repeat(32), `${'f'.repeat(31)}\n`])
    assert.throws(() => new QuickReader(token), token);
});
