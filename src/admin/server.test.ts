import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Registry } from '../metrics/registry.ts';
import type { AdminBackend, PurgeOutcome } from './backend.ts';
import type { PurgeRequest } from './purges.ts';
import { type AdminServer, type AdminServerOptions, createAdminServer } from './server.ts';

interface World {
  readonly server: AdminServer;
  readonly port: number;
  readonly purges: PurgeRequest[];
  readonly reports: unknown[];
  backend: AdminBackend;
}

async function start(t: TestContext, options: Partial<AdminServerOptions> = {}): Promise<World> {
  const registry = new Registry();
  registry.cell('deckle_requests_total', { role: 'front', node: '', site: 'all', result: 'miss', status_class: '2xx' }).value = 2;
  const purges: PurgeRequest[] = [];
  const reports: unknown[] = [];
  const backend: AdminBackend = {
    ready: () => ({ ready: true, why: '' }),
    snapshot: async () => registry.snapshot(),
    status: async () => ({ version: '0.1.0', configSerial: 1, purgePosition: undefined, processes: [], nodes: [], sites: [] }),
    purge: async (request) => {
      purges.push(request);
      return { kind: 'done', id: 'p1', applied: { n1: 3, 'front-1': null }, pending: ['n2'] };
    },
  };
  // The server keeps the object it was given; a test changes what it does through this one.
  const world = { purges, reports, backend };
  const server = createAdminServer(
    {
      ready: () => world.backend.ready(),
      snapshot: () => world.backend.snapshot(),
      status: () => world.backend.status(),
      purge: (request) => world.backend.purge(request),
    },
    { host: '127.0.0.1', port: 0, token: '', report: (error) => reports.push(error), closeMs: 50, ...options },
  );
  t.after(() => server.close());
  const { port } = await server.listen();
  return Object.assign(world, { server, port });
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Ask {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string | Buffer;
}

function ask(port: number, path: string, { method = 'GET', headers = {}, body }: Ask = {}): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const request = httpRequest(
    { host: '127.0.0.1', port, path, method, headers: headers as Record<string, string>, agent: false },
    (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
    },
  );
  request.on('error', reject);
  request.end(body);
  return promise;
}

function purge(port: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return ask(port, '/purge', { method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body: text });
}

/** Sends raw bytes and reads until the server closes. */
function raw(port: number, bytes: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
  let text = '';
  socket.setEncoding('latin1');
  socket.on('data', (chunk: string) => {
    text += chunk;
  });
  socket.on('error', () => {});
  socket.on('close', () => resolve(text));
  return promise;
}

function errorCode(answer: Answer): unknown {
  const { error } = JSON.parse(answer.body) as { error: { code: unknown; message: unknown } };
  assert.equal(typeof error.message, 'string');
  return error.code;
}

test('health and readiness answer anyone', async (t) => {
  const world = await start(t, { token: 'secret' });
  assert.deepEqual([(await ask(world.port, '/-/health')).status, (await ask(world.port, '/-/ready')).body], [200, 'ready\n']);
  world.backend = { ...world.backend, ready: () => ({ ready: false, why: 'n1 is starting' }) };
  const answer = await ask(world.port, '/-/ready', { headers: { Host: 'edge.example' } });
  assert.deepEqual([answer.status, answer.body], [503, 'n1 is starting\n']);
});

test('the figures come in four forms, never to be stored or sniffed', async (t) => {
  const { port } = await start(t);
  const types: Readonly<Record<string, RegExp>> = {
    '/': /^text\/html/,
    '/metrics': /^text\/plain; version=0\.0\.4/,
    '/stats.json': /^application\/json/,
    '/stats.csv': /^text\/csv/,
  };
  for (const [path, type] of Object.entries(types)) {
    const answer = await ask(port, `${path}?t=1`);
    assert.equal(answer.status, 200, path);
    assert.match(answer.headers['content-type'] ?? '', type);
    assert.equal(answer.headers['cache-control'], 'no-store');
    assert.equal(answer.headers['x-content-type-options'], 'nosniff');
    const head = await ask(port, path, { method: 'HEAD' });
    assert.deepEqual([head.status, head.body, head.headers['content-length']], [200, '', String(Buffer.byteLength(answer.body))]);
  }
  assert.match((await ask(port, '/metrics')).body, /^deckle_requests_total\{.*\} 2$/m);
  assert.equal((JSON.parse((await ask(port, '/stats.json')).body) as { totals: { requests: number } }).totals.requests, 2);
});

test('the policy of the page names the style sheet that is in it', async (t) => {
  const { port } = await start(t);
  const { headers, body } = await ask(port, '/');
  const style = /<style>([^<]*)<\/style>/.exec(body)?.[1] ?? '';
  assert.ok(
    String(headers['content-security-policy']).includes(`'sha256-${createHash('sha256').update(style).digest('base64')}'`),
  );
});

test('unknown paths are 404 and wrong methods 405 with Allow', async (t) => {
  const { port } = await start(t);
  for (const path of ['/nothing', '/constructor', '/stats.json/', '//', '/-/'])
    assert.equal(errorCode(await ask(port, path)), 'not-found', path);
  const read = await ask(port, '/purge');
  assert.deepEqual([read.status, read.headers.allow, errorCode(read)], [405, 'POST', 'method-not-allowed']);
  const write = await ask(port, '/stats.json', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' });
  assert.deepEqual([write.status, write.headers.allow], [405, 'GET, HEAD']);
});

test('with a token: nothing is told without it, not even whether a path exists', async (t) => {
  const world = await start(t, { token: 'secret' });
  for (const path of ['/', '/metrics', '/stats.json', '/stats.csv', '/nothing']) {
    const answer = await ask(world.port, path);
    assert.deepEqual([answer.status, answer.headers['www-authenticate']], [401, 'Bearer realm="deckle"'], path);
  }
  assert.equal((await purge(world.port, { urls: ['/a'] })).status, 401);
  assert.equal((await purge(world.port, { urls: ['/a'] }, { Authorization: 'Bearer wrong' })).status, 401);
  assert.deepEqual(world.purges, []);
  const headers = { Authorization: 'Bearer secret' };
  assert.equal((await ask(world.port, '/metrics', { headers })).status, 200);
  assert.equal((await ask(world.port, '/nothing', { headers })).status, 404);
  assert.equal((await purge(world.port, { urls: ['/a'] }, headers)).status, 200);
  const twice = await raw(
    world.port,
    'GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret\r\nAuthorization: Bearer secret\r\nConnection: close\r\n\r\n',
  );
  assert.match(twice, /^HTTP\/1\.1 401 /);
});

test('without a token: a rebound name, a form and a foreign page get nowhere', async (t) => {
  const world = await start(t);
  assert.equal((await ask(world.port, '/stats.json', { headers: { Host: 'evil.example' } })).status, 403);
  assert.equal((await ask(world.port, '/purge', { method: 'POST', body: '{"urls":["/a"]}' })).status, 403);
  assert.equal((await purge(world.port, { urls: ['/a'] }, { 'Content-Type': 'text/plain' })).status, 403);
  assert.equal((await purge(world.port, { urls: ['/a'] }, { Origin: 'http://evil.example' })).status, 403);
  assert.deepEqual(world.purges, []);
  assert.equal((await purge(world.port, { urls: ['/a'] }, { Origin: `http://127.0.0.1:${world.port}` })).status, 200);
});

test('without a token only loopback is listened on', () => {
  const backend = {} as AdminBackend;
  for (const host of ['0.0.0.0', '::', '10.0.0.1', 'edge.example'])
    assert.throws(() => createAdminServer(backend, { host, port: 0, token: '' }), /loopback/);
});

test('a purge is passed on, and its outcome told', async (t) => {
  const world = await start(t);
  const answer = await purge(world.port, { urls: ['http://a.example/x.jpg'], wait: '2s' });
  assert.equal(answer.status, 200);
  assert.deepEqual(JSON.parse(answer.body), { id: 'p1', applied: { n1: 3, 'front-1': null }, pending: ['n2'] });
  assert.deepEqual(
    world.purges.map(({ urls, waitMs }) => [urls, waitMs]),
    [[['http://a.example/x.jpg'], 2_000]],
  );
  const outcomes: readonly (readonly [PurgeOutcome, number, string])[] = [
    [{ kind: 'unlogged', message: 'the disk is full' }, 503, 'not-logged'],
    [{ kind: 'refused', status: 400, message: 'not a url' }, 400, 'refused'],
  ];
  for (const [outcome, code, word] of outcomes) {
    world.backend = { ...world.backend, purge: async () => outcome };
    const told = await purge(world.port, { urls: ['/a'] });
    assert.deepEqual([told.status, errorCode(told)], [code, word]);
  }
});

test('a purge that is not understood reaches nobody', async (t) => {
  const world = await start(t);
  const unknown = await purge(world.port, { urls: ['/a'], sotf: true });
  assert.deepEqual([unknown.status, errorCode(unknown)], [400, 'bad-request']);
  assert.match(unknown.body, /did you mean \\"soft\\"/);
  assert.equal((await purge(world.port, '{')).status, 400);
  const unbuilt = await purge(world.port, { tags: ['t'], soft: true });
  assert.deepEqual([unbuilt.status, errorCode(unbuilt)], [501, 'not-in-effect']);
  assert.match(unbuilt.body, /not in effect yet: tags, soft/);
  assert.deepEqual(world.purges, []);
});

test('a body over 1 MB is refused, declared or not, and the connection is closed', async (t) => {
  const world = await start(t);
  const head = `POST /purge HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`;
  const declared = await raw(world.port, `${head}Content-Length: 1048577\r\n\r\n`);
  assert.match(declared, /^HTTP\/1\.1 413 .*"body-too-large"/s);
  const chunk = `10000\r\n${' '.repeat(0x10000)}\r\n`;
  const chunked = await raw(world.port, `${head}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(17)}`);
  assert.match(chunked, /^HTTP\/1\.1 413 .*"body-too-large"/s);
  assert.deepEqual([world.purges, world.reports], [[], []]);
  const padded = `${JSON.stringify({ urls: ['/a'] })}${' '.repeat(1_048_576 - 15)}`;
  assert.equal(padded.length, 1_048_576);
  assert.equal((await purge(world.port, padded)).status, 200);
});

test('bodies together are bounded, and room comes back', async (t) => {
  const world = await start(t);
  const gate = Promise.withResolvers<PurgeOutcome>();
  const reached = Promise.withResolvers<void>();
  let waiting = 0;
  world.backend = {
    ...world.backend,
    purge: () => {
      if (++waiting === 16) reached.resolve();
      return gate.promise;
    },
  };
  const padded = `${JSON.stringify({ urls: ['/a'] })}${' '.repeat(1_048_576 - 15)}`;
  const held = Array.from({ length: 16 }, () => purge(world.port, padded));
  await reached.promise;
  const refused = await purge(world.port, { urls: ['/a'] });
  assert.deepEqual([refused.status, errorCode(refused), refused.headers['retry-after']], [503, 'busy', '1']);
  gate.resolve({ kind: 'done', id: 'p', applied: {}, pending: [] });
  for (const answer of await Promise.all(held)) assert.equal(answer.status, 200);
  assert.equal((await purge(world.port, { urls: ['/a'] })).status, 200);
});

test('a defect behind is 500 without its words, and is reported', async (t) => {
  const world = await start(t);
  const error = new Error('secret detail');
  const fail = (): never => {
    throw error;
  };
  world.backend = {
    ready: fail,
    snapshot: () => Promise.reject(error),
    status: world.backend.status,
    purge: () => Promise.reject(error),
  };
  for (const answer of [
    await ask(world.port, '/-/ready'),
    await ask(world.port, '/metrics'),
    await ask(world.port, '/'),
    await purge(world.port, { urls: ['/a'] }),
  ]) {
    assert.deepEqual([answer.status, errorCode(answer)], [500, 'internal']);
    assert.doesNotMatch(answer.body, /secret/);
  }
  assert.deepEqual(world.reports, [error, error, error, error]);
});

test('figures that do not come are 503', async (t) => {
  const world = await start(t, { figuresMs: 1 });
  world.backend = { ...world.backend, snapshot: () => new Promise(() => {}) };
  assert.equal(errorCode(await ask(world.port, '/metrics')), 'not-answering');
});

test('what is no HTTP is answered as JSON and closed', async (t) => {
  const { port } = await start(t);
  assert.match(await raw(port, 'NOT HTTP\r\n\r\n'), /^HTTP\/1\.1 400 .*"bad-request"/s);
  assert.match(
    await raw(port, `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`),
    /^HTTP\/1\.1 431 .*"head-too-large"/s,
  );
});

test('one connection serves many requests; a refused body cannot pose as the next', async (t) => {
  const world = await start(t);
  const get = 'GET /-/health HTTP/1.1\r\nHost: localhost\r\n';
  const many = await raw(world.port, `${get}\r\n${get}\r\n${get}Connection: close\r\n\r\n`);
  assert.equal(many.split('HTTP/1.1 200 OK').length, 4);
  const smuggled =
    'POST /purge HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"urls":["/b"]}';
  const posing = await raw(world.port, `POST /purge HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 500\r\n\r\n${smuggled}`);
  assert.match(posing, /^HTTP\/1\.1 403 /);
  assert.equal(posing.split('HTTP/1.1').length, 2);
  assert.deepEqual(world.purges, []);
});

test('a client that leaves in mid-body is nobody to answer and no defect', async (t) => {
  const world = await start(t);
  const closed = Promise.withResolvers<void>();
  const head =
    'POST /purge HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 500\r\nExpect: 100-continue\r\n\r\n';
  const socket = connect(world.port, '127.0.0.1', () => socket.write(head));
  // `100 Continue` means that the request is in the hands of the server.
  socket.once('data', () => socket.resetAndDestroy());
  socket.on('close', () => closed.resolve());
  await closed.promise;
  assert.equal((await ask(world.port, '/-/health')).status, 200);
  await world.server.close();
  assert.deepEqual([world.reports, world.purges], [[], []]);
});

test('closing lets go of idle connections at once and cuts the rest at its deadline', async (t) => {
  const world = await start(t);
  const called = Promise.withResolvers<void>();
  world.backend = {
    ...world.backend,
    purge: () => {
      called.resolve();
      return new Promise(() => {});
    },
  };
  const idle = connect(world.port, '127.0.0.1', () => idle.write('GET /-/health HTTP/1.1\r\nHost: localhost\r\n\r\n'));
  const released = new Promise((resolve) => idle.once('close', resolve));
  await new Promise((resolve) => idle.once('data', resolve));
  const stuck = purge(world.port, { urls: ['/a'] }).then(
    () => 'answered',
    () => 'cut',
  );
  await called.promise;
  await Promise.all([world.server.close(), world.server.close()]);
  await released;
  assert.equal(await stuck, 'cut');
  await assert.rejects(ask(world.port, '/-/health'), /ECONNREFUSED/);
});

test('a taken port is the error of the system', async (t) => {
  const { port } = await start(t);
  const second = createAdminServer({} as AdminBackend, { host: '127.0.0.1', port, token: '' });
  await assert.rejects(second.listen(), /EADDRINUSE/);
  await second.close();
});
