import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeCertificate, type TestCertificate } from '../../test/support/certificate.ts';
import { CertificateKeeper, type Certificates } from './certificates.ts';

const ADDRESS = { host: '127.0.0.1', port: 0 };
const hostsOf = (...hosts: string[]) => makeCertificate(Date.now(), hosts);

async function keeping(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'deckle-certificates-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const put = (pair: TestCertificate) => {
    writeFileSync(cert, pair.cert);
    writeFileSync(key, pair.key);
  };
  const first = hostsOf('one.example');
  put(first);
  const renewed: Certificates[] = [];
  const refused: string[] = [];
  const listen = [
    { address: ADDRESS, tls: [], proxy_protocol: false },
    { address: ADDRESS, tls: [{ cert, key, hosts: ['a.example'] }], proxy_protocol: false },
    { address: ADDRESS, tls: [{ cert, key, hosts: [] }], proxy_protocol: false },
  ];
  const keeper = await CertificateKeeper.open(listen, {
    renewed: (certificates) => renewed.push(certificates),
    refused: (why) => refused.push(why),
  });
  assert.ok(typeof keeper !== 'string', String(keeper));
  return { folder, cert, key, put, first, listen, keeper, renewed, refused };
}

test('every listener has its certificates, with the hosts of its entry; the keys of tickets stay', async (t) => {
  const { keeper, first } = await keeping(t);
  const { certificates, ticketKeys } = keeper.material;
  assert.deepEqual(certificates, [[], [{ ...first, hosts: ['a.example'] }], [{ ...first, hosts: [] }]]);
  assert.equal(Buffer.from(ticketKeys, 'base64').length, 48);
  assert.equal(keeper.material.ticketKeys, ticketKeys);
});

test('a new pair is taken when it has stood still from one look to the next, once', async (t) => {
  const { keeper, put, cert, key, renewed, refused } = await keeping(t);
  await keeper.look();
  const next = hostsOf('one.example');
  writeFileSync(cert, next.cert);
  await keeper.look();
  writeFileSync(key, next.key);
  await keeper.look();
  assert.deepEqual([renewed, refused], [[], []]);
  for (let looks = 0; looks < 3; looks += 1) await keeper.look();
  assert.deepEqual(renewed, [[[], [{ ...next, hosts: ['a.example'] }], [{ ...next, hosts: [] }]]]);
  assert.deepEqual(keeper.material.certificates, renewed[0]);
  // Written again as it was: nothing is new.
  put(next);
  for (let looks = 0; looks < 3; looks += 1) await keeper.look();
  assert.deepEqual([renewed.length, refused], [1, []]);
});

test('what cannot be used is told once for each state of the files, and the pair before stays', async (t) => {
  const { keeper, cert, key, put, first, renewed, refused } = await keeping(t);
  const look = async () => {
    for (let looks = 0; looks < 3; looks += 1) await keeper.look();
  };
  unlinkSync(key);
  await look();
  assert.deepEqual(refused, [`${key}: there is no such file`]);
  writeFileSync(key, 'x');
  writeFileSync(cert, first.key);
  await look();
  assert.deepEqual(refused.slice(1), [
    `${cert}: holds a key and no certificate (are cert and key exchanged?); ${key}: holds no key in PEM (-----BEGIN PRIVATE KEY-----)`,
  ]);
  put({ ...first, key: makeCertificate().key });
  await look();
  assert.deepEqual(refused.slice(2), [`${key}: is not the key of the certificate (CN=one.example)`]);
  assert.deepEqual(keeper.material.certificates[2], [{ ...first, hosts: [] }]);
  put(first);
  await look();
  assert.deepEqual([renewed, refused.length], [[], 3]);
});

test('a renewal that only turns a link is seen', async (t) => {
  const { folder, keeper, renewed } = await keeping(t);
  const link = join(folder, 'live');
  const files = { cert: join(link, 'cert.pem'), key: join(link, 'key.pem') };
  for (const name of ['2025', '2026']) {
    mkdirSync(join(folder, name));
    const pair = hostsOf(`${name}.example`);
    writeFileSync(join(folder, name, 'cert.pem'), pair.cert);
    writeFileSync(join(folder, name, 'key.pem'), pair.key);
  }
  symlinkSync('2025', link);
  const linked = await CertificateKeeper.open([{ address: ADDRESS, tls: [{ ...files, hosts: [] }], proxy_protocol: false }], {
    renewed: (certificates) => renewed.push(certificates),
    refused: assert.fail,
  });
  assert.ok(typeof linked !== 'string');
  symlinkSync('2026', `${link}.new`);
  renameSync(`${link}.new`, link);
  for (let looks = 0; looks < 2; looks += 1) await linked.look();
  assert.equal(renewed.length, 1);
  keeper.close();
});

test('a bad pair at the start is refused by the name of its file', async (t) => {
  const { listen, key } = await keeping(t);
  writeFileSync(key, 'x');
  const keeper = await CertificateKeeper.open(listen, { renewed: () => {}, refused: () => {} });
  assert.equal(keeper, `${key}: holds no key in PEM (-----BEGIN PRIVATE KEY-----)`);
});
