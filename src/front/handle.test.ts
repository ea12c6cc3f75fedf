// The front's story over real sockets: a listener, the story, nodes that answer by a script.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type BadOrigin, startBadOrigin } from '../../test/support/bad-origin.ts';
import { openRaw, parseAnswers } from '../../test/support/raw.ts';
import { quickLine } from '../answer/quick-word.ts';
import { SiteTable } from '../asset/site.ts';
import { systemClock } from '../base/clock.ts';
import { compileReferers } from '../guard/referer.ts';
import { Listener } from '../wire/listener.ts';
import { ClientReader } from './client.ts';
import { type FrontSite, FrontStory } from './handle.ts';
import { RequestHeads } from './heads.ts';
import { HotCopies } from './hot.ts';
import { Joins } from './joins.ts';
import { type LinkOptions, NodeLink } from './link.ts';
import type { AnswerTimes } from './node-socket.ts';
import type { FrontNote } from './note.ts';
import { QuickReader } from './quick.ts';
import { Ring } from './ring.ts';

type Act = (socket: Socket, head: string) => void;

interface HouseOptions {
  readonly link?: Partial<LinkOptions>;
  readonly retries?: number;
  readonly timeouts?: AnswerTimes;
  readonly trusted?: readonly string[];
  readonly deny?: FrontSite['deny'];
  readonly hot?: HotCopies;
  readonly requestHeaders?: readonly string[];
}

interface Recorded {
  readonly note: FrontNote;
  readonly status: number;
  readonly clean: boolean;
}

/** A front before nodes n1, n2, …, each with a script of its own. */
async function house(t: TestContext, acts: readonly Act[], options: HouseOptions = {}) {
  const nodes: BadOrigin[] = [];
  for (const act of acts) {
    const node = await startBadOrigin({
      behaviour: { outcome: 'whole', act: (socket) => act(socket, node.heads.at(-1)!) },
    });
    nodes.push(node);
  }
  const links = nodes.map(
    (node, at) =>
      new NodeLink(
        `n${at + 1}`,
        {
          host: '127.0.0.1',
          port: node.port,
          maxRequests: 64,
          queueMax: 64,
          queueMs: 10_000,
          connectMs: 1_000,
          idleMs: 10_000,
          ...options.link,
        },
        systemClock,
      ),
  );
  const ring = new Ring(
    links.map(({ name }) => ({ name, weight: 100 })),
    1024,
  );
  const guarded = compileReferers({ allow: ['none', 'good.example'], serverNames: [] });
  assert.ok(guarded.ok);
  const base = {
    query: 'ignore',
    hostInKey: false,
    requestHeaders: options.requestHeaders ?? [],
    deny: options.deny ?? { status: 403, redirect: undefined },
  } as const;
  const open = compileReferers({ allow: [], serverNames: [] });
  assert.ok(open.ok);
  const sites: readonly FrontSite[] = [
    { ...base, name: 'all', hosts: ['img.example'], path: '/', index: 0, guard: open.guard },
    { ...base, name: 'guarded', hosts: ['img.example'], path: '/guarded/', index: 1, guard: guarded.guard },
  ];
  const records: Recorded[] = [];
  const retried: string[] = [];
  const denied: number[] = [];
  const joins = new Joins();
  let ids = 0;
  const story = new FrontStory({
    clock: systemClock,
    sites: new SiteTable(sites),
    clients: new ClientReader(options.trusted ?? [], 'X-Forwarded-For'),
    ring,
    links,
    joins,
    hot: options.hot,
    retries: options.retries ?? 3,
    timeouts: options.timeouts ?? { firstByteMs: 10_000, betweenBytesMs: 10_000 },
    heads: new RequestHeads('front-1', 'X-Deckle-Peer: s3cret\r\n'),
    newId: () => {
      ids += 1;
      return `id-${ids}`;
    },
    internal: () => false,
    retried: (node) => retried.push(node),
    denied: (site) => denied.push(site),
    record: (x, note, clean) => records.push({ note, status: x.reply.status, clean }),
  });
  const listener = new Listener(
    {
      headBytes: 32 * 1024,
      headFields: 100,
      bodyBytes: 1024,
      headMs: 10_000,
      idleMs: 10_000,
      sendMs: 10_000,
      connections: 10_000,
    },
    { request: (x) => story.request(x), refused: (x, fault) => story.refused(x, fault), overflow: () => {} },
    systemClock,
    '',
  );
  const { port } = await listener.listen({ host: '127.0.0.1', port: 0 });
  t.after(async () => {
    listener.destroy();
    await listener.close();
    for (const link of links) link.close();
    await Promise.all(nodes.map((node) => node.close()));
  });
  /** Names of the nodes in the walk of a path. */
  const walk = (path: string): readonly number[] => {
    const steps = ring.walk(`all /${path}`);
    return nodes.map(() => steps.next());
  };
  return { nodes, links, port, records, retried, denied, joins, walk, drain: () => void listener.close() };
}

interface Got {
  readonly status: number;
  readonly lines: readonly string[];
  readonly head: string;
  readonly body: string;
}

const CLOSE = 'Connection: close\r\n';

/** Sends bytes as they are and reads to the end of the connection. */
async function raw(port: number, text: string): Promise<Got> {
  const socket = connect(port, '127.0.0.1');
  let got = '';
  socket.on('data', (bytes) => {
    got += bytes.toString('latin1');
  });
  socket.on('error', () => {});
  socket.write(text, 'latin1');
  await new Promise((resolve) => socket.once('close', resolve));
  const end = got.indexOf('\r\n\r\n');
  const head = got.slice(0, end);
  return { status: Number(head.slice(9, 12)), lines: head.split('\r\n').slice(1), head, body: got.slice(end + 4) };
}

function get(port: number, path = '/a.jpg', lines = '', method = 'GET'): Promise<Got> {
  return raw(port, `${method} ${path} HTTP/1.1\r\nHost: img.example\r\n${CLOSE}${lines}\r\n`);
}

const OK = 'HTTP/1.1 200 OK\r\n';
const HELLO = `${OK}Content-Length: 5\r\nX-Deckle-Result: memory\r\nCache-Status: n1; hit\r\n\r\nhello`;
const hello: Act = (socket) => socket.write(HELLO);
const says =
  (text: string): Act =>
  (socket) =>
    socket.write(text, 'latin1');

/** Waits for a condition that sockets will bring about. */
async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    assert.ok(performance.now() < deadline, 'it did not happen');
    await new Promise(setImmediate);
  }
}

test('an image comes from its node, and the story is told', async (t) => {
  const { port, records, nodes } = await house(t, [hello]);
  const got = await get(port);
  assert.equal(got.status, 200);
  assert.equal(got.body, 'hello');
  assert.ok(got.lines.includes('X-Request-Id: id-1'));
  assert.ok(got.lines.includes('Cache-Status: n1; hit'));
  assert.ok(!/x-deckle/i.test(got.head));
  const [record] = records;
  assert.deepEqual(
    { ...record!.note, status: record!.status, clean: record!.clean },
    {
      id: 'id-1',
      site: 0,
      result: 'memory',
      reason: undefined,
      client: '127.0.0.1',
      node: 'n1',
      tries: 1,
      status: 200,
      clean: true,
    },
  );
  assert.match(nodes[0]!.heads[0]!, /^GET \/a\.jpg HTTP\/1\.1\r\nHost: img\.example\r\nX-Forwarded-For: 127\.0\.0\.1\r\n/);
  assert.match(nodes[0]!.heads[0]!, /\r\nX-Deckle-From: front-1\r\nX-Deckle-Peer: s3cret\r\n/);
});

/** What the front answers by itself. */
const REFUSALS: readonly [name: string, text: string, status: number, code: string, reason: string, result: string][] = [
  ['no such host', `GET / HTTP/1.1\r\nHost: other.example\r\n${CLOSE}\r\n`, 404, 'DECKLE_NO_SITE', 'no-site', 'unrouted'],
  ['POST', `POST /a.jpg HTTP/1.1\r\nHost: img.example\r\n${CLOSE}\r\n`, 405, 'DECKLE_METHOD_NOT_ALLOWED', 'method', 'refused'],
  ['PURGE', `PURGE /a.jpg HTTP/1.1\r\nHost: img.example\r\n${CLOSE}\r\n`, 405, 'DECKLE_METHOD_NOT_ALLOWED', 'method', 'refused'],
  ['TRACE', `TRACE / HTTP/1.1\r\nHost: img.example\r\n${CLOSE}\r\n`, 405, 'DECKLE_METHOD_NOT_ALLOWED', 'method', 'refused'],
  ['no host', `GET / HTTP/1.1\r\n${CLOSE}\r\n`, 400, 'DECKLE_BAD_HOST', 'host', 'refused'],
  ['dots in the path', `GET /../a.jpg HTTP/1.1\r\nHost: img.example\r\n${CLOSE}\r\n`, 400, 'DECKLE_BAD_PATH', 'path', 'refused'],
  ['not HTTP', 'hello\r\n\r\n', 400, 'DECKLE_BAD_REQUEST', 'request-line', 'refused'],
  ['a loop', `GET / HTTP/1.1\r\nHost: img.example\r\nCDN-Loop: deckle\r\n${CLOSE}\r\n`, 508, 'DECKLE_LOOP', 'loop', 'refused'],
  [
    'a hotlink',
    `GET /guarded/a.jpg HTTP/1.1\r\nHost: img.example\r\nReferer: http://bad.example/\r\n${CLOSE}\r\n`,
    403,
    'DECKLE_REFERER_DENIED',
    'referer',
    'denied',
  ],
];

for (const [name, text, status, code, reason, result] of REFUSALS) {
  test(`refused at the front: ${name}`, async (t) => {
    const { port, records, nodes } = await house(t, [hello]);
    const got = await raw(port, text);
    assert.equal(got.status, status);
    assert.ok(got.body.startsWith(`${code} `), got.body);
    assert.ok(got.lines.includes(`Cache-Status: front; detail=${reason}`), got.head);
    assert.ok(got.lines.includes('Cache-Control: no-store'));
    assert.equal(got.lines.includes('Allow: GET, HEAD'), status === 405);
    assert.equal(nodes[0]!.requests(), 0);
    assert.equal(records.length, 1);
    assert.equal(records[0]!.note.result, result);
    assert.equal(records[0]!.note.reason, reason);
    assert.equal(records[0]!.note.tries, 0);
  });
}

test('the guard counts a denial and lets the others in', async (t) => {
  const { port, denied } = await house(t, [hello]);
  const path = '/guarded/a.jpg';
  assert.equal((await get(port, path, 'Referer: http://bad.example/\r\n')).status, 403);
  assert.deepEqual(denied, [1]);
  assert.equal((await get(port, path)).status, 200);
  assert.equal((await get(port, path, 'Referer: https://good.example/page\r\n')).status, 200);
  assert.equal((await get(port, '/a.jpg', 'Referer: http://bad.example/\r\n')).status, 200, 'the other site is open');
  const head = await get(port, path, 'Referer: http://bad.example/\r\n', 'HEAD');
  assert.equal(head.status, 403);
  assert.equal(head.body, '');
});

test('a denial may be a redirect', async (t) => {
  const { port } = await house(t, [hello], { deny: { status: 403, redirect: 'https://img.example/no.png' } });
  const got = await get(port, '/guarded/a.jpg', 'Referer: http://bad.example/\r\n');
  assert.equal(got.status, 302);
  assert.ok(got.lines.includes('Location: https://img.example/no.png'));
});

test('HEAD goes as HEAD, its length comes back, no body', async (t) => {
  const { port, nodes } = await house(t, [says(`${OK}Content-Length: 5\r\n\r\n`)]);
  const got = await get(port, '/a.jpg', '', 'HEAD');
  assert.deepEqual([got.status, got.body], [200, '']);
  assert.ok(got.lines.includes('Content-Length: 5'));
  assert.ok(nodes[0]!.heads[0]!.startsWith('HEAD '));
});

/** Answers of nodes and what a kept-alive client reads of each before the answer to its next request. */
const RELAYED: readonly [name: string, answer: string, head: RegExp, body: string][] = [
  ['a length', `${OK}Content-Length: 5\r\n\r\nhello`, /Content-Length: 5/, 'hello'],
  ['a length of 0', `${OK}Content-Length: 0\r\n\r\n`, /Content-Length: 0/, ''],
  ['bytes behind a length of 0', `${OK}Content-Length: 0\r\n\r\nX`, /Content-Length: 0/, ''],
  [
    'chunks',
    `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
    /Transfer-Encoding: chunked/,
    '5\r\nhello\r\n0\r\n\r\n',
  ],
  ['the last chunk alone', `${OK}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, /Transfer-Encoding: chunked/, '0\r\n\r\n'],
  ['a 304', 'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n', /^HTTP\/1\.1 304 [\s\S]*ETag: "1"/, ''],
  ['a 204', 'HTTP/1.1 204 No Content\r\n\r\n', /^HTTP\/1\.1 204 /, ''],
  ['a 404', 'HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno', /^HTTP\/1\.1 404 /, 'no'],
  ['a 503 of its own', 'HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno', /^HTTP\/1\.1 503 /, 'no'],
];

for (const [name, answer, wanted, body] of RELAYED) {
  test(`relayed on a kept-alive connection: ${name}`, async (t) => {
    const { port, records } = await house(t, [(socket, head) => socket.write(head.includes('/last') ? HELLO : answer, 'latin1')]);
    const client = connect(port, '127.0.0.1');
    t.after(() => client.destroy());
    let got = '';
    client.on('data', (bytes) => {
      got += bytes.toString('latin1');
    });
    client.write('GET /first HTTP/1.1\r\nHost: img.example\r\n\r\n');
    await until(() => got.includes('\r\n\r\n') && got.slice(got.indexOf('\r\n\r\n') + 4) === body);
    assert.match(got, wanted);
    got = '';
    client.write('GET /last HTTP/1.1\r\nHost: img.example\r\n\r\n');
    await until(() => got.endsWith('hello'));
    assert.deepEqual(
      records.map(({ clean }) => clean),
      [true, true],
    );
    assert.equal(records[0]!.note.result, 'relayed', 'it did not say a result of ours');
  });
}

test('many requests sent at once are answered in order', async (t) => {
  const { port } = await house(t, [
    (socket, head) => {
      const name = /\/(\d+)/.exec(head)![1]!;
      socket.write(`${OK}Content-Length: ${name.length + 1}\r\n\r\n${name};`);
    },
  ]);
  const many = 300;
  let text = '';
  for (let at = 0; at < many; at += 1) text += `${at % 3 === 0 ? 'HEAD' : 'GET'} /${at} HTTP/1.1\r\nHost: img.example\r\n\r\n`;
  const got = await raw(port, `${text}GET /${many} HTTP/1.1\r\nHost: img.example\r\n${CLOSE}\r\n`);
  const bodies = [...`${got.head}\r\n\r\n${got.body}`.matchAll(/\r\n\r\n(\d+);/g)].map((match) => Number(match[1]));
  const wanted = Array.from({ length: many + 1 }, (_, at) => at).filter((at) => at === many || at % 3 !== 0);
  assert.deepEqual(bodies, wanted);
});

test('no answer gets bytes of another, however slowly the clients read', async (t) => {
  // Many that come in one read, then some of many reads: together more than the kernel takes for a client that reads nothing.
  const each = 220;
  const bodyOf = (name: number): Buffer => Buffer.alloc(name % each < 200 ? 50_000 : 1_000_000, `body ${name};`);
  const { port, links } = await house(t, [
    (socket, head) => {
      const name = Number(/\/(\d+)/.exec(head)![1]);
      const body = bodyOf(name);
      const framing = name % 3 === 0 ? 'Transfer-Encoding: chunked' : `Content-Length: ${body.length}`;
      socket.cork();
      socket.write(`${OK}${framing}\r\n\r\n${name % 3 === 0 ? `${body.length.toString(16)}\r\n` : ''}`);
      socket.write(body);
      if (name % 3 === 0) socket.write('\r\n0\r\n\r\n');
      socket.uncork();
    },
  ]);
  const readers = await Promise.all(
    [0, 1].map(async (at) => {
      const names = Array.from({ length: each }, (_, nth) => at * each + nth);
      const client = await openRaw(port, { paused: true });
      client.send(names.map((name) => `GET /${name} HTTP/1.1\r\nHost: img.example\r\n\r\n`).join(''));
      return { client, names };
    }),
  );
  await until(() => links[0]!.inFlight > 0);
  // Until every client's socket is full and the relays have paused.
  for (let turn = 0; turn < 1_000; turn += 1) await new Promise(setImmediate);
  for (const { client, names } of readers) {
    const chunks: Buffer[] = [];
    let bytes = 0;
    client.socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      client.socket.pause();
      setImmediate(() => client.socket.resume());
    });
    const wanted = names.reduce((sum, name) => sum + bodyOf(name).length, 0);
    const answers = () => parseAnswers(Buffer.concat(chunks), false).filter(({ whole }) => whole);
    await until(() => bytes > wanted && answers().length === names.length);
    for (const [at, { body }] of answers().entries()) assert.ok(body.equals(bodyOf(names[at]!)), `body ${names[at]}`);
    client.close();
  }
});

test('the head does not wait for a body whose first bytes are no data yet', async (t) => {
  const rest = Promise.withResolvers<() => void>();
  const { port } = await house(t, [
    (socket) => {
      socket.write(`${OK}Transfer-Encoding: chunked\r\n\r\n5\r\n`);
      rest.resolve(() => socket.write('hello\r\n0\r\n\r\n'));
    },
  ]);
  const client = connect(port, '127.0.0.1');
  client.write(`GET /a HTTP/1.1\r\nHost: img.example\r\n${CLOSE}\r\n`);
  const [first] = (await once(client, 'data')) as [Buffer];
  assert.match(first.toString('latin1'), /^HTTP\/1\.1 200 /);
  (await rest.promise)();
  await once(client, 'end');
});

test('an HTTP/1.0 client gets the body of unknown length by the end of the connection', async (t) => {
  const { port } = await house(t, [says(`${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`)]);
  const got = await raw(port, 'GET /a HTTP/1.0\r\nHost: img.example\r\n\r\n');
  assert.equal(got.body, 'hello');
  assert.ok(!/chunked/.test(got.head));
});

test('a node that fails before its first byte: the next of the walk is asked, and the failed one is passed over', async (t) => {
  const failing: Act = (socket) => socket.resetAndDestroy();
  const acts: Act[] = [hello, hello, hello];
  const made = await house(
    t,
    [0, 1, 2].map(
      (at): Act =>
        (socket, head) =>
          acts[at]!(socket, head),
    ),
  );
  const { port, walk, records, retried, nodes, links } = made;
  const [owner, second] = walk('a.jpg') as [number, number];
  acts[owner] = failing;
  const got = await get(port);
  assert.equal(got.body, 'hello');
  const { note } = records[0]!;
  assert.equal(note.tries, 2);
  assert.equal(note.node, links[second]!.name);
  assert.deepEqual(retried, [links[owner]!.name]);
  const asked = nodes[owner]!.requests();
  assert.equal((await get(port)).body, 'hello');
  assert.equal(nodes[owner]!.requests(), asked, 'it is not asked again at once');
});

test('retries are bound: one more node than allowed is not asked', async (t) => {
  for (const retries of [0, 1, 2]) {
    const failing: Act = (socket) => socket.destroy();
    const { port, nodes, records } = await house(t, [failing, failing, failing, failing], { retries });
    const got = await get(port);
    assert.equal(got.status, 503);
    assert.ok(got.body.startsWith('DECKLE_NO_NODE'));
    assert.ok(got.lines.includes('Retry-After: 1'));
    assert.equal(
      nodes.reduce((sum, node) => sum + node.requests(), 0),
      retries + 1,
    );
    assert.deepEqual([records[0]!.note.result, records[0]!.note.reason], ['shed', 'no-node']);
  }
});

test('with all nodes down the answer is a quick 503, also when all are passed over', async (t) => {
  const { port, nodes, links } = await house(t, [hello, hello]);
  for (const node of nodes) await node.close();
  for (let at = 0; at < 3; at += 1) {
    const began = performance.now();
    const got = await get(port);
    assert.equal(got.status, 503);
    assert.ok(performance.now() - began < 1_000);
  }
  assert.ok(links.every((link) => link.avoided && link.inFlight === 0));
});

test('nodes that are all passed over are tried after all', async (t) => {
  const { port, links } = await house(t, [hello, hello]);
  for (const link of links) link.failed();
  assert.equal((await get(port)).body, 'hello');
});

test('an answer that breaks off is cut for the client, never ended', async (t) => {
  for (const [text, framing] of [
    [`${OK}Content-Length: 9\r\n\r\nhello`, 'length'],
    [`${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`, 'chunked'],
  ] as const) {
    const { port, records, nodes } = await house(t, [(socket) => socket.end(text), (socket) => socket.end(text)]);
    const got = await get(port);
    assert.equal(got.status, 200);
    assert.ok(framing === 'length' ? got.body.length < 9 : !got.body.endsWith('0\r\n\r\n'), got.body);
    assert.deepEqual([records[0]!.note.result, records[0]!.note.reason, records[0]!.clean], ['error', 'node-broken', false]);
    assert.equal(nodes[0]!.requests() + nodes[1]!.requests(), 1, 'after a byte no other node is asked');
  }
});

const TAGGED = 'ETag: "1"\r\nContent-Length: 10\r\n';
const BODY = '0123456789';

/** Answers the first bytes of BODY and breaks off; a question for the rest by `rest`. */
function breaking(rest: (socket: Socket, first: number) => void, first = `${OK}${TAGGED}\r\n${BODY.slice(0, 4)}`): Act {
  return (socket, head) => {
    const range = /\r\nRange: bytes=(\d+)-9\r\nIf-Range: "1"\r\n/.exec(head);
    if (range === null) socket.end(first, 'latin1');
    else rest(socket, Number(range[1]));
  };
}

function partOf(first: number, last = 9, tag = '"1"'): string {
  const body = BODY.slice(first, last + 1);
  return `HTTP/1.1 206 Partial Content\r\nETag: ${tag}\r\nContent-Range: bytes ${first}-9/10\r\nContent-Length: ${10 - first}\r\n\r\n${body}`;
}

test('an answer that breaks off is finished from the next node, and from the one after that', async (t) => {
  const acts = [
    breaking((socket, first) => socket.end(partOf(first, first + 1), 'latin1')),
    breaking((socket, first) => socket.end(partOf(first, first + 1), 'latin1')),
    breaking((socket, first) => socket.end(partOf(first), 'latin1')),
  ];
  let nth = 0;
  const inTurn: Act = (socket, head) => acts[nth++]!(socket, head);
  const { port, records, retried, nodes } = await house(t, [inTurn, inTurn, inTurn]);
  const lines = 'If-None-Match: "0"\r\nIf-Modified-Since: Mon, 01 Jan 2024 00:00:00 GMT\r\nIf-Match: *\r\n';
  const got = await get(port, '/a.jpg', lines);
  assert.equal(got.status, 200);
  assert.equal(got.body, BODY);
  const [{ note, clean }] = records as [Recorded];
  assert.deepEqual([note.tries, note.reason, clean], [3, undefined, true]);
  assert.equal(retried.length, 2);
  const asked = nodes.flatMap((node) => node.heads).filter((head) => /\r\nRange: /.test(head));
  assert.equal(asked.length, 2);
  assert.ok(
    asked.every((head) => !/\r\nIf-(?:None-Match|Modified-Since|Match)/.test(head)),
    'no other condition goes with it',
  );
});

test('a range that breaks off is finished, also for a client that asked on a condition of its own', async (t) => {
  let nth = 0;
  const inTurn: Act = (socket, head) => {
    nth += 1;
    if (nth > 1) return breaking((to, first) => to.end(partOf(first), 'latin1'))(socket, head);
    socket.end(`HTTP/1.1 206 P\r\nETag: "1"\r\nContent-Range: bytes 3-9/10\r\nContent-Length: 7\r\n\r\n${BODY.slice(3, 5)}`);
  };
  const { port, nodes } = await house(t, [inTurn, inTurn]);
  const got = await get(port, '/a.jpg', 'Range: bytes=3-\r\nIf-Range: "1"\r\n');
  assert.deepEqual([got.status, got.body], [206, BODY.slice(3)]);
  const second = nodes.flatMap((node) => node.heads).find((head) => head.includes('bytes=5-9'))!;
  assert.equal([...second.matchAll(/\r\n(?:If-)?Range: /g)].length, 2);
});

/** What the next node says for the rest that is not the rest, or not all of it. */
const WRONG_RESTS: readonly [name: string, rest: (socket: Socket, first: number) => void][] = [
  ['the whole again', (socket) => socket.end(`${OK}${TAGGED}\r\n${BODY}`)],
  ['of another body', (socket, first) => socket.end(partOf(first, 9, '"2"'))],
  ['from elsewhere', (socket, first) => socket.end(partOf(first - 1))],
  ['an error', (socket) => socket.end('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\nno')],
  ['a reset', (socket) => socket.resetAndDestroy()],
];

for (const [name, rest] of WRONG_RESTS) {
  test(`the rest of an answer is not what was asked for, the client is cut: ${name}`, async (t) => {
    const act = breaking(rest);
    const { port, records, links } = await house(t, [act, act], { retries: 1 });
    const got = await get(port);
    assert.equal(got.body, BODY.slice(0, 4));
    assert.deepEqual([records[0]!.note.result, records[0]!.note.reason, records[0]!.clean], ['error', 'node-broken', false]);
    assert.ok(links.every((link) => link.inFlight === 0));
  });
}

test('an HTTP/1.0 client sees a broken body as a reset', async (t) => {
  const cut = Promise.withResolvers<() => void>();
  const { port } = await house(t, [
    (socket) => {
      socket.write(`${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`);
      cut.resolve(() => socket.destroy());
    },
  ]);
  const client = connect(port, '127.0.0.1');
  client.write('GET /a HTTP/1.0\r\nHost: img.example\r\n\r\n');
  await once(client, 'data');
  client.resume();
  (await cut.promise)();
  const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNRESET');
});

test('a frozen node is a 504, and the next is not asked: the image may cost the origin what it costs', async (t) => {
  const { port, nodes, records } = await house(t, [() => {}, () => {}], {
    timeouts: { firstByteMs: 20, betweenBytesMs: 10_000 },
  });
  const got = await get(port);
  assert.equal(got.status, 504);
  assert.ok(got.body.startsWith('DECKLE_NODE_TIMEOUT'));
  assert.equal(nodes[0]!.requests() + nodes[1]!.requests(), 1);
  assert.equal(records[0]!.note.tries, 1);
});

/** Nodes that answer probes as they are told, and requests by a script. */
async function probed(t: TestContext, acts: readonly Act[]) {
  const alive = acts.map(() => true);
  const made = await house(
    t,
    acts.map(
      (act, at): Act =>
        (socket, head) => {
          if (!head.startsWith('GET /-/ready ')) act(socket, head);
          else if (alive[at]!) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
        },
    ),
    { link: { check: '/-/ready' } },
  );
  return { ...made, alive };
}

test('requests without a byte at a node that does not live go to the next one', async (t) => {
  const acts: Act[] = [hello, hello];
  const inTurn = [0, 1].map(
    (at): Act =>
      (socket, head) =>
        acts[at]!(socket, head),
  );
  const { port, walk, alive, links, records, nodes } = await probed(t, inTurn);
  const [owner] = walk('a.jpg') as [number];
  alive[owner] = false;
  // One of them had a sign of life before.
  acts[owner] = (socket, head) => void (head.includes('?') ? socket.write('HTTP/1.1 102 Processing\r\n\r\n') : 0);
  const began = performance.now();
  const answers = await Promise.all([get(port), get(port), get(port, '/a.jpg?1')]);
  assert.ok(answers.every(({ status, body }) => status === 200 && body === 'hello'));
  assert.ok(performance.now() - began < 1_500);
  assert.ok(links[owner]!.avoided);
  const asked = nodes[owner]!.heads.filter((head) => head.startsWith('GET /a.jpg')).length;
  assert.equal((await get(port)).body, 'hello');
  assert.equal(nodes[owner]!.heads.filter((head) => head.startsWith('GET /a.jpg')).length, asked, 'it is passed over');
  assert.ok(records.every(({ note }) => note.result === 'memory'));
});

test('a body that stands still at a node that does not live is finished from the next one', async (t) => {
  const acts: Act[] = [0, 1].map(() => breaking((socket, first) => socket.end(partOf(first), 'latin1')));
  const inTurn = [0, 1].map(
    (at): Act =>
      (socket, head) =>
        acts[at]!(socket, head),
  );
  const { port, walk, alive } = await probed(t, inTurn);
  const [owner] = walk('a.jpg') as [number];
  alive[owner] = false;
  acts[owner] = (socket) => socket.write(`${OK}${TAGGED}\r\n${BODY.slice(0, 4)}`);
  assert.equal((await get(port)).body, BODY);
});

test('with nowhere else to go a request waits on', async (t) => {
  const held: Socket[] = [];
  const { port, alive, links } = await probed(t, [(socket) => held.push(socket)]);
  alive[0] = false;
  const answer = get(port);
  await until(() => links[0]!.avoided);
  held[0]!.write(HELLO);
  assert.equal((await answer).body, 'hello');
  assert.equal(links[0]!.avoided, false, 'its answer forgives it');
});

test('a full queue is a 503 that says when to come again; a slot that comes too late too', async (t) => {
  const release = Promise.withResolvers<void>();
  const { port, links, records } = await house(t, [(socket) => void release.promise.then(() => socket.write(HELLO))], {
    link: { maxRequests: 1, queueMax: 1, queueMs: 50 },
  });
  const first = get(port, '/1');
  await until(() => links[0]!.inFlight === 1);
  const second = get(port, '/2');
  await until(() => links[0]!.queued === 1);
  const third = await get(port, '/3');
  assert.equal(third.status, 503);
  assert.ok(third.body.startsWith('DECKLE_QUEUE_FULL'));
  assert.ok(third.lines.includes('Retry-After: 1'));
  const late = await second;
  assert.equal(late.status, 503);
  assert.ok(late.body.startsWith('DECKLE_QUEUE_TIMEOUT'));
  release.resolve();
  assert.equal((await first).status, 200);
  assert.deepEqual(records.map(({ note }) => note.result).sort(), ['memory', 'shed', 'shed']);
  assert.ok(!links[0]!.avoided);
});

/** Requests of one image while the first has no answer: all wait but the lead. */
async function joined(t: TestContext, act: Act, many: number, options: HouseOptions = {}) {
  const held: Socket[] = [];
  let holding = true;
  const made = await house(
    t,
    [0, 1].map((): Act => (socket, head) => (holding ? held.push(socket) : act(socket, head))),
    options,
  );
  const answers = [get(made.port)];
  await until(() => held.length === 1);
  const began = performance.now();
  await until(() => performance.now() - began > 6);
  for (let at = 1; at < many; at += 1) answers.push(get(made.port));
  const waiting = () => made.links[0]!.inFlight + made.links[1]!.inFlight;
  return {
    ...made,
    answers,
    lead: held[0]!,
    inFlight: waiting,
    go: () => {
      holding = false;
    },
  };
}

test('requests of one image wait for the first without a slot, then go all at once', async (t) => {
  const made = await joined(t, hello, 200, { link: { maxRequests: 8, queueMax: 4 } });
  await until(() => made.nodes.some((node) => node.requests() === 1));
  assert.equal(made.inFlight(), 1);
  made.go();
  made.lead.write(HELLO);
  const answers = await Promise.all(made.answers);
  assert.equal(answers.filter(({ status, body }) => status === 200 && body === 'hello').length, 200, 'none is shed for waiting');
  assert.equal(made.inFlight(), 0);
});

test('when the first fails the others go on, to the next node', async (t) => {
  const made = await joined(t, hello, 50);
  const [owner, second] = made.walk('a.jpg') as [number, number];
  made.go();
  made.lead.destroy();
  const answers = await Promise.all(made.answers);
  assert.ok(answers.every(({ body }) => body === 'hello'));
  assert.equal(made.nodes[owner]!.requests(), 1, 'nobody repeats what the first met');
  assert.equal(made.nodes[second]!.requests(), 50);
  assert.deepEqual(made.retried, [made.links[owner]!.name]);
});

test('a client that leaves while it waits takes nothing with it', async (t) => {
  const held: Socket[] = [];
  const { port, links, records } = await house(t, [(socket) => held.push(socket)], { link: { maxRequests: 1, queueMax: 8 } });
  const ask = (path: string) => {
    const client = connect(port, '127.0.0.1');
    client.on('error', () => {});
    client.write(`GET ${path} HTTP/1.1\r\nHost: img.example\r\n\r\n`);
    return client;
  };
  const lead = ask('/a');
  await until(() => held.length === 1);
  const queued = ask('/b');
  await until(() => links[0]!.queued === 1);
  // There is no slot: it waits for the lead of its image.
  const follower = ask('/a');
  await once(follower, 'connect');
  follower.resetAndDestroy();
  queued.resetAndDestroy();
  await until(() => records.length === 2);
  assert.equal(links[0]!.queued, 0);
  assert.ok(records.every(({ clean, status }) => !clean && status === 0));
  lead.resetAndDestroy();
  await until(() => records.length === 3);
  assert.equal(links[0]!.inFlight, 0);
  await until(() => held[0]!.destroyed);
});

test('a client that leaves while it reads ends the relay', async (t) => {
  const { port, links, records, nodes } = await house(t, [
    (socket) => {
      socket.write(`${OK}Content-Length: 9\r\n\r\nhello`);
    },
  ]);
  const client = connect(port, '127.0.0.1');
  client.write('GET /a HTTP/1.1\r\nHost: img.example\r\n\r\n');
  await once(client, 'data');
  client.resetAndDestroy();
  await until(() => records.length === 1);
  assert.equal(links[0]!.inFlight, 0);
  await until(() => nodes[0]!.open().length === 0);
});

test('only a trusted hop names the client and the request', async (t) => {
  const lines = 'X-Forwarded-For: 198.51.100.7\r\nX-Request-Id: theirs\r\n';
  const far = await house(t, [hello]);
  await get(far.port, '/a', lines);
  assert.match(far.nodes[0]!.heads[0]!, /\r\nX-Forwarded-For: 127\.0\.0\.1\r\nX-Request-Id: id-1\r\n/);
  assert.equal(far.records[0]!.note.client, '127.0.0.1');

  const near = await house(t, [hello], { trusted: ['127.0.0.0/8'] });
  await get(near.port, '/a', lines);
  assert.match(near.nodes[0]!.heads[0]!, /\r\nX-Forwarded-For: 198\.51\.100\.7, 127\.0\.0\.1\r\nX-Request-Id: theirs\r\n/);
  assert.equal(near.records[0]!.note.client, '198.51.100.7');
  await get(near.port, '/a', 'X-Request-Id: bad id!\r\n');
  assert.match(near.nodes[0]!.heads[1]!, /\r\nX-Request-Id: id-1\r\n/, 'an id of another form is not taken over');
});

test("a node's own request id is kept, a word that is no result of ours is not", async (t) => {
  const { port, records } = await house(t, [
    says(`${OK}Content-Length: 0\r\nX-Request-Id: from-node\r\nX-Deckle-Result: forged\r\n\r\n`),
  ]);
  const got = await get(port);
  assert.equal(got.lines.filter((line) => /^x-request-id/i.test(line)).join(), 'X-Request-Id: from-node');
  assert.equal(records[0]!.note.result, 'relayed');
});

const TOKEN = 'a0'.repeat(16);
const QUICK = { link: { quick: new QuickReader(TOKEN) } } as const;

/** An answer as our nodes make it. Without X-Request-Id, which every answer that the front has read gets: so the two ways differ. */
function quickAnswer(body: string | Buffer, token = TOKEN, lines = ''): Buffer {
  const bytes = Buffer.from(body);
  const own = `${lines}Cache-Status: n1; hit\r\nContent-Length: ${bytes.length}\r\n\r\n`;
  const peer = { lines: 'X-Deckle-Result: memory\r\nX-Deckle-Later: x\r\n', result: 'memory', token } as const;
  return Buffer.concat([Buffer.from(`${OK}${quickLine(peer, 200, own.length, bytes.length)}${peer.lines}${own}`), bytes]);
}

/** What a kept-alive client gets for one request. */
async function kept(t: TestContext, port: number, text = 'GET /a.jpg HTTP/1.1\r\nHost: img.example\r\n\r\n') {
  const client = await openRaw(port);
  t.after(() => client.close());
  client.send(text);
  assert.ok(await client.answered(1));
  return { client, text: client.bytes().toString('latin1') };
}

test('a quick answer goes to the client as it stands', async (t) => {
  const { port, records, nodes, links } = await house(t, [(socket) => socket.write(quickAnswer('hello'))], QUICK);
  const { client, text } = await kept(t, port);
  assert.equal(text, `${OK}Cache-Status: n1; hit\r\nContent-Length: 5\r\n\r\nhello`);
  assert.deepEqual(records, [
    {
      note: {
        id: 'id-1',
        site: 0,
        result: 'memory',
        reason: undefined,
        client: '127.0.0.1',
        node: 'n1',
        tries: 1,
      },
      status: 200,
      clean: true,
    },
  ]);
  assert.equal(links[0]!.inFlight, 0);
  client.send('GET /b.jpg HTTP/1.1\r\nHost: img.example\r\n\r\n');
  assert.ok(await client.answered(2));
  assert.equal(client.bytes().toString('latin1'), text + text);
  assert.equal(nodes[0]!.connections(), 1, 'the connection to the node goes on');
});

const ASK = 'GET /a.jpg HTTP/1.1\r\nHost: img.example\r\n';
const WAYS: readonly (readonly [name: string, request: string, answer: Act, options?: HouseOptions])[] = [
  ['the client wants to leave', `${ASK}${CLOSE}\r\n`, (socket) => socket.write(quickAnswer('hello'))],
  [
    'a client of HTTP/1.0',
    'GET /a.jpg HTTP/1.0\r\nHost: img.example\r\nConnection: keep-alive\r\n\r\n',
    (socket) => socket.write(quickAnswer('hello')),
  ],
  ['another token', `${ASK}\r\n`, (socket) => socket.write(quickAnswer('hello', 'b0'.repeat(16)))],
  ['no token here', `${ASK}\r\n`, (socket) => socket.write(quickAnswer('hello')), {}],
  [
    'an interim answer before it',
    `${ASK}\r\n`,
    (socket) => socket.write(Buffer.concat([Buffer.from('HTTP/1.1 102 Processing\r\n\r\n'), quickAnswer('hello')])),
  ],
  [
    'an interim answer in a read of its own',
    `${ASK}\r\n`,
    (socket) => socket.write('HTTP/1.1 102 Processing\r\n\r\n', () => setImmediate(() => socket.write(quickAnswer('hello')))),
  ],
  ['bytes behind it', `${ASK}\r\n`, (socket) => socket.write(Buffer.concat([quickAnswer('hello'), Buffer.from('x')]))],
  [
    'a hot copy is made of it',
    `${ASK}\r\n`,
    (socket) => socket.write(quickAnswer('hello')),
    { ...QUICK, hot: Object.assign(hotCopies(), { wants: () => true }) },
  ],
];

function hotCopies(): HotCopies {
  const position = { epoch: '00000000000000aa', high: 0n, low: 0n };
  return new HotCopies({ maxBytes: 1024 * 1024, ttlMs: 60_000, position, nowMs: systemClock.monoMs() });
}

for (const [name, request, answer, options = QUICK] of WAYS) {
  test(`the ordinary way: ${name}`, async (t) => {
    const { port, records } = await house(t, [answer], options);
    const { text } = await kept(t, port, request);
    assert.match(text, /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\nX-Request-Id: id-1\r\n[\s\S]*\r\nhello$/);
    assert.doesNotMatch(text, /x-deckle/i);
    assert.equal(records[0]!.note.result, 'memory');
    assert.equal(/\r\nConnection: close\r\n/.test(text), request.includes(CLOSE));
  });
}

test('wherever it is split, it is the same answer', async (t) => {
  const whole = quickAnswer('hello');
  let cut = 0;
  const act: Act = (socket) => {
    socket.setNoDelay(true);
    const at = cut;
    socket.write(whole.subarray(0, at), () => setImmediate(() => socket.write(whole.subarray(at))));
  };
  const { port } = await house(t, [act], QUICK);
  for (cut = 1; cut < whole.length; cut += 7) {
    const { client, text } = await kept(t, port);
    assert.match(
      text,
      /^HTTP\/1\.1 200 OK\r\nCache-Status: n1; hit\r\nContent-Length: 5\r\n(X-Request-Id: id-\d+\r\n)?\r\nhello$/,
    );
    client.close();
  }
});

test('an answer to HEAD is never quick', async (t) => {
  const { port } = await house(t, [(socket) => socket.write(quickAnswer(''))], QUICK);
  const client = await openRaw(port);
  t.after(() => client.close());
  client.send('HEAD /a.jpg HTTP/1.1\r\nHost: img.example\r\n\r\n');
  await until(() => client.answers([0]).length === 1);
  assert.match(client.bytes().toString('latin1'), /\r\nX-Request-Id: id-1\r\n\r\n$/);
});

test('a front that began to close between question and answer says so', async (t) => {
  const asked = Promise.withResolvers<Socket>();
  const { port, drain } = await house(t, [(socket) => asked.resolve(socket)], QUICK);
  const client = await openRaw(port);
  t.after(() => client.close());
  client.send(`${ASK}\r\n`);
  const node = await asked.promise;
  drain();
  node.write(quickAnswer('hello'));
  await client.closed();
  assert.match(client.bytes().toString('latin1'), /\r\nConnection: close\r\n[\s\S]*hello$/);
});

test('an image that is asked for often is copied though its answers are quick', async (t) => {
  const copy = `X-Deckle-Copy: 60000 ${'0'.repeat(14)}aa${'0'.repeat(32)}\r\n`;
  const { port, nodes, records } = await house(t, [(socket) => socket.write(quickAnswer('hello', TOKEN, copy))], {
    ...QUICK,
    hot: hotCopies(),
  });
  const { client } = await kept(t, port);
  for (let asked = 2; asked <= 6; asked += 1) {
    client.send(`${ASK}\r\n`);
    assert.ok(await client.answered(asked));
  }
  assert.deepEqual(
    records.map(({ note }) => note.result),
    ['memory', 'memory', 'memory', 'hot', 'hot', 'hot'],
  );
  assert.equal(nodes[0]!.requests(), 3);
});

test('no quick answer gets bytes of another, however slowly the clients read', async (t) => {
  const bodyOf = (name: number): Buffer => Buffer.alloc(30_000, `body ${name};`);
  const { port, links } = await house(
    t,
    [(socket, head) => socket.write(quickAnswer(bodyOf(Number(/\/(\d+)/.exec(head)![1]))))],
    QUICK,
  );
  const each = 300;
  const readers = await Promise.all(
    [0, 1, 2].map(async (at) => {
      const names = Array.from({ length: each }, (_, nth) => at * each + nth);
      const client = await openRaw(port, { paused: true });
      client.send(names.map((name) => `GET /${name} HTTP/1.1\r\nHost: img.example\r\n\r\n`).join(''));
      return { client, names };
    }),
  );
  for (let turn = 0; turn < 1_000; turn += 1) await new Promise(setImmediate);
  for (const { client, names } of readers) {
    const chunks: Buffer[] = [];
    let bytes = 0;
    client.socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      client.socket.pause();
      setImmediate(() => client.socket.resume());
    });
    await until(
      () => bytes > each * 30_000 && parseAnswers(Buffer.concat(chunks), false).filter(({ whole }) => whole).length === each,
    );
    for (const [at, { body }] of parseAnswers(Buffer.concat(chunks), false).entries())
      assert.ok(body.equals(bodyOf(names[at]!)), `body ${names[at]}`);
    client.close();
  }
  assert.equal(links[0]!.inFlight, 0);
});

test('those who waited for a quick answer are let go', async (t) => {
  const waiting: Socket[] = [];
  const { port, joins, nodes } = await house(t, [(socket) => void waiting.push(socket)], QUICK);
  const client = await openRaw(port);
  t.after(() => client.close());
  client.send(`${ASK}\r\n`);
  await until(() => waiting.length === 1);
  const key = 'all /a.jpg';
  assert.equal(joins.shouldWait(key, true, 0), true, 'it leads');
  let letGo = 0;
  joins.wait(key, { letGo: () => (letGo += 1) });
  waiting[0]!.write(quickAnswer('hello'));
  assert.ok(await client.answered(1));
  assert.equal(letGo, 1);
  assert.equal(joins.shouldWait(key, true, 0), false);
  assert.equal(nodes[0]!.requests(), 1);
});

test('a node that is known for one of ours is sent what it needs, and no longer than it is known', async (t) => {
  let answer: string | Buffer = HELLO;
  const { port, nodes, links } = await house(t, [(socket) => socket.write(answer)], { ...QUICK, requestHeaders: ['x-tint'] });
  const heads: boolean[] = [];
  const lines = 'Accept: image/webp\r\nX-Tint: red\r\nIf-None-Match: "1"\r\n';
  const ask = async () => {
    const { client } = await kept(t, port, `${ASK}${lines}\r\n`);
    client.close();
    const head = nodes[0]!.heads.at(-1)!;
    assert.match(head, /\r\nX-Tint: red\r\nIf-None-Match: "1"\r\n\r\n$/);
    heads.push(head.includes('Accept: image/webp'));
  };
  await ask();
  await ask();
  answer = quickAnswer('hello');
  await ask();
  await ask();
  answer = `${OK}Content-Length: 5\r\n\r\nhello`;
  await ask();
  assert.equal(links[0]!.speaksDeckle, false);
  await ask();
  assert.deepEqual(heads, [true, false, false, false, false, true]);
});
