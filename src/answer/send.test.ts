// Hits over real sockets: the head of a hit is one piece of memory for all clients, and still each reads its own.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../../test/support/cache-house.ts';
import { openRaw, parseAnswers, type RawAnswer } from '../../test/support/raw.ts';
import { startWire } from '../../test/support/wire.ts';
import { prepareHead } from './prepared.ts';
import { saidOf, sendHit, type WholeAnswer } from './send.ts';

function answerOf(bytes: number): WholeAnswer {
  const headers = [['content-type', 'image/png'] as const, ['etag', '"x"'] as const];
  return { status: 200, head: prepareHead(headers, { add: {}, remove: [] }, 0), body: Buffer.alloc(bytes, 'x') };
}

/** Each request asks for its own id: `/ID`. */
async function startHits(bytes: number) {
  const answer = answerOf(bytes);
  const said = saidOf('Age: 1\r\nCache-Status: n1; hit; ttl=9\r\n', 0, 1);
  const wire = await startWire((x) => sendHit(x, answer, x.head.method === 'HEAD', said, x.head.target.slice(1), false));
  return { wire };
}

const idOf = ({ fields }: RawAnswer) => fields['x-request-id'];
const ask = (id: string) => `GET /${id} HTTP/1.1\r\nHost: a\r\n\r\n`;

test('a hit says all that the ordinary way says, whatever was said before', async () => {
  const { wire } = await startHits(100);
  await using _ = wire;
  const client = await openRaw(wire.port);
  const ids = ['a-1', 'b-2', 'longer-3', 'c-4'];
  client.send(ids.map(ask).join(''));
  client.send('HEAD /d-5 HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.ok(await client.answered(4));
  await until('the head alone', () => client.answers([4]).length === 5);
  const answers = client.answers([4]);
  assert.deepEqual(answers.map(idOf), [...ids, 'd-5']);
  const besides = ({ fields }: RawAnswer) => ({ ...fields, 'x-request-id': '' });
  for (const answer of answers.slice(0, 4)) {
    assert.deepEqual([answer.status, answer.body.length, answer.fields['age'], answer.fields['etag']], [200, 100, '1', '"x"']);
    assert.deepEqual(besides(answer), besides(answers[4]!));
  }
  client.close();
});

test('a head that waits for a slow client is not written over by the hits of others', async () => {
  const { wire } = await startHits(60_000);
  await using _ = wire;
  const slow = await openRaw(wire.port, { paused: true });
  const ids = Array.from({ length: 300 }, (_, at) => `slow-${String(at).padStart(3, '0')}`);
  slow.send(ids.map(ask).join(''));
  const others = await openRaw(wire.port);
  // By now the kernel holds what it can of the slow client's answers, and one of them is on its way in part.
  for (let hit = 0; hit < 100; hit += 1) {
    others.send(ask(`fast-${String(hit).padStart(3, '0')}`));
    assert.ok(await others.answered(hit + 1));
  }
  assert.ok(wire.ends.length < ids.length, 'the kernel held nothing back');
  const chunks: Buffer[] = [];
  let bytes = 0;
  slow.socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    bytes += chunk.length;
  });
  await until('the slow one is answered', () => wire.ends.length === ids.length + 100 && bytes > ids.length * 60_000);
  const answers = parseAnswers(Buffer.concat(chunks), false);
  assert.deepEqual(answers.slice(0, -1).map(idOf), ids.slice(0, answers.length - 1));
  assert.deepEqual(
    others.answers().map(idOf),
    Array.from({ length: 100 }, (_, at) => `fast-${String(at).padStart(3, '0')}`),
  );
  slow.close();
  others.close();
});
