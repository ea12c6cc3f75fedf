// What an operator relies on when looking at a running edge: figures of this moment, one id and one client in every log line,
// and answers that carry deckle's own fields whoever made them.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { startEdge, until } from './support/edge.ts';

interface Line {
  readonly who: string;
  readonly id: string;
  readonly client: string;
}

test('figures are of this moment, a log line of every role names the client, a death is logged in words', async (t) => {
  const edge = await startEdge({ config: { log: { access: 'access.log' }, front: { trusted_proxies: ['127.0.0.0/8'] } } });
  t.after(() => edge.close());
  for (let round = 1; round <= 5; round += 1) {
    const answer = await fetch(`${edge.front}/nothing-here.jpg`, { headers: { 'x-forwarded-for': '192.0.2.7' } });
    await answer.arrayBuffer();
    // The answer can be here a moment before it counts as sent; a second late, as a report once a second is, would be a defect.
    await until(
      'the answer is counted',
      async () => (await edge.metric('deckle_requests_total', { role: 'front' })) === round,
      800,
    );
  }

  const lines = (): Line[] =>
    readFileSync(join(edge.folder, 'access.log'), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Line);
  await until('every request has its lines', () => lines().length === 10);
  const byId = Map.groupBy(lines(), ({ id }) => id);
  assert.equal(byId.size, 5);
  for (const pair of byId.values()) {
    assert.equal(pair.length, 2);
    assert.deepEqual(new Set(pair.map(({ client }) => client)), new Set(['192.0.2.7']));
  }

  process.kill(await edge.pid('n1'), 'SIGKILL');
  await until('the death is told', () => /"level":"error","time":"\d{4}-.*"process":"n1".*"SIGKILL"/.test(edge.output()));
});

test('an answer of a node that is not deckle carries what every answer of deckle carries', async (t) => {
  const peer = createServer((_request, response) => response.writeHead(200, { Via: '1.1 other' }).end('picture'));
  peer.listen(0, '127.0.0.1');
  await once(peer, 'listening');
  t.after(() => peer.close());
  const address = `127.0.0.1:${(peer.address() as AddressInfo).port}`;
  const edge = await startEdge({ config: { nodes: [{ name: 'v1', address, here: false, check: false }] } });
  t.after(() => edge.close());
  const answer = await fetch(`${edge.front}/a.jpg`);
  assert.equal(await answer.text(), 'picture');
  assert.equal(answer.headers.get('via'), '1.1 other, 1.1 deckle');
  assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
  assert.match(answer.headers.get('x-request-id') ?? '', /^front-1-/);
  await until('it counts as relayed', async () => (await edge.metric('deckle_requests_total', { result: 'relayed' })) === 1, 800);
});
