import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type AdminHead, decideAccess } from './auth.ts';

const get: AdminHead = { method: 'GET', authorization: [], host: ['127.0.0.1:8081'], origin: [], contentType: [] };
const post: AdminHead = { ...get, method: 'POST', contentType: ['application/json'] };
const TOKEN = 'correct-horse';

const withToken: readonly (readonly [string, Partial<AdminHead>, 'allowed' | 'unauthorized'])[] = [
  ['the token', { authorization: [`Bearer ${TOKEN}`] }, 'allowed'],
  ['the scheme in another case', { authorization: [`bearer ${TOKEN}`] }, 'allowed'],
  [
    'the token, whatever the Host and Origin',
    { authorization: [`Bearer ${TOKEN}`], host: ['edge.example'], origin: ['https://x.example'] },
    'allowed',
  ],
  ['nothing', {}, 'unauthorized'],
  ['an empty field', { authorization: [''] }, 'unauthorized'],
  ['no token', { authorization: ['Bearer '] }, 'unauthorized'],
  ['another token', { authorization: ['Bearer correct-horsf'] }, 'unauthorized'],
  ['a beginning of the token', { authorization: ['Bearer correct'] }, 'unauthorized'],
  ['more than the token', { authorization: [`Bearer ${TOKEN}x`] }, 'unauthorized'],
  ['two words', { authorization: [`Bearer ${TOKEN} ${TOKEN}`] }, 'unauthorized'],
  ['another scheme', { authorization: [`Basic ${TOKEN}`] }, 'unauthorized'],
  ['the bare token', { authorization: [TOKEN] }, 'unauthorized'],
  ['the field twice', { authorization: [`Bearer ${TOKEN}`, `Bearer ${TOKEN}`] }, 'unauthorized'],
];

for (const [name, change, verdict] of withToken) {
  test(`with a token: ${name} is ${verdict}`, () => {
    assert.equal(decideAccess({ ...get, ...change }, TOKEN).kind, verdict);
    assert.equal(decideAccess({ ...post, ...change }, TOKEN).kind, verdict);
  });
}

test('with a token: nothing but the token passes', () => {
  fc.assert(
    fc.property(fc.string(), (given) => {
      assert.equal(
        decideAccess({ ...get, authorization: [`Bearer ${given}`] }, TOKEN).kind === 'allowed',
        given.trim() === TOKEN,
      );
    }),
  );
});

const hosts: readonly (readonly [string, boolean])[] = [
  ['127.0.0.1', true],
  ['127.0.0.1:8081', true],
  ['10.1.2.3:80', true],
  ['localhost', true],
  ['LocalHost:8081', true],
  ['[::1]', true],
  ['[::1]:8081', true],
  ['', false],
  ['evil.example', false],
  ['evil.example:8081', false],
  ['localhost.evil.example', false],
  ['127.0.0.1.evil.example', false],
  ['127.1', false],
  ['2130706433', false],
  ['0x7f000001', false],
  ['::1', false],
  ['[::1', false],
  ['[evil]', false],
  ['localhost:', false],
  ['localhost:0', false],
  ['localhost:65536', false],
  ['localhost:80@evil.example', false],
  ['127.0.0.1, evil.example', false],
  ['localhost\n', false],
];

for (const [host, fine] of hosts) {
  test(`without a token: Host ${JSON.stringify(host)} is ${fine ? 'local' : 'refused'}`, () => {
    for (const head of [get, post])
      assert.equal(decideAccess({ ...head, host: [host] }, '').kind, fine ? 'allowed' : 'forbidden');
  });
}

test('without a token: no Host and two Hosts are refused', () => {
  assert.equal(decideAccess({ ...get, host: [] }, '').kind, 'forbidden');
  assert.equal(decideAccess({ ...get, host: ['localhost', 'localhost'] }, '').kind, 'forbidden');
});

const posts: readonly (readonly [string, Partial<AdminHead>, boolean])[] = [
  ['a charset', { contentType: ['application/json; charset=utf-8'] }, true],
  ['upper case', { contentType: ['Application/JSON'] }, true],
  ['no type', { contentType: [] }, false],
  ['the type of a form', { contentType: ['text/plain'] }, false],
  ['a type that begins like it', { contentType: ['application/jsonp'] }, false],
  ['a type that ends like it', { contentType: ['text/plain;application/json'] }, false],
  ['two types', { contentType: ['application/json', 'application/json'] }, false],
  ['its own origin', { origin: ['http://127.0.0.1:8081'] }, true],
  ['its own origin behind TLS', { origin: ['https://127.0.0.1:8081'] }, true],
  ['another port', { origin: ['http://127.0.0.1:3000'] }, false],
  ['the default port', { origin: ['http://127.0.0.1'] }, false],
  ['another host', { origin: ['http://evil.example:8081'] }, false],
  ['another name of itself', { origin: ['http://localhost:8081'] }, false],
  ['no origin to speak of', { origin: ['null'] }, false],
  ['an empty origin', { origin: [''] }, false],
  ['an origin with a user', { origin: ['http://127.0.0.1:8081@evil.example'] }, false],
  ['an origin with a path', { origin: ['http://127.0.0.1:8081/'] }, false],
  ['another scheme', { origin: ['file://127.0.0.1:8081'] }, false],
  ['two origins', { origin: ['http://127.0.0.1:8081', 'http://127.0.0.1:8081'] }, false],
  ['a default port left out on one side', { host: ['localhost'], origin: ['http://localhost:80'] }, true],
  ['an IPv6 origin', { host: ['[::1]:8081'], origin: ['http://[::1]:8081'] }, true],
];

for (const [name, change, fine] of posts) {
  test(`without a token: a POST with ${name} is ${fine ? 'allowed' : 'refused'}`, () => {
    assert.equal(decideAccess({ ...post, ...change }, '').kind, fine ? 'allowed' : 'forbidden');
  });
}

test('without a token: other methods are held to the rule of POST', () => {
  for (const method of ['PUT', 'DELETE', 'OPTIONS', 'get']) assert.equal(decideAccess({ ...get, method }, '').kind, 'forbidden');
  assert.equal(decideAccess({ ...get, method: 'HEAD' }, '').kind, 'allowed');
});
