// Who the client is, and whose word is taken for it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeadScanner } from '../wire/scanner.ts';
import { ClientReader } from './client.ts';

function head(...lines: readonly string[]): HeadScanner {
  const scanner = new HeadScanner('request', { maxBytes: 32 * 1024, maxFields: 100 });
  const bytes = Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`, 'latin1');
  assert.equal(scanner.scan(bytes, 0, bytes.length), 'done');
  return scanner;
}

const TRUSTED = ['10.0.0.0/8', '2001:db8:c::/48'];

/** The cases of one list of trusted proxies: header lines, the socket's other end, then address and what is passed on. */
const CHAINS: readonly [name: string, lines: readonly string[], socket: string, address: string, forwardedFor: string][] = [
  ['no header', [], '10.1.1.1', '10.1.1.1', '10.1.1.1'],
  ['one hop', ['X-Forwarded-For: 198.51.100.7'], '10.1.1.1', '198.51.100.7', '198.51.100.7, 10.1.1.1'],
  [
    'two trusted hops',
    ['X-Forwarded-For: 198.51.100.7, 10.9.9.9'],
    '10.1.1.1',
    '198.51.100.7',
    '198.51.100.7, 10.9.9.9, 10.1.1.1',
  ],
  ['a forged beginning', ['X-Forwarded-For: 1.2.3.4, 198.51.100.7'], '10.1.1.1', '198.51.100.7', '198.51.100.7, 10.1.1.1'],
  ['a forged trusted address', ['X-Forwarded-For: 10.2.2.2, 198.51.100.7'], '10.1.1.1', '198.51.100.7', '198.51.100.7, 10.1.1.1'],
  ['no address', ['X-Forwarded-For: unknown'], '10.1.1.1', '10.1.1.1', '10.1.1.1'],
  ['no address behind a trusted hop', ['X-Forwarded-For: x, 10.9.9.9'], '10.1.1.1', '10.9.9.9', '10.9.9.9, 10.1.1.1'],
  [
    'two lines',
    ['X-Forwarded-For: 198.51.100.7', 'X-Forwarded-For: 10.9.9.9'],
    '10.1.1.1',
    '198.51.100.7',
    '198.51.100.7, 10.9.9.9, 10.1.1.1',
  ],
  ['an empty value', ['X-Forwarded-For:'], '10.1.1.1', '10.1.1.1', '10.1.1.1'],
  ['a mapped socket', ['X-Forwarded-For: 198.51.100.7'], '::ffff:10.1.1.1', '198.51.100.7', '198.51.100.7, 10.1.1.1'],
  [
    'a mapped hop',
    ['X-Forwarded-For: 198.51.100.7, ::ffff:10.9.9.9'],
    '10.1.1.1',
    '198.51.100.7',
    '198.51.100.7, 10.9.9.9, 10.1.1.1',
  ],
  ['IPv6 all the way', ['X-Forwarded-For: 2001:db8::7'], '2001:db8:c::1', '2001:db8::7', '2001:db8::7, 2001:db8:c::1'],
  ['all hops trusted', ['X-Forwarded-For: 10.3.3.3, 10.2.2.2'], '10.1.1.1', '10.3.3.3', '10.3.3.3, 10.2.2.2, 10.1.1.1'],
  [
    'white space and tabs',
    ['X-Forwarded-For:  198.51.100.7 ,\t10.9.9.9 '],
    '10.1.1.1',
    '198.51.100.7',
    '198.51.100.7, 10.9.9.9, 10.1.1.1',
  ],
];

for (const [name, lines, socket, address, forwardedFor] of CHAINS) {
  test(`behind a trusted proxy: ${name}`, () => {
    const client = new ClientReader(TRUSTED, 'X-Forwarded-For').read(head(...lines), socket);
    assert.deepEqual(client, { address, forwardedFor, trusted: true });
  });
}

test('nobody is believed who is not in the list, and what they said is not passed on', () => {
  for (const trusted of [[], TRUSTED]) {
    const reader = new ClientReader(trusted, 'X-Forwarded-For');
    for (const [socket, plain] of [
      ['203.0.113.5', '203.0.113.5'],
      ['::ffff:203.0.113.5', '203.0.113.5'],
      ['2001:db8:d::1', '2001:db8:d::1'],
      ['', ''],
    ] as const) {
      const client = reader.read(head('X-Forwarded-For: 10.0.0.1', 'CF-Connecting-IP: 10.0.0.1'), socket);
      assert.deepEqual(client, { address: plain, forwardedFor: plain, trusted: false });
    }
  }
});

test('without trusted proxies not even loopback is believed', () => {
  const client = new ClientReader([], 'X-Forwarded-For').read(head('X-Forwarded-For: 198.51.100.7'), '127.0.0.1');
  assert.deepEqual(client, { address: '127.0.0.1', forwardedFor: '127.0.0.1', trusted: false });
});

test('a header of another name: its address alone counts', () => {
  const reader = new ClientReader(TRUSTED, 'CF-Connecting-IP');
  const said = (...lines: readonly string[]) => reader.read(head(...lines), '10.1.1.1');
  assert.deepEqual(said('CF-Connecting-IP: 198.51.100.7', 'X-Forwarded-For: 1.2.3.4'), {
    address: '198.51.100.7',
    forwardedFor: '198.51.100.7, 10.1.1.1',
    trusted: true,
  });
  for (const lines of [
    [],
    ['CF-Connecting-IP: nobody'],
    ['CF-Connecting-IP: 198.51.100.7, 198.51.100.8'],
    ['CF-Connecting-IP: 198.51.100.7', 'CF-Connecting-IP: 198.51.100.8'],
    ['X-Forwarded-For: 198.51.100.7'],
  ])
    assert.deepEqual(said(...lines), { address: '10.1.1.1', forwardedFor: '10.1.1.1', trusted: true }, lines.join(' | '));
});

test('a chain of hundreds of trusted hops is read from its end, to a bound', () => {
  const chain = Array.from({ length: 500 }, (_, at) => `10.0.${at >> 8}.${at & 255}`);
  const client = new ClientReader(TRUSTED, 'X-Forwarded-For').read(head(`X-Forwarded-For: ${chain.join(', ')}`), '10.1.1.1');
  const hops = client.forwardedFor.split(', ');
  assert.equal(hops.length, 33);
  assert.equal(hops[0], client.address);
  assert.equal(hops.at(-2), chain.at(-1));
});
