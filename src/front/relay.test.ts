// One attempt at a node, over real sockets, with nodes that answer by a script.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { startBadOrigin } from '../../test/support/bad-origin.ts';
import { systemClock } from '../base/clock.ts';
import type { Fault } from '../base/fault.ts';
import { type LinkOptions, NodeLink } from './link.ts';
import type { AnswerTimes } from './node-socket.ts';
import { Relay, type RelayEvents } from './relay.ts';

const REQUEST = 'GET /a.jpg HTTP/1.1\r\nHost: a\r\n\r\n';
const PATIENT: AnswerTimes = { firstByteMs: 10_000, betweenBytesMs: 10_000 };

/** These links know no token. */
const NOT_QUICK = {
  takesQuick: () => assert.fail('no answer is quick here'),
  quick: () => assert.fail('no answer is quick here'),
};

type Act = (socket: Socket, nth: number) => void;

/** A node that does `act` for each request it reads, and a link to it. */
async function nodeThat(t: TestContext, act: Act, options: Partial<LinkOptions> = {}) {
  let nth = 0;
  const node = await startBadOrigin({
    behaviour: {
      outcome: 'whole',
      act: (socket) => {
        nth += 1;
        socket.setNoDelay(true);
        act(socket, nth);
      },
    },
  });
  const link = new NodeLink(
    'n1',
    {
      host: '127.0.0.1',
      port: node.port,
      maxRequests: 16,
      queueMax: 16,
      queueMs: 10_000,
      connectMs: 2_000,
      idleMs: 10_000,
      ...options,
    },
    systemClock,
  );
  t.after(async () => {
    link.close();
    await node.close();
  });
  return { node, link };
}

interface Told {
  readonly end: 'ended' | 'broken' | 'failed';
  readonly status: number;
  readonly body: string;
  readonly fault: Fault | undefined;
}

/** Runs one attempt to its end; anything told twice, or after the end, fails the test. */
function ask(link: NodeLink, timeouts = PATIENT, isHead = false): Promise<Told> {
  return new Promise((resolve, reject) => {
    let status = 0;
    let body = '';
    let over = false;
    const check = (good: boolean, what: string) => {
      if (!good) reject(new Error(what));
    };
    const end = (how: Told['end'], fault?: Fault) => {
      check(!over, `${how} after the end`);
      over = true;
      resolve({ end: how, status, body, fault });
    };
    new Relay(link, isHead ? REQUEST.replace('GET', 'HEAD') : REQUEST, isHead, timeouts, {
      ...NOT_QUICK,
      answered: (head, first, whole) => {
        check(!over && status === 0, 'a second head');
        check(
          !whole || head.contentLength <= 0 || isHead || head.status === 304 || first.length === head.contentLength,
          'not the whole',
        );
        status = head.status;
        body += first.toString('latin1');
      },
      data: (bytes) => {
        check(!over && status !== 0, 'bytes without a head, or after the end');
        body += bytes.toString('latin1');
      },
      holds: () => false,
      movesOn: () => false,
      ended: () => end('ended'),
      broken: () => {
        check(status !== 0, 'broken before the head');
        end('broken');
      },
      failed: (fault) => {
        check(status === 0, 'failed after the head');
        end('failed', fault);
      },
    }).start();
  });
}

const OK = 'HTTP/1.1 200 OK\r\n';
const HELLO = `${OK}Content-Length: 5\r\n\r\nhello`;

/** Writes the text in pieces, each when the one before has left. */
function inPieces(socket: Socket, pieces: readonly string[], then?: () => void): void {
  const [first, ...rest] = pieces;
  if (first === undefined) then?.();
  else socket.write(first, 'latin1', () => setImmediate(inPieces, socket, rest, then));
}

test('an answer is told, its slot comes home, its socket is used again', async (t) => {
  const { node, link } = await nodeThat(t, (socket) => socket.write(HELLO));
  for (let at = 0; at < 5; at += 1) {
    const told = await ask(link);
    assert.deepEqual({ ...told, fault: undefined }, { end: 'ended', status: 200, body: 'hello', fault: undefined });
    assert.equal(link.inFlight, 0);
  }
  assert.equal(node.connections(), 1);
  assert.equal(node.heads[0], REQUEST);
});

/** Answers and what must be told of them; `kept`: the socket carries the next request. */
const ANSWERS: readonly {
  readonly name: string;
  readonly text: string;
  readonly isHead?: boolean;
  readonly close?: 'end' | 'reset';
  readonly status?: number;
  readonly body?: string;
  readonly end?: Told['end'];
  readonly kept?: boolean;
}[] = [
  { name: 'a length', text: HELLO, body: 'hello', kept: true },
  { name: 'a length of 0', text: `${OK}Content-Length: 0\r\n\r\n`, kept: true },
  {
    name: 'chunks',
    text: `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\n\r\n`,
    body: 'hello',
    kept: true,
  },
  {
    name: 'chunks and trailers',
    text: `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n`,
    body: 'hello',
    kept: true,
  },
  { name: 'no chunk but the last', text: `${OK}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, kept: true },
  { name: 'until the end', text: `${OK}\r\nhello`, close: 'end', body: 'hello' },
  { name: 'until the end, nothing', text: `${OK}\r\n`, close: 'end' },
  { name: 'HTTP/1.0', text: 'HTTP/1.0 200 OK\r\n\r\nhello', close: 'end', body: 'hello' },
  { name: 'HTTP/1.0 with a length', text: 'HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello', body: 'hello' },
  { name: 'Connection: close', text: `${OK}Connection: close\r\nContent-Length: 5\r\n\r\nhello`, body: 'hello' },
  { name: 'HEAD with a length', text: `${OK}Content-Length: 5\r\n\r\n`, isHead: true, kept: true },
  { name: 'HEAD of chunks', text: `${OK}Transfer-Encoding: chunked\r\n\r\n`, isHead: true, kept: true },
  { name: 'HEAD of nothing said', text: `${OK}\r\n`, isHead: true, kept: true },
  { name: '204', text: 'HTTP/1.1 204 No Content\r\n\r\n', status: 204, kept: true },
  { name: '304 with a length', text: 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n', status: 304, kept: true },
  { name: '102s before the head', text: `${'HTTP/1.1 102 Processing\r\n\r\n'.repeat(20)}${HELLO}`, body: 'hello', kept: true },
  { name: 'early hints', text: `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${HELLO}`, body: 'hello', kept: true },
  { name: 'no reason phrase', text: `HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n`, status: 404, kept: true },
  { name: 'bytes behind a length', text: `${HELLO}X`, body: 'hello' },
  { name: 'a second answer behind the first', text: `${HELLO}${HELLO}`, body: 'hello' },
  { name: 'bytes behind the last chunk', text: `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nX`, body: 'hello' },
  { name: 'a body behind a HEAD', text: HELLO, isHead: true },
  { name: 'a body behind a 304', text: 'HTTP/1.1 304 Not Modified\r\n\r\nhello', status: 304 },
  { name: 'a length cut short', text: `${OK}Content-Length: 9\r\n\r\nhello`, close: 'end', body: 'hello', end: 'broken' },
  { name: 'a length cut at the head', text: `${OK}Content-Length: 9\r\n\r\n`, close: 'end', end: 'broken' },
  {
    name: 'chunks without the last',
    text: `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`,
    close: 'end',
    body: 'hello',
    end: 'broken',
  },
  { name: 'a bad chunk', text: `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n`, body: 'hello', end: 'broken' },
  { name: 'a chunk size that is none', text: `${OK}Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n`, end: 'broken' },
  { name: 'until the end, reset', text: `${OK}\r\n`, close: 'reset', end: 'broken' },
  { name: 'not HTTP', text: 'SSH-2.0-OpenSSH_9.2\r\n', end: 'failed' },
  { name: 'an upgrade', text: 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n', end: 'failed' },
  { name: 'two lengths', text: `${OK}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello`, end: 'failed' },
  {
    name: 'a length beside chunks',
    text: `${OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    end: 'failed',
  },
  { name: 'an unknown coding', text: `${OK}Transfer-Encoding: gzip\r\n\r\n`, end: 'failed' },
  { name: 'a folded line', text: `${OK}A: b\r\n c\r\nContent-Length: 0\r\n\r\n`, end: 'failed' },
  { name: 'half a head', text: 'HTTP/1.1 200 OK\r\nContent-', close: 'end', end: 'failed' },
  { name: 'no byte', text: '', close: 'end', end: 'failed' },
  { name: 'a reset', text: '', close: 'reset', end: 'failed' },
  { name: 'a head over 64 KB', text: `${OK}X: ${'x'.repeat(70_000)}\r\n\r\n`, end: 'failed' },
  { name: 'a head of 60 KB', text: `${OK}X: ${'x'.repeat(60_000)}\r\nContent-Length: 5\r\n\r\nhello`, body: 'hello', kept: true },
];

for (const answer of ANSWERS) {
  test(`an answer: ${answer.name}`, async (t) => {
    const { node, link } = await nodeThat(t, (socket, nth) => {
      if (nth > 1) socket.write(HELLO);
      else if (answer.close === 'end') socket.end(answer.text, 'latin1');
      else if (answer.close === 'reset' && answer.text === '') socket.resetAndDestroy();
      else if (answer.close === 'reset') inPieces(socket, [answer.text], () => socket.resetAndDestroy());
      else socket.write(answer.text, 'latin1');
    });
    const told = await ask(link, PATIENT, answer.isHead);
    const end = answer.end ?? 'ended';
    assert.equal(told.end, end);
    assert.equal(told.status, end === 'failed' ? 0 : (answer.status ?? 200));
    assert.equal(told.body, answer.body ?? '');
    assert.equal(told.fault?.code, end === 'failed' ? 'DECKLE_NODE_BROKEN' : undefined);
    assert.equal(link.inFlight, 0);
    assert.equal(link.avoided, end === 'failed', 'only an attempt without a head speaks against the node');
    assert.equal((await ask(link)).body, 'hello');
    assert.equal(node.connections(), answer.kept === true ? 1 : 2);
  });
}

test('answers are read right at every split', async (t) => {
  const text = `HTTP/1.1 102 Processing\r\n\r\n${OK}Transfer-Encoding: chunked\r\nETag: "1"\r\n\r\n2\r\nhe\r\n3;a\r\nllo\r\n0\r\nT: v\r\n\r\n`;
  let split = 0;
  const { node, link } = await nodeThat(t, (socket) => inPieces(socket, [text.slice(0, split), text.slice(split)]));
  for (split = 1; split < text.length; split += 1) {
    const { end, status, body } = await ask(link);
    assert.deepEqual({ end, status, body }, { end: 'ended', status: 200, body: 'hello' }, `split at ${split}`);
  }
  assert.equal(node.connections(), 1);
});

test('an answer that comes byte by byte', async (t) => {
  const { link } = await nodeThat(t, (socket) => inPieces(socket, [...HELLO]));
  assert.equal((await ask(link)).body, 'hello');
});

test('a kept socket that the node closes meanwhile is replaced without a word', async (t) => {
  const { node, link } = await nodeThat(t, (socket, nth) => {
    // The second request meets the end of the connection that carried the first one.
    if (nth === 2) socket.end();
    else if (nth === 4) socket.resetAndDestroy();
    else socket.write(HELLO);
  });
  for (let at = 0; at < 3; at += 1) assert.equal((await ask(link)).body, 'hello');
  assert.equal(node.requests(), 5);
  assert.equal(node.connections(), 3);
  assert.equal(link.avoided, false);
  assert.equal(link.inFlight, 0);
});

test('a kept socket that breaks after a byte is a failure', async (t) => {
  const { node, link } = await nodeThat(t, (socket, nth) => {
    if (nth === 2) socket.end('HTTP/1.1 102 Processing\r\n\r\n');
    else socket.write(HELLO);
  });
  await ask(link);
  assert.equal((await ask(link)).fault?.code, 'DECKLE_NODE_BROKEN');
  assert.equal(node.connections(), 1);
});

test('a node that refuses connections', async (t) => {
  const { node, link } = await nodeThat(t, () => {});
  await node.close();
  const told = await ask(link);
  assert.equal(told.fault?.code, 'DECKLE_NODE_BROKEN');
  assert.equal(told.fault?.retryable, true);
  assert.equal(link.avoided, true);
  assert.equal(link.inFlight, 0);
});

test('a frozen node: no byte within first_byte is a timeout, and no other node is asked', async (t) => {
  const { link } = await nodeThat(t, () => {});
  const told = await ask(link, { firstByteMs: 20, betweenBytesMs: 10_000 });
  assert.equal(told.fault?.code, 'DECKLE_NODE_TIMEOUT');
  assert.equal(told.fault?.retryable, false);
  assert.equal(link.inFlight, 0);
});

test('a body that stops for between_bytes is broken', async (t) => {
  const { link } = await nodeThat(t, (socket) => socket.write(`${OK}Content-Length: 9\r\n\r\nhello`));
  const told = await ask(link, { firstByteMs: 10_000, betweenBytesMs: 20 });
  assert.equal(told.end, 'broken');
  assert.equal(told.body, 'hello');
});

test('too many interim answers are a failure', async (t) => {
  const { link } = await nodeThat(t, (socket) => socket.write('HTTP/1.1 102 Processing\r\n\r\n'.repeat(1_001)));
  assert.equal((await ask(link)).fault?.code, 'DECKLE_NODE_BROKEN');
});

/** A body of 8 MB to a reader that says when it can take more. */
async function slowReader(t: TestContext) {
  const bytes = Buffer.alloc(8 * 1024 * 1024, 7);
  const { link } = await nodeThat(t, (socket) => {
    socket.write(`${OK}Content-Length: ${bytes.length}\r\n\r\n`);
    socket.write(bytes);
  });
  const first = Promise.withResolvers<void>();
  const end = Promise.withResolvers<'ended' | 'broken'>();
  let told = 0;
  let reading = false;
  const relay = new Relay(link, REQUEST, false, PATIENT, {
    ...NOT_QUICK,
    answered: (_head, data) => {
      told += data.length;
    },
    data: (data) => {
      told += data.length;
    },
    holds: () => {
      if (told > 0) first.resolve();
      return told > 0 && !reading;
    },
    movesOn: () => false,
    ended: () => end.resolve('ended'),
    broken: () => end.resolve('broken'),
    failed: (fault) => end.reject(fault),
  });
  relay.start();
  await first.promise;
  return {
    link,
    told: () => told,
    end: end.promise,
    size: bytes.length,
    read: () => {
      reading = true;
      relay.resume();
    },
  };
}

test('a reader that cannot take more is not told more, and loses nothing', async (t) => {
  const reader = await slowReader(t);
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
  assert.ok(reader.told() <= 64 * 1024, `${reader.told()} bytes`);
  reader.read();
  assert.equal(await reader.end, 'ended');
  assert.equal(reader.told(), reader.size);
  assert.equal(reader.link.inFlight, 0);
});

test('a node that froze while the reader was slow is found out when the reader goes on', async (t) => {
  const betweenBytesMs = 20;
  const { link } = await nodeThat(t, (socket) => socket.write(`${OK}Content-Length: 9\r\n\r\nhello`));
  const paused = Promise.withResolvers<void>();
  const end = Promise.withResolvers<string>();
  const relay = new Relay(
    link,
    REQUEST,
    false,
    { firstByteMs: 10_000, betweenBytesMs },
    {
      ...NOT_QUICK,
      answered: () => {},
      data: () => {},
      holds: () => {
        paused.resolve();
        return true;
      },
      movesOn: () => false,
      ended: () => end.resolve('ended'),
      broken: () => end.resolve('broken'),
      failed: (fault) => end.reject(fault),
    },
  );
  relay.start();
  await paused.promise;
  // Longer than the node may be silent: as long as the reader takes nothing, that is not the node's fault.
  const silence = new Promise((resolve) => setTimeout(resolve, 3 * betweenBytesMs, 'still reading'));
  assert.equal(await Promise.race([end.promise, silence]), 'still reading');
  relay.resume();
  assert.equal(await end.promise, 'broken');
  assert.equal(link.inFlight, 0);
});

test('cancelling gives the slot back, wherever the attempt stands', async (t) => {
  const streaming = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  const { node, link } = await nodeThat(
    t,
    (socket, nth) => {
      if (nth === 1) arrived.resolve();
      else socket.write(`${OK}Content-Length: 9\r\n\r\nhello`);
    },
    { maxRequests: 1 },
  );
  const never = () => assert.fail('told something after it was cancelled');
  const events: RelayEvents = {
    ...NOT_QUICK,
    answered: never,
    data: never,
    holds: () => false,
    movesOn: never,
    ended: never,
    broken: never,
    failed: never,
  };
  const make = (more: object = {}) => new Relay(link, REQUEST, false, PATIENT, { ...events, ...more });

  const dialling = make();
  dialling.start();
  const queued = make();
  queued.start();
  assert.equal(link.queued, 1);
  queued.cancel();
  assert.equal(link.queued, 0);
  dialling.cancel();
  assert.equal(link.inFlight, 0);

  const waiting = make();
  waiting.start();
  await arrived.promise;
  const gone = once(node.open().at(-1)!, 'close');
  waiting.cancel();
  waiting.cancel();
  assert.equal(link.inFlight, 0);
  await gone;

  const reading = make({ answered: () => streaming.resolve() });
  reading.start();
  await streaming.promise;
  const cut = once(node.open().at(-1)!, 'close');
  reading.cancel();
  assert.equal(link.inFlight, 0);
  await cut;
});

test('cancelled in the middle of a read of many chunks, nothing more is told', async (t) => {
  const { link } = await nodeThat(t, (socket) =>
    socket.write(`${OK}Transfer-Encoding: chunked\r\n\r\n${'1\r\nx\r\n'.repeat(50)}0\r\n\r\n`),
  );
  let told = 0;
  const first = Promise.withResolvers<void>();
  const never = () => assert.fail('told the end after it was cancelled');
  const relay = new Relay(link, REQUEST, false, PATIENT, {
    ...NOT_QUICK,
    answered: () => {},
    data: () => {
      told += 1;
      relay.cancel();
      first.resolve();
    },
    holds: () => false,
    movesOn: () => false,
    ended: never,
    broken: never,
    failed: never,
  });
  relay.start();
  await first.promise;
  await new Promise(setImmediate);
  assert.equal(told, 1);
  assert.equal(link.inFlight, 0);
});

test('5,000 requests over 16 slots: all are answered, never more than 16 sockets', async (t) => {
  let atOnce = 0;
  let most = 0;
  const { node, link } = await nodeThat(
    t,
    (socket) => {
      atOnce += 1;
      most = Math.max(most, atOnce);
      setImmediate(() => {
        atOnce -= 1;
        socket.write(HELLO);
      });
    },
    { queueMax: 5_000, queueMs: 30_000 },
  );
  const all = await Promise.all(Array.from({ length: 5_000 }, () => ask(link)));
  assert.equal(all.filter(({ end, body }) => end === 'ended' && body === 'hello').length, 5_000);
  assert.ok(most <= 16, `${most} at once`);
  assert.equal(node.connections(), 16);
  assert.equal(link.inFlight, 0);
  assert.equal(link.queued, 0);
});

test('a full queue and a wait that was too long are told as what they are', async (t) => {
  const { link } = await nodeThat(t, () => {}, { maxRequests: 1, queueMax: 1, queueMs: 20 });
  const first = ask(link, { firstByteMs: 100, betweenBytesMs: 100 });
  const second = ask(link);
  assert.equal((await ask(link)).fault?.code, 'DECKLE_QUEUE_FULL');
  assert.equal((await second).fault?.code, 'DECKLE_QUEUE_TIMEOUT');
  assert.equal(link.avoided, false, 'a full node is not a sick one');
  assert.equal((await first).fault?.code, 'DECKLE_NODE_TIMEOUT');
  assert.equal(link.avoided, true, 'a silent one is');
});

test('a plain node:http server as the node', async (t) => {
  const server = createHttpServer((request, response) => {
    if (request.url === '/a.jpg') response.end('hello');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const link = new NodeLink(
    'v1',
    {
      host: '127.0.0.1',
      port: (server.address() as AddressInfo).port,
      maxRequests: 4,
      queueMax: 4,
      queueMs: 1_000,
      connectMs: 1_000,
      idleMs: 1_000,
    },
    systemClock,
  );
  t.after(() => link.close());
  for (const isHead of [false, true, false]) {
    const told = await ask(link, PATIENT, isHead);
    assert.deepEqual([told.end, told.status, told.body], ['ended', 200, isHead ? '' : 'hello']);
  }
});
