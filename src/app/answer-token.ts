// What a front and the nodes of one deckle know a quick answer by (front/quick.ts): nobody else can give one.
// Promises: 32 lower-case hex digits; from it nobody learns the secret. It is written into answers between nodes and fronts, and
// nowhere else: never into a log, a request, or an answer to a client.

import { createHmac, randomBytes } from 'node:crypto';

/** The same in every process that has the peers' secret; undefined without one. */
export function sharedAnswerToken(secret: string): string | undefined {
  return secret === '' ? undefined : createHmac('sha256', secret).update('deckle-answer').digest('hex').slice(0, 32);
}

/** For the processes of one supervisor, which tells them. */
export function drawnAnswerToken(): string {
  return randomBytes(16).toString('hex');
}
