// A real edge behind TLS and behind a balancer that says whom it speaks for: which certificate is shown, how it is renewed, whose
// address counts, what becomes of those who do not keep to it.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { startOrigin } from './support/bad-origin.ts';
import { makeCertificate, type TestCertificate } from './support/certificate.ts';
import { CHECKOUT, type Edge, freePorts, runDeckle, startEdge, until } from './support/edge.ts';
import { openRaw, parseAnswers, type RawAnswer } from './support/raw.ts';

const folder = mkdtempSync(join(tmpdir(), 'deckle-tls-'));
const PROXY_1 = 'PROXY TCP4 192.0.2.7 198.51.100.1 4000 443\r\n';
/** 192.0.2.8, with a TLV behind the addresses. */
const PROXY_2 = Buffer.from('0d0a0d0a000d0a515549540a21110013c0000208c63364010fa001bb030004deadbeef', 'hex');

const MB = 1024 * 1024;
const BIG = '/big.jpg';

let edge: Edge;
let ports: { plain: number; secure: number; proxy: number; both: number };
let seen: string[];
let picture: Buffer;
let big: Buffer;
let asked = 0;
let origin: Awaited<ReturnType<typeof startOrigin>>;

function put(name: string, { cert, key }: TestCertificate): void {
  for (const [suffix, text] of [
    ['cert', cert],
    ['key', key],
  ] as const) {
    const file = join(folder, `${name}.${suffix}`);
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  }
}

before(async () => {
  const [plain, secure, proxy, both] = (await freePorts(4)) as [number, number, number, number];
  ports = { plain, secure, proxy, both };
  put('shop', makeCertificate(Date.now(), ['shop.example.com', '*.img.example.com']));
  put('blog', makeCertificate(Date.now(), ['blog.example.com']));
  const tls = ['shop', 'blog'].map((name) => ({ cert: join(folder, `${name}.cert`), key: join(folder, `${name}.key`) }));
  seen = [];
  picture = readFileSync(join(CHECKOUT, 'samples', 'dunes.jpg'));
  big = Buffer.concat([picture, Buffer.alloc(8 * MB - picture.length, 7)]);
  origin = await startOrigin({
    answer: (request, response) => {
      seen.push(String(request.headers['x-forwarded-for']));
      const body = request.url === BIG ? big : picture;
      response.writeHead(200, { 'content-type': 'image/jpeg', 'content-length': body.length }).end(body);
      return true;
    },
  });
  edge = await startEdge({
    nodes: 1,
    config: {
      front: {
        listen: [
          `127.0.0.1:${plain}`,
          { address: `127.0.0.1:${secure}`, tls },
          { address: `127.0.0.1:${proxy}`, proxy_protocol: true },
          { address: `127.0.0.1:${both}`, proxy_protocol: true, tls },
        ],
        processes: 2,
        trusted_proxies: ['192.0.2.8'],
        limits: { header_timeout: '1s' },
      },
      origins: { store: { urls: [origin.url] } },
      sites: [{ name: 'all', hosts: ['*'], origin: 'store', query: 'all', request_headers: ['x-forwarded-for'] }],
    },
  });
});

after(async () => {
  await (edge as Edge | undefined)?.close();
  await origin.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Every picture anew, so that the origin tells who asked. */
function request(more = ''): string {
  asked += 1;
  return `GET /dunes.jpg?${asked} HTTP/1.1\r\nHost: shop.example.com\r\n${more}\r\n`;
}

async function shake(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
  await once(socket, 'secureConnect');
  socket.on('error', () => {});
  return socket;
}

async function ask(socket: TLSSocket, text = request()): Promise<RawAnswer> {
  socket.write(text);
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    chunks.push(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    // A long body is not looked at again with each of its pieces.
    if (bytes < Number(/\r\ncontent-length: (\d+)\r\n/i.exec(chunks[0]!.toString('latin1', 0, 4096))?.[1] ?? 0)) continue;
    const [answer] = parseAnswers(Buffer.concat(chunks), false);
    if (answer?.whole === true) return answer;
  }
  throw new Error('the connection ended before the answer');
}

async function rssBytes(name: string): Promise<number> {
  const status = readFileSync(`/proc/${await edge.pid(name)}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) * 1024;
}

const nameOf = (socket: TLSSocket) => String(socket.getPeerCertificate().subject.CN);
const failures = (greeting: string) => edge.metric('deckle_greeting_failures_total', { role: 'front', greeting });

test('pictures come over TLS, whole, with the certificate of the host, on connections that are kept', async () => {
  assert.match(edge.output(), new RegExp(`images +http://127.0.0.1:${ports.plain} https://127.0.0.1:${ports.secure} `));
  for (const [servername, name] of [
    ['shop.example.com', 'shop.example.com'],
    ['a.img.example.com', 'shop.example.com'],
    ['blog.example.com', 'blog.example.com'],
    ['nobody.example.org', 'shop.example.com'],
  ] as const) {
    const socket = await shake(ports.secure, { servername, ALPNProtocols: ['h2', 'http/1.1'] });
    assert.deepEqual([nameOf(socket), socket.alpnProtocol], [name, 'http/1.1']);
    for (const range of ['', 'Range: bytes=5-9\r\n']) {
      const answer = await ask(socket, request(range));
      assert.equal(answer.status, range === '' ? 200 : 206);
      assert.ok(answer.body.equals(range === '' ? picture : picture.subarray(5, 10)));
    }
    socket.destroy();
  }
  const trusting = await shake(ports.secure, {
    servername: 'blog.example.com',
    ca: readFileSync(join(folder, 'blog.cert')),
    rejectUnauthorized: true,
  });
  assert.equal((await ask(trusting)).status, 200);
  trusting.destroy();
});

test('a session goes on at whichever front takes the connection', async () => {
  const first = await shake(ports.secure);
  const session = new Promise<Buffer>((resolve) => first.once('session', resolve));
  await ask(first);
  first.destroy();
  // Two fronts: a session that only one of them knows would be refused by the other now and then.
  for (let turn = 0; turn < 12; turn += 1) {
    const again = await shake(ports.secure, { session: await session });
    assert.equal(again.isSessionReused(), true, `turn ${turn}`);
    again.destroy();
  }
});

test('the client is who the balancer says, in the clear and over TLS, and is trusted like one that came by itself', async () => {
  const forwarded = 'X-Forwarded-For: 203.0.113.5\r\n';
  for (const [header, more, client] of [
    [PROXY_1, '', '192.0.2.7'],
    [PROXY_1, forwarded, '192.0.2.7'],
    [PROXY_2, '', '192.0.2.8'],
    [PROXY_2, forwarded, '203.0.113.5, 192.0.2.8'],
    ['PROXY UNKNOWN\r\n', '', '127.0.0.1'],
  ] as const) {
    seen.length = 0;
    const raw = await openRaw(ports.proxy);
    raw.send(header);
    raw.send(request(more));
    assert.ok(await raw.answered(1));
    assert.ok(raw.answers()[0]?.body.equals(picture));
    raw.close();
    const below = await openRaw(ports.both, { paused: true });
    below.send(header);
    const secured = await shake(ports.both, { socket: below.socket, servername: 'blog.example.com' });
    assert.ok((await ask(secured, request(more))).body.equals(picture));
    assert.equal(nameOf(secured), 'blog.example.com');
    secured.destroy();
    assert.deepEqual(seen, [client, client]);
  }
});

test('who does not keep to it is closed without a word, in time, and counted; nobody else is disturbed', async () => {
  const before = { proxy: await failures('proxy'), tls: await failures('tls') };
  const wrong = [
    [ports.proxy, request()],
    [ports.both, request()],
    [ports.proxy, 'PROXY TCP4 192.0.2.7\r\n'],
    [ports.secure, request()],
    [ports.both, PROXY_1 + request()],
    // These two stall.
    [ports.proxy, PROXY_1.slice(0, 9)],
    [ports.secure, Buffer.from('1603010200010001fc0303', 'hex')],
  ] as const;
  const clients = await Promise.all(wrong.map(([port]) => openRaw(port)));
  for (const [at, client] of clients.entries()) client.send(wrong[at]![1]);
  const kept = await shake(ports.secure);
  assert.equal((await ask(kept)).status, 200);
  for (const client of clients) {
    assert.notEqual(await client.closed(), 'open');
    assert.ok(!client.bytes().includes('HTTP/1.1'));
    client.close();
  }
  assert.equal((await ask(kept)).status, 200);
  kept.destroy();
  assert.deepEqual([(await failures('proxy')) - before.proxy, (await failures('tls')) - before.tls], [4, 3]);
});

test('a hundred readers of 8 MB over TLS that read nothing hold 128 KB each, not the image; one that reads gets it whole', async () => {
  const text = `GET ${BIG} HTTP/1.1\r\nHost: a\r\n\r\n`;
  const whole = async () => {
    const socket = await shake(ports.secure);
    assert.ok((await ask(socket, text)).body.equals(big));
    socket.destroy();
  };
  // Both fronts, and what a process takes once for all.
  for (let turn = 0; turn < 6; turn += 1) await whole();
  const memory = async () => (await rssBytes('front-1')) + (await rssBytes('front-2'));
  const before = await memory();
  const stalled: TLSSocket[] = [];
  for (let count = 0; count < 100; count += 1) {
    const socket = await shake(ports.secure);
    socket.once('data', () => socket.pause());
    socket.write(text);
    stalled.push(socket);
  }
  await until('all have begun to read', () => stalled.every((socket) => socket.isPaused()));
  await whole();
  const grown = (await memory()) - before;
  // 12.5 MB, and room for what two processes do in the meantime; the image for each reader would be 800 MB.
  assert.ok(grown < 60 * MB, `${Math.round(grown / MB)} MB`);
  for (const socket of stalled) socket.destroy();
});

test('a renewed certificate is shown without a restart; one that cannot be used is not, and is told once', async () => {
  const kept = await shake(ports.secure, { servername: 'blog.example.com' });
  const shown = async (name: string) => {
    const socket = await shake(ports.secure, { servername: name });
    const { fingerprint256 } = socket.getPeerCertificate();
    socket.destroy();
    return fingerprint256;
  };
  const old = await shown('blog.example.com');
  const other = await shown('shop.example.com');

  const mistaken = makeCertificate(Date.now(), ['blog.example.com']);
  put('blog', { ...mistaken, key: makeCertificate().key });
  await until('it was told', () => edge.output().includes('a renewed certificate cannot be used'));
  assert.match(edge.output(), /blog\.key: is not the key of the certificate \(CN=blog\.example\.com\)/);
  assert.equal(await shown('blog.example.com'), old);

  // A front that is replaced meanwhile has the old one too.
  const pid = await edge.pid('front-1');
  process.kill(pid, 'SIGKILL');
  await until(
    'the front is back',
    async () => (await fetch(`${edge.admin}/-/ready`)).status === 200 && (await edge.pid('front-1')) !== pid,
  );
  for (let turn = 0; turn < 8; turn += 1) assert.equal(await shown('blog.example.com'), old);

  put('blog', makeCertificate(Date.now(), ['blog.example.com', 'new.example.com']));
  await until('both fronts show it', async () => {
    for (let turn = 0; turn < 8; turn += 1) if ((await shown('new.example.com')) === other) return false;
    return true;
  });
  assert.notEqual(await shown('blog.example.com'), old);
  assert.equal(await shown('shop.example.com'), other);
  assert.equal(edge.output().split('a renewed certificate cannot be used').length, 2);
  if (!kept.destroyed) assert.equal((await ask(kept)).status, 200);
  kept.destroy();
});

test('certificates that cannot be used are refused before anything starts', async () => {
  writeFileSync(join(folder, 'no.pem'), 'no PEM at all\n');
  const config = join(folder, 'bad.yaml');
  const lines = [
    'front:',
    '  listen:',
    '    - address: 127.0.0.1:1',
    '      tls:',
    `        - {cert: ${folder}/none.cert, key: ${folder}/no.pem}`,
    `        - cert: ${folder}/shop.cert`,
    `          key: ${folder}/blog.key`,
  ];
  const keyCol = lines[4]!.indexOf('key: ') + 'key: '.length + 1;
  writeFileSync(config, `${lines.join('\n')}\n`);
  for (const command of ['check', 'start', 'front']) {
    const { code, err } = await runDeckle([command, '-c', config], folder);
    assert.equal(code, 1, command);
    assert.deepEqual(err.trim().split('\n'), [
      `${config}:5:18: front.listen[0].tls[0].cert: ${folder}/none.cert: there is no such file`,
      `${config}:5:${keyCol}: front.listen[0].tls[0].key: ${folder}/no.pem: holds no key in PEM (-----BEGIN PRIVATE KEY-----)`,
      `${config}:7:16: front.listen[0].tls[1].key: ${folder}/blog.key: is not the key of the certificate (CN=shop.example.com)`,
    ]);
  }
  // Who runs no front needs no certificate.
  assert.match((await runDeckle(['purge', '/a', '-c', config], folder)).err, /^(?!.*certificate)/);
});
