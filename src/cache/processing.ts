// The sign of life that a node gives to a front of ours while an answer takes its time (RFC 2518 §10.1): `102 Processing` after 100 ms,
// then once a second. A front that hears nothing takes the node for frozen and asks another one (front/link.ts).
// Promises: nothing is said once the head has left; the returned function ends it.

import type { Ms } from '../base/units.ts';
import type { Reply } from '../wire/reply.ts';

const FIRST_MS: Ms = 100;
const NEXT_MS: Ms = 1_000;

export function sayProcessing(reply: Pick<Reply, 'started' | 'ended' | 'interim'>): () => void {
  const say = (): void => {
    if (reply.started || reply.ended) return;
    reply.interim(102);
    timer = setTimeout(say, NEXT_MS);
  };
  let timer = setTimeout(say, FIRST_MS);
  return () => clearTimeout(timer);
}
