// A deckle front before nodes that are not deckle: a real nginx, a real Varnish, and node:http, which sends interim answers.
// Each is asked in every way a client may ask; the answers must be those of the origin behind, framed so that the client can tell.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { type Edge, startEdge } from './support/edge.ts';
import { startNginx, startVarnish } from './support/peers.ts';
import { openRaw, parseAnswers } from './support/raw.ts';

const BODY = Buffer.alloc(300_000, 'not one image, but bytes enough for many reads; ');
const HASH = createHash('sha256').update(BODY).digest('hex');

function answer(request: IncomingMessage, response: ServerResponse): void {
  const path = request.url ?? '';
  response.setHeader('Content-Type', 'image/png');
  response.setHeader('ETag', '"of-the-origin"');
  response.setHeader('Cache-Control', 'max-age=60');
  if (path.startsWith('/interim')) {
    response.writeContinue();
    response.writeEarlyHints({ link: '</a.css>; rel=preload' });
    response.writeProcessing();
  }
  if (request.headers['if-none-match'] === '"of-the-origin"') {
    response.writeHead(304).end();
    return;
  }
  if (path.startsWith('/nothing')) {
    response.writeHead(204).end();
    return;
  }
  if (!path.startsWith('/chunks')) response.setHeader('Content-Length', BODY.length);
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  response.write(BODY.subarray(0, 7));
  // In pieces, so that it is no single read.
  setImmediate(() => {
    response.write(BODY.subarray(7, 150_000));
    setImmediate(() => response.end(BODY.subarray(150_000)));
  });
}

interface Peer {
  readonly port: number;
  close(): Promise<void>;
}

async function startPlain(): Promise<Peer> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const PEERS: Readonly<Record<string, (originPort: number) => Promise<Peer>>> = {
  nginx: (originPort) =>
    startNginx(`
      proxy_cache_path @DIR@/cache keys_zone=all:1m;
      server {
        listen @LISTEN@;
        location / { proxy_pass http://127.0.0.1:${originPort}; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_cache all; }
      }`),
  Varnish: (originPort) => startVarnish(originPort),
  'node:http': () => startPlain(),
};

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

for (const [name, start] of Object.entries(PEERS)) {
  // Interim answers of an origin are more than these versions of nginx and Varnish can read.
  const paths = name === 'node:http' ? ['/length', '/chunks', '/interim'] : ['/length', '/chunks'];
  describe(`behind the front: ${name}`, () => {
    let origin: Peer;
    let peer: Peer;
    let edge: Edge;
    before(async () => {
      origin = await startPlain();
      peer = await start(origin.port);
      const address = `127.0.0.1:${peer.port}`;
      edge = await startEdge({ config: { nodes: [{ name: 'v1', address, here: false, check: false }] } });
    });
    after(async () => {
      await edge?.close();
      await peer?.close();
      await origin?.close();
    });

    /** Sends requests on one connection, each when the one before is answered; then the connection is closed by the last one. */
    const ask = async (...requests: readonly (readonly [method: string, path: string, lines?: string])[]) => {
      const client = await openRaw(edge.frontPort);
      const bodiless = requests.flatMap(([method], at) => (method === 'HEAD' ? [at] : []));
      for (const [at, [method, path, lines = '']] of requests.entries()) {
        const last = at === requests.length - 1;
        client.send(`${method} ${path} HTTP/1.1\r\nHost: img.example\r\n${last ? 'Connection: close\r\n' : ''}${lines}\r\n`);
        const deadline = performance.now() + 10_000;
        while (client.answers(bodiless).filter(({ whole }) => whole).length <= at && client.how() === 'open') {
          assert.ok(performance.now() < deadline, `no answer to ${method} ${path}`);
          await new Promise(setImmediate);
        }
      }
      assert.equal(await client.closed(), 'ended');
      client.close();
      return client.answers(bodiless);
    };

    for (const path of paths) {
      test(`${path}: GET, again, HEAD, and GET on one connection`, async () => {
        const answers = await ask(['GET', path], ['GET', path], ['HEAD', path], ['GET', `${path}-2`]);
        assert.deepEqual(
          answers.map(({ status, whole }) => [status, whole]),
          [200, 200, 200, 200].map((status) => [status, true]),
        );
        for (const at of [0, 1, 3]) assert.equal(sha256(answers[at]!.body), HASH);
        assert.equal(answers[2]!.body.length, 0);
        const length = answers[2]!.fields['content-length'];
        // A cache knows the length once it has the body; without it there is none to say.
        if (path === '/length') assert.equal(length, String(BODY.length));
        else assert.ok(length === undefined || length === String(BODY.length), String(length));
        for (const { fields } of answers) {
          assert.equal(fields.etag, '"of-the-origin"');
          assert.equal(fields['x-content-type-options'], 'nosniff');
          assert.match(fields['x-request-id'] ?? '', /^front-1-/);
        }
      });
    }

    test('a condition that is met: 304 without a body, and the connection goes on', async () => {
      const answers = await ask(
        ['GET', '/length'],
        ['GET', '/length', 'If-None-Match: "of-the-origin"\r\n'],
        ['HEAD', '/length', 'If-None-Match: "of-the-origin"\r\n'],
        ['GET', '/length'],
      );
      assert.deepEqual(
        answers.map(({ status }) => status),
        [200, 304, 304, 200],
      );
      assert.equal(sha256(answers[3]!.body), HASH);
    });

    test('204, and the connection goes on', async () => {
      const answers = await ask(['GET', '/nothing'], ['GET', '/length']);
      assert.deepEqual(
        answers.map(({ status }) => status),
        [204, 200],
      );
      assert.equal(sha256(answers[1]!.body), HASH);
    });

    for (const path of paths) {
      test(`${path}: a client of HTTP/1.0, with and without a Host`, async () => {
        for (const host of ['Host: img.example\r\n', '']) {
          const client = await openRaw(edge.frontPort);
          client.send(`GET ${path} HTTP/1.0\r\n${host}\r\n`);
          assert.equal(await client.closed(10_000), 'ended');
          const text = client.bytes().toString('latin1');
          assert.doesNotMatch(text.slice(0, text.indexOf('\r\n\r\n')), /transfer-encoding|^HTTP\/1\.1 1\d\d/im);
          const [got] = parseAnswers(client.bytes(), true);
          client.close();
          // node:http refuses a request without Host only in HTTP/1.1.
          assert.equal(got!.status, 200);
          assert.equal(sha256(got!.body), HASH);
        }
      });
    }
  });
}
