import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressText, cidrMatcher, isHost, isLoopback, isWildcard, networkText, parseAddress, parseCidr } from './address.ts';

test('addresses are read, and written as they were', () => {
  for (const text of ['127.0.0.1:8080', '[::1]:80', 'cache3:7101', 'a.b-c.example:1', '[2001:db8::1]:65535', '10.0.0.1:0']) {
    const address = parseAddress(text);
    assert.ok(typeof address === 'object', String(address));
    assert.equal(addressText(address), text);
  }
  assert.deepEqual(parseAddress(':81', { any: true }), { host: '0.0.0.0', port: 81 });
  assert.deepEqual(parseAddress('*:81', { any: true }), { host: '0.0.0.0', port: 81 });
});

test('what is no address is refused with the reason', () => {
  for (const text of [
    '',
    ':',
    'a',
    '80',
    ':80',
    '*:80',
    '::1',
    '::1:80',
    '[::1]',
    '[1.2.3.4]:80',
    '1.2.3:80',
    '010.0.0.1:80',
    'a:b',
    'a:-1',
    'a:65536',
    'a b:1',
    '-a:1',
    'a..b:1',
    'http://a:1',
    'a:1/',
  ]) {
    assert.equal(typeof parseAddress(text), 'string', text);
  }
});

test('hosts, loopback, wildcards', () => {
  for (const host of ['a', 'a.b', 'a_b.c', '1a', '127.0.0.1', '::1', 'xn--bcher-kva.example']) assert.ok(isHost(host), host);
  for (const host of ['', '.', 'a.', '1.2.3', '256.1.1.1', 'bücher', 'a'.repeat(64), `${'a.'.repeat(130)}a`])
    assert.ok(!isHost(host), host);
  for (const host of ['127.0.0.1', '127.9.9.9', '::1', 'localhost', '::ffff:127.0.0.1']) assert.ok(isLoopback(host), host);
  for (const host of ['0.0.0.0', '::', '10.0.0.1', 'cache1', 'localhost.example.com']) assert.ok(!isLoopback(host), host);
  for (const host of ['0.0.0.0', '::']) assert.ok(isWildcard(host), host);
  assert.ok(!isWildcard('127.0.0.1'));
});

test('ranges', () => {
  const inside = cidrMatcher(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32', '::ffff:198.51.100.0/120']);
  for (const ip of ['10.1.2.3', '::ffff:10.1.2.3', '192.0.2.7', '2001:db8::9', '2001:db8::9%eth0', '198.51.100.200'])
    assert.ok(inside(ip), ip);
  for (const ip of ['11.0.0.1', '192.0.2.8', '2001:db9::1', '', 'a', '10.1.2', '10.1.2.3:80', '198.51.101.1', '::a01:203'])
    assert.ok(!inside(ip), ip);
  assert.ok(!cidrMatcher([])('10.0.0.1'));
  for (const text of [
    '',
    '/8',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0/8',
    '::/129',
    'a/8',
    '10.0.0.0/8/8',
    '10.0.0.0/255.0.0.0',
  ]) {
    assert.equal(typeof parseCidr(text), 'string', text);
  }
});

test('a range is shown with its host bits cleared', () => {
  for (const [text, network] of [
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['10.1.2.255/25', '10.1.2.128/25'],
    ['1.2.3.4/32', '1.2.3.4/32'],
    ['1.2.3.4/0', '0.0.0.0/0'],
    ['2001:db8::1/32', '2001:db8::/32'],
  ]) {
    const parsed = parseCidr(text ?? '');
    assert.ok(typeof parsed === 'object');
    assert.equal(networkText(parsed), network);
  }
});
