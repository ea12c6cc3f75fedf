import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { makeCertificate } from '../../test/support/certificate.ts';
import { certificateDoubts, certificateNames, certificateProblems, isServerName } from './certificate.ts';

const DAY_MS = 86_400_000;
const own = makeCertificate(Date.now(), ['shop.example.com', '*.IMG.example.com']);
const other = makeCertificate(Date.now(), ['ca.example.com']);
const damaged = own.cert.replace(/^M.{8}/m, 'MIIBAAAAA');
const encrypted = createPrivateKey(own.key).export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' });
const encryptedOld = createPrivateKey(own.key).export({ type: 'sec1', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' });
const plainOld = createPrivateKey(own.key).export({ type: 'sec1', format: 'pem' });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs1', format: 'pem' });

const PAIRS: readonly (readonly [string, string | undefined, string | undefined, ...string[]])[] = [
  ['a pair', own.cert, own.key],
  ['a pair with a chain', own.cert + other.cert, own.key],
  ['a key in the old form', own.cert, String(plainOld)],
  ['text around it', `subject=x\n${own.cert}\nissuer=y\n`, `Bag Attributes\n${own.key}`],
  ['line ends of elsewhere', own.cert.replaceAll('\n', '\r\n'), own.key.replaceAll('\n', '\r\n')],
  ['files of no PEM', 'no', '', 'cert: holds no certificate in PEM', 'key: holds no key in PEM'],
  ['exchanged files', own.key, own.cert, 'cert: holds a key and no certificate', 'key: holds a certificate and no key'],
  ['a damaged certificate', damaged, own.key, 'cert: certificate number 1 in it is damaged'],
  ['a damaged chain', own.cert + damaged, own.key, 'cert: certificate number 2 in it is damaged'],
  ['a damaged key', own.cert, own.key.replace(/^M.{8}/m, 'MIIBAAAAA'), 'key: is a damaged key'],
  ['the key of another', own.cert, other.key, 'key: is not the key of the certificate (CN=shop.example.com)'],
  ['a key of another kind', own.cert, String(rsa), 'key: is not the key of the certificate'],
  ['a chain upside down', other.cert + own.cert, own.key, "cert: the server's own certificate must stand first, it is number 2"],
  ['an encrypted key', own.cert, String(encrypted), 'key: is encrypted; a key without a passphrase is needed'],
  ['an encrypted key in the old form', own.cert, String(encryptedOld), 'key: is encrypted; a key without a passphrase is needed'],
  ['a certificate that is not there', undefined, 'x', 'key: holds no key in PEM'],
  ['a key that is not there', 'x', undefined, 'cert: holds no certificate in PEM'],
];

for (const [name, cert, key, ...problems] of PAIRS) {
  test(`looked at: ${name}`, () => {
    const found = certificateProblems(cert, key).map(({ of, message }) => `${of}: ${message}`);
    assert.equal(found.length, problems.length, found.join('\n'));
    for (const [at, problem] of problems.entries()) assert.ok(found[at]?.startsWith(problem), found.join('\n'));
  });
}

test('a certificate names hosts, in lower case, and nothing else', () => {
  assert.deepEqual(certificateNames(own.cert), ['shop.example.com', '*.img.example.com']);
  assert.deepEqual(certificateNames(makeCertificate(Date.now(), ['a, DNS:b.example', 'c d', '*', '*.*.x', 'e.example']).cert), [
    'e.example',
  ]);
  for (const [name, isOne] of [
    ['a.example', true],
    ['*.a.example', true],
    ['*', false],
    ['a.*.example', false],
    ['*.', false],
    ['https://a.example', false],
    ['a.example:443', false],
    ['', false],
  ] as const)
    assert.equal(isServerName(name), isOne, name);
});

test('doubts: over, not begun, a host that it does not name', () => {
  assert.deepEqual(certificateDoubts(own.cert, [], Date.now()), []);
  assert.deepEqual(certificateDoubts(own.cert, ['shop.example.com', '*.img.example.com', 'a.img.example.com'], Date.now()), []);
  assert.match(certificateDoubts(own.cert, [], Date.now() + 2 * DAY_MS).join(), /^expired on 20\d\d-\d\d-\d\dT/);
  assert.match(certificateDoubts(own.cert, [], Date.now() - 2 * DAY_MS).join(), /^is not valid before 20\d\d-/);
  assert.deepEqual(certificateDoubts(own.cert, ['*.example.com', 'b.example'], Date.now()), [
    'does not name *.example.com, which it is shown for',
    'does not name b.example, which it is shown for',
  ]);
});
