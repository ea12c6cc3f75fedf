// Quick answers over real processes: what a node says to a front and to nobody else, and that the front takes it at its word only
// from a node of its own deckle.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { quickLine } from '../src/answer/quick-word.ts';
import { sharedAnswerToken } from '../src/app/answer-token.ts';
import { QuickReader } from '../src/front/quick.ts';
import { startOrigin, type TestOrigin } from './support/bad-origin.ts';
import { inParallel, take } from './support/client.ts';
import { type Edge, type Plain, startEdge, until } from './support/edge.ts';
import { openRaw } from './support/raw.ts';

const PEER = 'X-Deckle-From: front-9\r\n';

async function cluster(t: TestContext, config: { readonly [key: string]: Plain } = {}) {
  const origin = await startOrigin({ headers: { 'cache-control': 'max-age=3600', etag: '"v1"' } });
  t.after(() => origin.close());
  const edge = await startEdge({
    nodes: 1,
    config: {
      front: { hot: { size: 0 } },
      origins: { store: { urls: [origin.url] } },
      sites: [{ name: 'all', hosts: ['*'], path: '/', origin: 'store' }],
      ...config,
    },
  });
  t.after(() => edge.close());
  return { origin, edge };
}

/** The bytes of a node's answer from its store. */
async function fromStore(edge: Edge, { url }: TestOrigin, lines: string): Promise<Buffer> {
  assert.notEqual(url, '');
  await take(`${edge.front}/a.jpg`);
  const client = await openRaw(edge.nodePorts['n1']!);
  client.send(`GET /a.jpg HTTP/1.1\r\nHost: 127.0.0.1\r\n${lines}\r\n`);
  assert.ok(await client.answered(1));
  client.close();
  return client.bytes();
}

function tokenOf(bytes: Buffer): string {
  const token = /^HTTP\/1\.1 200 OK\r\nX-Deckle-Answer: ([0-9a-f]{32}) /.exec(bytes.toString('latin1', 0, 200))?.[1];
  return token ?? assert.fail('it is not quick');
}

test('the processes of one start share a token, also one that came later', async (t) => {
  const { origin, edge } = await cluster(t);
  const first = await fromStore(edge, origin, PEER);
  const token = tokenOf(first);
  const answer = new QuickReader(token).read(first, first.length);
  assert.equal(answer?.result, 'memory');
  assert.doesNotMatch(first.toString('latin1', answer.skip, answer.head), /x-deckle/i);

  const { restarts, pid } = (await edge.stats()).processes.find(({ name }) => name === 'n1')!;
  process.kill(pid, 'SIGKILL');
  await until('the node is back', async () => {
    const node = (await edge.stats()).processes.find(({ name }) => name === 'n1')!;
    return node.restarts > restarts && node.state === 'up';
  });
  assert.equal(tokenOf(await fromStore(edge, origin, PEER)), token);
});

test('who is no front of ours is told nothing', async (t) => {
  const { origin, edge } = await cluster(t, { peers: { secret: 'hush, this is one' } });
  for (const lines of ['', PEER, `${PEER}X-Deckle-Peer: guessed\r\n`])
    assert.doesNotMatch((await fromStore(edge, origin, lines)).toString('latin1'), /x-deckle/i);
  const bytes = await fromStore(edge, origin, `${PEER}X-Deckle-Peer: hush, this is one\r\n`);
  assert.equal(tokenOf(bytes), sharedAnswerToken('hush, this is one'));
});

test('the bytes are the right ones, and no client sees a word that was for the front', async (t) => {
  const { origin, edge } = await cluster(t);
  const paths = Array.from({ length: 20 }, (_, at) => `/${at}.jpg`);
  const answers = await inParallel(200, 10, async (at) => {
    const path = paths[at % paths.length]!;
    return { path, taken: await take(`${edge.front}${path}`) };
  });
  for (const { path, taken } of answers) {
    assert.deepEqual([taken.status, taken.sha256], [200, origin.sha256(path)]);
    assert.deepEqual(
      Object.keys(taken.headers).filter((name) => name.startsWith('x-deckle')),
      [],
    );
    assert.notEqual(taken.headers['x-request-id'], undefined);
  }
  assert.ok(answers.filter(({ taken }) => /hit/.test(`${taken.headers['cache-status']}`)).length >= 180);
});

test('a front takes the word of whoever knows the token, and of nobody else', async (t) => {
  const secret = 'hush, this is another';
  let token = sharedAnswerToken(secret)!;
  const lines = 'Content-Length: 5\r\n\r\n';
  const node = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => {
      const line = quickLine({ lines: '', result: 'memory', token }, 200, lines.length, 5);
      socket.write(`HTTP/1.1 200 OK\r\n${line}${lines}hello`);
    });
  }).listen(0, '127.0.0.1');
  await once(node, 'listening');
  t.after(() => node.close());
  const address = `127.0.0.1:${(node.address() as AddressInfo).port}`;
  const { edge } = await cluster(t, { peers: { secret }, nodes: [{ name: 'v1', address, here: false, check: false }] });
  const client = await openRaw(edge.frontPort);
  t.after(() => client.close());
  const ask = async (nth: number) => {
    client.send('GET /a.jpg HTTP/1.1\r\nHost: img.example\r\n\r\n');
    assert.ok(await client.answered(nth));
    return client.answers()[nth - 1]!;
  };
  // An answer that the front has read gets X-Request-Id where it has none.
  const quick = await ask(1);
  assert.deepEqual([quick.body.toString(), quick.fields], ['hello', { 'content-length': '5' }]);
  token = sharedAnswerToken('a guess')!;
  const forged = await ask(2);
  assert.equal(forged.body.toString(), 'hello');
  assert.notEqual(forged.fields['x-request-id'], undefined);
  assert.equal(forged.fields['x-deckle-answer'], undefined);
  await until(
    'it is counted as what the node said',
    async () => (await edge.metric('deckle_requests_total', { result: 'memory' })) === 1,
  );
  await until('the other as relayed', async () => (await edge.metric('deckle_requests_total', { result: 'relayed' })) === 1);
});
