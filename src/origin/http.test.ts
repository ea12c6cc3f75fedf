import assert from 'node:assert/strict';
import { createServer as createHttpServer, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { asked, eventually, mustAnswer, mustFail, never, originContract, readAll, sha256 } from '../../test/contracts/origin.ts';
import {
  BEHAVIOURS,
  type Behaviour,
  GOOD_BODY,
  type Outcome,
  startBadOrigin,
  startOrigin,
} from '../../test/support/bad-origin.ts';
import { makeCertificate } from '../../test/support/certificate.ts';
import { systemClock } from '../base/clock.ts';
import { createHttpOrigin, type HttpOriginOptions } from './http.ts';
import type { Origin, OriginAnswer } from './origin.ts';

function httpOrigin(urls: readonly string[], given: Partial<HttpOriginOptions> = {}): Origin {
  return createHttpOrigin(
    {
      name: 'store',
      urls,
      host: undefined,
      headers: {},
      tls: { verify: true },
      connections: 4,
      queue: { max: 16, timeoutMs: 5_000 },
      timeouts: { connectMs: 2_000, firstByteMs: 5_000, betweenBytesMs: 5_000 },
      retries: 2,
      ...given,
    },
    systemClock,
  );
}

const IMPATIENT = { timeouts: { connectMs: 2_000, firstByteMs: 60, betweenBytesMs: 60 } };

/** Closed after the test, however it ends. */
function closing<T extends { close(): Promise<void> }>(t: TestContext, thing: T): T {
  t.after(() => thing.close());
  return thing;
}

/** A port on loopback where nobody listens. */
async function deadUrl(): Promise<string> {
  const bad = await startBadOrigin();
  await bad.close();
  return bad.url;
}

originContract('http', async () => {
  const files = new Map<string, Buffer>();
  let taken = 0;
  const server = createHttpServer((request, response) => {
    const bytes = files.get(request.url ?? '');
    if (bytes === undefined) response.writeHead(404, { 'content-length': 5 }).end('none\n');
    else {
      const etag = `"${sha256(bytes).slice(0, 16)}"`;
      if (request.headers['if-none-match'] === etag) response.writeHead(304, { etag }).end();
      else give(response.writeHead(200, { etag, 'content-length': bytes.length }), bytes, 0);
    }
  });
  function give(response: ServerResponse, bytes: Buffer, from: number): void {
    if (from >= bytes.length) {
      response.end();
      return;
    }
    const piece = bytes.subarray(from, from + 64 * 1024);
    taken += piece.length;
    if (response.write(piece)) give(response, bytes, from + piece.length);
    else response.once('drain', () => give(response, bytes, from + piece.length));
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    put: async (path, bytes) => void files.set(path, bytes),
    origin: (limits) => httpOrigin([url], { connections: limits.busy, queue: limits.queue }),
    taken: () => taken,
    // Most of it lies in the kernel, which lets a socket grow to 6 MB on one side and 4 MB on the other.
    slack: 24 * 1024 * 1024,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
});

describe('an HTTP origin that breaks the rules', () => {
  const outcomes: Record<Outcome, (answer: OriginAnswer) => Promise<void>> = {
    whole: isWhole,
    'whole-then-closed': isWhole,
    empty: async (answer) =>
      assert.deepEqual(await readAll(mustAnswer(answer).body), { bytes: Buffer.alloc(0), end: { kind: 'end' } }),
    broken: async (answer) => assert.equal(mustFail(answer), 'DECKLE_ORIGIN_BROKEN'),
    reset: async (answer) => assert.equal(mustFail(answer), 'DECKLE_ORIGIN_RESET'),
    timeout: async (answer) => assert.equal(mustFail(answer), 'DECKLE_ORIGIN_TIMEOUT'),
    cut: isCut,
    'broken-or-cut': async (answer) =>
      answer.kind === 'failed' ? assert.equal(answer.fault.code, 'DECKLE_ORIGIN_BROKEN') : isCut(answer),
  };

  async function isWhole(answer: OriginAnswer): Promise<void> {
    const { head, body } = mustAnswer(answer);
    assert.equal(head.status, 200);
    assert.deepEqual(await readAll(body), { bytes: GOOD_BODY, end: { kind: 'end' } });
  }

  async function isCut(answer: OriginAnswer): Promise<void> {
    const { body } = mustAnswer(answer);
    const { end } = await readAll(body);
    assert.ok(['DECKLE_ORIGIN_BROKEN', 'DECKLE_ORIGIN_RESET', 'DECKLE_ORIGIN_TIMEOUT'].includes(mustFail(end)));
    assert.equal(mustFail(await body.read()), mustFail(end), 'failed is said for ever');
  }

  for (const [name, behaviour] of Object.entries(BEHAVIOURS)) {
    test(`${name}: ${behaviour.outcome}, and the connection is used again only after a good answer`, async (t) => {
      const bad = closing(t, await startBadOrigin());
      const origin = closing(t, httpOrigin([bad.url], { ...IMPATIENT, connections: 1, retries: 1 }));
      await outcomes[behaviour.outcome](await origin.fetch(asked(`/${name}`), never()));
      assert.equal(bad.requests(), behaviour.outcome === 'reset' ? 2 : 1, 'asked again only when no byte came');
      const connections = bad.connections();
      await isWhole(await origin.fetch(asked('/good'), never()));
      const kept = bad.connections() === connections;
      if (behaviour.outcome === 'whole') assert.ok(kept, 'kept');
      else if (behaviour.outcome !== 'empty') assert.ok(!kept, 'not used again');
      await eventually(() => origin.counts().busy === 0, 'the slot is free');
    });
  }

  test('a slow body is legal: it is timed between its bytes', async (t) => {
    const slow: Behaviour = { outcome: 'whole', act: (socket) => dribble(socket, 0) };
    function dribble(socket: Socket, sent: number): void {
      if (sent === 0) socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${GOOD_BODY.length}\r\n\r\n`);
      socket.write(GOOD_BODY.subarray(sent, sent + 3));
      if (sent + 3 < GOOD_BODY.length) setTimeout(() => dribble(socket, sent + 3), 10);
    }
    const bad = closing(t, await startBadOrigin({ behaviour: slow }));
    const origin = closing(t, httpOrigin([bad.url], IMPATIENT));
    const { body } = mustAnswer(await origin.fetch(asked('/slow'), never()));
    const first = await body.read();
    assert.equal(first.kind === 'data' && first.bytes.length < GOOD_BODY.length, true, 'it streams');
    const { bytes, end } = await readAll(body);
    assert.deepEqual(end, { kind: 'end' });
    assert.equal(bytes.length, GOOD_BODY.length - (first.kind === 'data' ? first.bytes.length : 0));
  });

  test('an answer that comes before the request is not the answer', async (t) => {
    const bad = closing(t, await startBadOrigin({ onConnect: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong' }));
    const origin = closing(t, httpOrigin([bad.url]));
    assert.equal(mustFail(await origin.fetch(asked('/good'), never())), 'DECKLE_ORIGIN_BROKEN');
    assert.equal(bad.requests(), 0, 'nothing was asked of it');
  });

  for (const unasked of ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong', '\r\n', 'x']) {
    test(`a connection on which ${JSON.stringify(unasked.slice(0, 12))} came while it lay idle is not used again`, async (t) => {
      const bad = closing(t, await startBadOrigin());
      const origin = closing(t, httpOrigin([bad.url]));
      await isWhole(await origin.fetch(asked('/good'), never()));
      const [socket] = bad.open();
      const closed = new Promise((resolve) => socket?.once('close', resolve));
      socket?.write(unasked);
      await closed;
      await isWhole(await origin.fetch(asked('/good'), never()));
      assert.equal(bad.connections(), 2);
    });

    test(`nor one on which ${JSON.stringify(unasked.slice(0, 12))} comes in the moment of the next request`, async (t) => {
      const bad = closing(t, await startBadOrigin());
      const origin = closing(t, httpOrigin([bad.url]));
      await isWhole(await origin.fetch(asked('/good'), never()));
      bad.open()[0]?.write(unasked);
      await isWhole(await origin.fetch(asked('/good'), never()));
      assert.equal(bad.connections(), 2);
    });
  }

  test('a connection that the origin ended while it lay idle costs a fresh one, not a try', async (t) => {
    // Ends the connection when the second request comes, as an origin does whose patience ran out at that moment.
    let requests = 0;
    const bad = closing(
      t,
      await startBadOrigin({
        behaviour: {
          outcome: 'whole',
          act: (socket) => {
            requests += 1;
            if (requests === 2) socket.destroy();
            else BEHAVIOURS['good']?.act(socket);
          },
        },
      }),
    );
    const origin = closing(t, httpOrigin([bad.url], { retries: 0 }));
    await isWhole(await origin.fetch(asked('/a'), never()));
    await isWhole(await origin.fetch(asked('/b'), never()));
    assert.equal(bad.connections(), 2);
    assert.equal(bad.requests(), 3);
  });
});

describe('the urls of an HTTP origin', () => {
  test('a url that cannot be reached or breaks off gives way to the next, retries bound the tries', async (t) => {
    const good = closing(t, await startBadOrigin());
    const breaks = closing(t, await startBadOrigin({ behaviour: BEHAVIOURS['resets-at-once'] as Behaviour }));
    const dead = await deadUrl();
    const rows: readonly (readonly [urls: string[], retries: number, outcome: string])[] = [
      [[dead, good.url], 1, 'answer'],
      [[dead, good.url], 0, 'DECKLE_ORIGIN_REFUSED'],
      [[breaks.url, good.url], 1, 'answer'],
      [[breaks.url, dead, good.url], 1, 'DECKLE_ORIGIN_REFUSED'],
      [[breaks.url, dead, good.url], 2, 'answer'],
      [[dead], 5, 'DECKLE_ORIGIN_REFUSED'],
      [[dead, dead], 5, 'DECKLE_ORIGIN_REFUSED'],
    ];
    for (const [urls, retries, outcome] of rows) {
      const origin = closing(t, httpOrigin(urls, { retries }));
      const answer = await origin.fetch(asked('/good'), never());
      assert.equal(answer.kind === 'failed' ? answer.fault.code : answer.kind, outcome, `${urls} ${retries}`);
      if (answer.kind === 'answer') await readAll(answer.body);
      await eventually(() => origin.counts().busy === 0, 'nothing is held');
    }
    assert.equal(breaks.requests(), 3);
  });

  test('never after a timeout, a byte or a full line', async (t) => {
    const good = closing(t, await startBadOrigin());
    for (const name of ['frozen', 'closes-in-head', 'garbage', 'two-lengths']) {
      const bad = closing(t, await startBadOrigin({ behaviour: BEHAVIOURS[name] as Behaviour }));
      const origin = closing(t, httpOrigin([bad.url, good.url], IMPATIENT));
      assert.notEqual(mustFail(await origin.fetch(asked('/good'), never())), '');
      assert.equal(bad.requests(), 1, name);
    }
    assert.equal(good.requests(), 0);
  });

  test('a connection that is not made in time is a failed connection', async (t) => {
    const good = closing(t, await startBadOrigin());
    // Takes connections, never speaks TLS.
    const mute = createServer((socket) => void socket.on('error', () => {}).resume());
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    t.after(() => mute.close());
    const muteUrl = `https://127.0.0.1:${(mute.address() as AddressInfo).port}`;
    const timeouts = { connectMs: 40, firstByteMs: 1_000, betweenBytesMs: 1_000 };
    const alone = closing(t, httpOrigin([muteUrl], { timeouts }));
    assert.equal(mustFail(await alone.fetch(asked('/good'), never())), 'DECKLE_ORIGIN_TIMEOUT');
    const two = closing(t, httpOrigin([muteUrl, good.url], { timeouts }));
    await readAll(mustAnswer(await two.fetch(asked('/good'), never())).body);
  });
});

describe('what an HTTP origin sends', () => {
  async function headOf(
    t: TestContext,
    given: Partial<HttpOriginOptions>,
    headers: [string, string][] = [],
  ): Promise<{ lines: string[]; port: number }> {
    const bad = closing(t, await startBadOrigin());
    const origin = closing(t, httpOrigin([bad.url], given));
    await readAll(mustAnswer(await origin.fetch(asked('/a%20b.jpg?w=1', headers), never())).body);
    return { lines: (bad.heads[0] as string).trimEnd().split('\r\n'), port: bad.port };
  }

  test('the target as it stands, its own host, identity coding', async (t) => {
    const { lines, port } = await headOf(t, {});
    assert.deepEqual(lines, [
      'GET /a%20b.jpg?w=1 HTTP/1.1',
      `host: 127.0.0.1:${port}`,
      'connection: keep-alive',
      'accept-encoding: identity',
    ]);
  });

  test("the client's host, or another, on one connection", async (t) => {
    assert.ok((await headOf(t, { host: 'client' })).lines.includes('host: images.example'));
    assert.ok((await headOf(t, { host: 'other.example:81' })).lines.includes('host: other.example:81'));
  });

  test('end-to-end fields as given, its own in their place, nothing that frames or steers the connection', async (t) => {
    const { lines } = await headOf(t, { headers: { 'X-Key': 'secret', Accept: 'image/webp' } }, [
      ['accept', '*/*'],
      ['accept-encoding', 'gzip'],
      ['if-none-match', '"a"'],
      ['host', 'evil.example'],
      ['connection', 'close'],
      ['transfer-encoding', 'chunked'],
      ['content-length', '5'],
      ['upgrade', 'h2c'],
      ['expect', '100-continue'],
    ]);
    assert.deepEqual(lines.slice(3), ['accept-encoding: gzip', 'if-none-match: "a"', 'x-key: secret', 'accept: image/webp']);
  });
});

describe('the connections of an HTTP origin', () => {
  test('the last used is used first, and never more than allowed stand', async (t) => {
    const store = closing(t, await startOrigin({ size: () => 300_000 }));
    const origin = closing(t, httpOrigin([store.url], { connections: 3 }));
    const release = store.hold();
    const answers = Array.from({ length: 9 }, (_, i) => origin.fetch(asked(`/${i}.jpg`), never()));
    await store.arrived(3);
    assert.deepEqual(origin.counts(), { busy: 3, waiting: 6 });
    release();
    await Promise.all(
      answers.map(async (answer, i) => {
        const { bytes } = await readAll(mustAnswer(await answer).body);
        assert.equal(sha256(bytes), store.sha256(`/${i}.jpg`));
      }),
    );
    const ports = new Set(Array.from({ length: 9 }, (_, i) => store.last(`/${i}.jpg`)?.socket.remotePort));
    assert.ok(ports.size <= 3);
    for (let i = 0; i < 5; i += 1) await readAll(mustAnswer(await origin.fetch(asked('/again.jpg'), never())).body);
    assert.equal(store.total(), 14);
  });

  test('an idle connection is not used past its time', async (t) => {
    let nowMs = 0;
    const bad = closing(t, await startBadOrigin());
    const options = {
      ...IMPATIENT,
      name: 'store',
      urls: [bad.url],
      host: undefined,
      headers: {},
      tls: { verify: true },
      connections: 1,
    };
    const origin = createHttpOrigin(
      { ...options, queue: { max: 1, timeoutMs: 1_000 }, retries: 0 },
      { wallMs: () => 0, monoMs: () => nowMs },
    );
    for (const [atMs, connections] of [
      [0, 1],
      [3_999, 1],
      [7_998, 1],
      [12_000, 2],
    ] as const) {
      nowMs = atMs;
      await readAll(mustAnswer(await origin.fetch(asked('/good'), never())).body);
      await eventually(() => origin.counts().busy === 0, 'given back');
      assert.equal(bad.connections(), connections, `at ${atMs}`);
    }
  });

  test('TLS: verified by the given authority or not at all, under the name of the url, and as strict', async (t) => {
    const { key, cert } = makeCertificate();
    const names: unknown[] = [];
    const server = createHttpsServer({ key, cert }, (request, response) => {
      names.push((request.socket as TLSSocket & { servername?: unknown }).servername);
      if (request.url === '/extra') request.socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n${GOOD_BODY}`);
      else response.setHeader('content-length', GOOD_BODY.length).end(GOOD_BODY);
    });
    t.after(() => server.close().closeAllConnections());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const given = { host: 'client' as const, retries: 0 };
    const stranger = closing(t, httpOrigin([`https://localhost:${port}`], given));
    assert.equal(mustFail(await stranger.fetch(asked('/a'), never())), 'DECKLE_ORIGIN_REFUSED');
    const trusting = closing(t, httpOrigin([`https://127.0.0.1:${port}`], { ...given, tls: { verify: false } }));
    const knowing = closing(t, httpOrigin([`https://localhost:${port}`], { ...given, tls: { verify: true, ca: cert } }));
    for (const origin of [trusting, knowing]) {
      for (const clientHost of ['one.example', 'two.example']) {
        const answer = mustAnswer(await origin.fetch({ ...asked('/a'), clientHost }, never()));
        assert.deepEqual(await readAll(answer.body), { bytes: GOOD_BODY, end: { kind: 'end' } });
      }
      assert.equal(mustFail(await origin.fetch(asked('/extra'), never())), 'DECKLE_ORIGIN_BROKEN');
    }
    assert.deepEqual(names, [false, false, false, 'localhost', 'localhost', 'localhost'], 'whatever Host says');
  });
});
