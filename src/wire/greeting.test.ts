import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { describe, type TestContext, test } from 'node:test';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { makeCertificate, type TestCertificate } from '../../test/support/certificate.ts';
import { until } from '../../test/support/edge.ts';
import { openRaw, parseAnswers } from '../../test/support/raw.ts';
import { startWire, type Wire, whole } from '../../test/support/wire.ts';
import type { Exchange } from './connection.ts';
import { CertificateTable } from './tls.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const PROXY = 'PROXY TCP4 192.0.2.1 198.51.100.1 4000 8080\r\n';
const KEYS = randomBytes(48);
const shop = makeCertificate(Date.now(), ['shop.example.com', '*.img.example.com']);
const blog = makeCertificate(Date.now(), ['blog.example.com']);

const tellPeer = (x: Exchange) => whole(x, 200, x.peerAddress);
const tableOf = (...pairs: readonly (TestCertificate & { readonly hosts?: readonly string[] })[]) =>
  new CertificateTable(
    pairs.map((pair) => ({ hosts: [], ...pair })),
    KEYS,
  );
const secure = (certificates = tableOf(shop, blog)) => ({ proxyProtocol: false, certificates });

/** A TLS client whose handshake is over; it never complains. */
async function shake(t: TestContext, wire: Pick<Wire, 'port'>, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port: wire.port, rejectUnauthorized: false, ...options });
  t.after(() => socket.destroy());
  await once(socket, 'secureConnect');
  socket.on('error', () => {});
  return socket;
}

const nameOf = (socket: TLSSocket) => String(socket.getPeerCertificate().subject.CN);

/** What comes until the server ends, or the first whole answer. */
async function ask(socket: TLSSocket, request = GET): Promise<string> {
  socket.write(request);
  let got = Buffer.alloc(0);
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    got = Buffer.concat([got, chunk as Buffer]);
    const [answer] = parseAnswers(got, false);
    if (answer?.whole === true) return answer.body.toString();
  }
  return got.toString('latin1');
}

describe('a PROXY header', () => {
  test('names the client, in one piece with the request, in single bytes, and before a pause', async () => {
    await using wire = await startWire(tellPeer, {}, undefined, { proxyProtocol: true, certificates: undefined });
    const pieces: readonly (readonly string[])[] = [
      [PROXY + GET],
      [...(PROXY + GET)],
      [PROXY, GET],
      [`${PROXY}GET`, GET.slice(3)],
    ];
    for (const parts of pieces) {
      const client = await openRaw(wire.port);
      for (const part of parts) {
        client.send(part);
        await new Promise(setImmediate);
      }
      assert.ok(await client.answered(1));
      client.send(GET);
      assert.ok(await client.answered(2));
      assert.deepEqual(
        client.answers().map(({ body }) => body.toString()),
        ['192.0.2.1', '192.0.2.1'],
      );
      client.close();
    }
    const local = await openRaw(wire.port);
    local.send(`PROXY UNKNOWN\r\n${GET}`);
    local.end();
    assert.equal(await local.closed(), 'ended');
    assert.equal(local.answers()[0]?.body.toString(), '127.0.0.1');
    await until('all are gone', () => wire.listener.connections === 0);
    assert.deepEqual([wire.unwelcome, wire.defects], [[], []]);
  });

  test('that is wrong, missing, late or broken off closes the connection without a word', async () => {
    await using wire = await startWire(tellPeer, { connections: 3 }, undefined, { proxyProtocol: true, certificates: undefined });
    for (const start of [GET, 'PROXY TCP4 x\r\n', PROXY.toLowerCase(), '\u0016\u0003\u0001']) {
      const client = await openRaw(wire.port);
      client.send(start);
      assert.notEqual(await client.closed(), 'open');
      assert.equal(client.bytes().length, 0);
      client.close();
    }
    await until('they were counted', () => wire.unwelcome.length === 4);
    const broken = await openRaw(wire.port);
    broken.send(PROXY.slice(0, 9));
    broken.end();
    assert.notEqual(await broken.closed(), 'open');
    await until('it was counted', () => wire.unwelcome.length === 5);
    const look = await openRaw(wire.port);
    look.end();
    assert.notEqual(await look.closed(), 'open');

    const late = [await openRaw(wire.port), await openRaw(wire.port), await openRaw(wire.port)];
    late[0]!.send(PROXY.slice(0, 20));
    await until('they wait', () => wire.listener.connections === 3);
    const fourth = await openRaw(wire.port);
    assert.notEqual(await fourth.closed(), 'open');
    assert.equal(wire.overflows(), 1);
    wire.pass(9_000);
    late[0]!.send(PROXY.slice(20, 22));
    wire.pass(1_001);
    for (const client of late) {
      assert.notEqual(await client.closed(), 'open');
      client.close();
    }
    await until('all are gone', () => wire.listener.connections === 0);
    // A look at the port is none of ours to count.
    assert.deepEqual(wire.unwelcome, Array(6).fill('proxy'));
    for (const client of [broken, look, fourth]) client.close();
  });
});

describe('TLS', () => {
  test('shows the certificate of the name that is asked for, else the first', async (t) => {
    await using wire = await startWire(tellPeer, {}, undefined, secure());
    for (const [servername, name] of [
      ['blog.example.com', 'blog.example.com'],
      ['BLOG.example.com', 'blog.example.com'],
      ['shop.example.com', 'shop.example.com'],
      ['a.img.example.com', 'shop.example.com'],
      ['a.b.img.example.com', 'shop.example.com'],
      ['nobody.example.org', 'shop.example.com'],
      ['', 'shop.example.com'],
    ] as const) {
      const client = await shake(t, wire, { servername });
      assert.equal(nameOf(client), name, servername);
      assert.equal(await ask(client), '127.0.0.1');
      assert.equal(await ask(client), '127.0.0.1');
    }
    const own = tableOf({ ...shop, hosts: ['*.one.example'] }, { ...blog, hosts: ['two.example', '*.img.example.com'] });
    wire.listener.certify(own);
    for (const [servername, name] of [
      ['a.one.example', 'shop.example.com'],
      ['two.example', 'blog.example.com'],
      ['x.img.example.com', 'blog.example.com'],
      ['blog.example.com', 'shop.example.com'],
    ] as const)
      assert.equal(nameOf(await shake(t, wire, { servername })), name, servername);
  });

  test('speaks HTTP/1.1 in TLS 1.2 or 1.3, and nothing else', async (t) => {
    await using wire = await startWire(tellPeer, {}, undefined, secure());
    for (const [options, protocol, alpn] of [
      [{ maxVersion: 'TLSv1.2' }, 'TLSv1.2', false],
      [{ ALPNProtocols: ['h2', 'http/1.1'] }, 'TLSv1.3', 'http/1.1'],
    ] as const) {
      const client = await shake(t, wire, {
        ...options,
        ALPNProtocols: [...('ALPNProtocols' in options ? options.ALPNProtocols : [])],
      });
      assert.deepEqual([client.getProtocol(), client.alpnProtocol], [protocol, alpn]);
      assert.equal(await ask(client), '127.0.0.1');
    }
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    await assert.rejects(shake(t, wire, old));
    await assert.rejects(shake(t, wire, { ALPNProtocols: ['h2'] }));
    await until('both were counted', () => wire.unwelcome.length === 2);
    assert.deepEqual([wire.unwelcome, wire.defects], [['tls', 'tls'], []]);
  });

  test('does not shake hands twice', async (t) => {
    await using wire = await startWire(tellPeer, {}, undefined, secure());
    const client = await shake(t, wire, { maxVersion: 'TLSv1.2' });
    const told = new Promise<Error | null>((resolve) => client.renegotiate({ rejectUnauthorized: false }, resolve));
    const broke = once(client, 'error').then(([error]) => error as Error);
    assert.match(String(await Promise.race([told, broke])), /no[ _]renegotiation/i);
  });

  test('a client that speaks HTTP, nonsense or nothing is closed, and those that shake hands count as connections', async (t) => {
    await using wire = await startWire(tellPeer, { connections: 2 }, undefined, secure());
    for (const start of [GET, randomBytes(300), Buffer.from('1603010200010001fc0303', 'hex')]) {
      const client = await openRaw(wire.port);
      client.send(start);
      client.end();
      assert.notEqual(await client.closed(), 'open');
      assert.ok(!client.bytes().includes('HTTP/1.1'));
      client.close();
    }
    await until('they were counted', () => wire.unwelcome.length === 3);
    const [stalled, silent] = [await openRaw(wire.port), await openRaw(wire.port)];
    stalled.send(Buffer.from('1603010200010001fc0303', 'hex'));
    await until('they wait', () => wire.listener.connections === 2);
    const third = await openRaw(wire.port);
    assert.notEqual(await third.closed(), 'open');
    assert.deepEqual([wire.overflows(), third.bytes().length], [1, 0]);
    wire.pass(10_001);
    assert.notEqual(await stalled.closed(), 'open');
    assert.notEqual(await silent.closed(), 'open');
    await until('all are gone', () => wire.listener.connections === 0);
    assert.deepEqual(wire.unwelcome, Array(4).fill('tls'));
    assert.equal(await ask(await shake(t, wire)), '127.0.0.1');
    for (const client of [stalled, silent, third]) client.close();
  });

  test('comes behind the PROXY header, in one piece with it or byte by byte', async (t) => {
    await using wire = await startWire(tellPeer, {}, undefined, { ...secure(), proxyProtocol: true });
    const tail = async (socket: Promise<TLSSocket>) => ask(await socket);
    for (const parts of [[PROXY], [...PROXY]]) {
      const raw = await openRaw(wire.port, { paused: true });
      for (const part of parts) {
        raw.send(part);
        if (parts.length > 1) await new Promise(setImmediate);
      }
      assert.equal(await tail(shake(t, wire, { socket: raw.socket, servername: 'blog.example.com' })), '192.0.2.1');
    }
    const bare = connect({ host: '127.0.0.1', port: wire.port, rejectUnauthorized: false });
    await once(bare, 'error');
    await until('it was counted', () => wire.unwelcome.length === 1);
    assert.deepEqual(wire.unwelcome, ['proxy']);
  });

  test('a hello behind the PROXY header in one packet is not lost', async (t) => {
    await using wire = await startWire(tellPeer, {}, undefined, { ...secure(), proxyProtocol: true });
    const raw = await openRaw(wire.port, { paused: true });
    raw.socket.cork();
    raw.send(PROXY);
    const shaking = shake(t, wire, { socket: raw.socket });
    raw.socket.uncork();
    assert.equal(await ask(await shaking), '192.0.2.1');
  });

  test('a ticket is good with every listener that has the same keys, also for another certificate', async (t) => {
    await using one = await startWire(tellPeer, {}, undefined, secure());
    await using two = await startWire(tellPeer, {}, undefined, secure(tableOf(blog, shop)));
    await using stranger = await startWire(tellPeer, {}, undefined, {
      proxyProtocol: false,
      certificates: new CertificateTable([{ ...shop, hosts: [] }], randomBytes(48)),
    });
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const options = { maxVersion, servername: 'shop.example.com' };
      const first = await shake(t, one, options);
      let session = first.getSession();
      first.on('session', (fresh) => (session = fresh));
      await ask(first);
      for (const [wire, again] of [
        [one, true],
        [two, true],
        [stranger, false],
      ] as const) {
        const client = await shake(t, wire, { ...options, session: session! });
        assert.equal(client.isSessionReused(), again);
        assert.equal(await ask(client), '127.0.0.1');
      }
    }
  });

  test('a renewed certificate is shown from the next handshake on; connections stay', async (t) => {
    await using wire = await startWire(tellPeer, {}, undefined, secure(tableOf(shop)));
    const before = await shake(t, wire);
    wire.listener.certify(tableOf(blog));
    const after = await shake(t, wire);
    assert.deepEqual([nameOf(before), nameOf(after)], ['shop.example.com', 'blog.example.com']);
    assert.deepEqual([await ask(before), await ask(after)], ['127.0.0.1', '127.0.0.1']);
  });

  test('close() finishes what is at hand, handshakes too', async (t) => {
    const held: Exchange[] = [];
    await using wire = await startWire((x) => held.push(x), {}, undefined, secure());
    const busy = await shake(t, wire);
    const answer = ask(busy);
    await until('the request', () => held.length === 1);
    const silent = await openRaw(wire.port);
    const slow = await openRaw(wire.port, { paused: true });
    await until('all are there', () => wire.listener.connections === 3);
    const closed = wire.listener.close();
    assert.equal(await ask(await shake(t, wire, { socket: slow.socket })), '');
    whole(held[0]!, 200, 'late');
    assert.equal(await answer, 'late');
    silent.end();
    await closed;
    assert.equal(wire.listener.connections, 0);
    silent.close();
  });

  test('a client that said all it has to say still reads its answer', async (t) => {
    const held: Exchange[] = [];
    await using wire = await startWire((x) => held.push(x), {}, undefined, secure());
    const client = await shake(t, wire, { allowHalfOpen: true } as ConnectionOptions);
    client.end(GET);
    await until('the request', () => held.length === 1);
    const answer = (async () => Buffer.concat(await client.toArray()).toString())();
    whole(held[0]!, 200, 'late');
    assert.match(await answer, /\r\n\r\nlate$/);
  });

  test('an answer that only the end frames is never ended cleanly when it breaks off', async (t) => {
    await using wire = await startWire(
      (x) => {
        x.reply.begin(200, '', undefined);
        x.reply.write(Buffer.from('half'));
        setImmediate(() => x.reply.abort());
      },
      {},
      undefined,
      secure(),
    );
    const client = await shake(t, wire);
    const failed = new Promise((resolve) => client.once('error', resolve));
    const ended = new Promise((resolve) => client.once('end', resolve).resume());
    client.write('GET / HTTP/1.0\r\n\r\n');
    assert.equal(await Promise.race([failed.then(() => 'cut'), ended.then(() => 'ended')]), 'cut');
    assert.deepEqual(wire.defects, []);
  });
});
