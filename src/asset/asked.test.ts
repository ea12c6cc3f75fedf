import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Fault } from '../base/fault.ts';
import { HeadScanner } from '../wire/scanner.ts';
import { AskedReader, type NamingSite } from './asked.ts';
import { keyHash } from './key.ts';
import { SiteTable } from './site.ts';

const SITES: readonly NamingSite[] = [
  { name: 'shop', hosts: ['shop.example'], path: '/', query: ['w'], hostInKey: true },
  { name: 'old', hosts: ['shop.example'], path: '/old', query: 'ignore', hostInKey: false },
  { name: 'any', hosts: ['*'], path: '/a', query: 'all', hostInKey: false },
];

function reader(): AskedReader<NamingSite> {
  return new AskedReader(new SiteTable(SITES));
}

function headOf(
  line: string,
  fields: string,
  scanner = new HeadScanner('request', { maxBytes: 4096, maxFields: 20 }),
): HeadScanner {
  scanner.reset();
  const bytes = Buffer.from(`${line}\r\n${fields}\r\n`, 'latin1');
  assert.equal(scanner.scan(bytes, 0, bytes.length), 'done', line);
  return scanner;
}

function said(asked: ReturnType<AskedReader<NamingSite>['read']>): unknown {
  return asked instanceof Fault ? asked.code : { ...asked, site: asked.site?.name };
}

test('site, target, key and hash of a request', () => {
  const read = (line: string, fields: string) => said(reader().read(headOf(line, fields)));
  const key = 'shop shop.example:8080/x/%C3%A9.jpg?w=2';
  assert.deepEqual(read('GET /x/%c3%a9.jpg?v=1&w=2 HTTP/1.1', 'Host: SHOP.example:8080\r\n'), {
    authority: 'shop.example:8080',
    path: '/x/%C3%A9.jpg',
    site: 'shop',
    target: '/x/%C3%A9.jpg?w=2',
    key,
    hash: keyHash(key),
  });
  assert.deepEqual(read('GET /b HTTP/1.1', 'Host: other\r\n'), {
    authority: 'other',
    path: '/b',
    site: undefined,
    target: '',
    key: '',
    hash: 0,
  });
  assert.equal(read('GET /a/../b HTTP/1.1', 'Host: other\r\n'), 'DECKLE_BAD_PATH');
  assert.equal(read('GET /a HTTP/1.1', 'Host: a b\r\n'), 'DECKLE_BAD_HOST');
  assert.equal(read('GET /a HTTP/1.1', 'Host: a\r\nCDN-Loop: x, Deckle;v=1\r\n'), 'DECKLE_LOOP');
  assert.equal(read('GET http://b/a HTTP/1.1', 'Host: a\r\n'), 'DECKLE_BAD_HOST');
  assert.equal((reader().read(headOf('GET /a HTTP/1.0', '')) as { key: string }).key, 'any /a');
});

const targets = fc.oneof(
  fc.constantFrom(
    '/a',
    '/old',
    '/old/x',
    '/a?w=1',
    '/a?w=1&v=2',
    '/a/%41',
    '/a/A',
    '/a//b',
    'http://shop.example/a',
    'http://b/a',
    '*',
  ),
  // Many that share a place of the table.
  fc.nat(20_000).map((number) => `/a/${number}.jpg`),
  fc.constant(`/a/${'x'.repeat(400)}`),
);
const fields = fc.constantFrom(
  'Host: shop.example\r\n',
  'Host: shop.example:80\r\n',
  'Host: b\r\n',
  'Host: b\r\nCDN-Loop: deckle\r\n',
  'Host: [::1]:x\r\n',
);

test('what was read before is never taken for another request', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(targets, fields, fc.boolean()), { minLength: 20, maxLength: 200 }), (requests) => {
      const one = reader();
      const scanners = [0, 1].map(() => new HeadScanner('request', { maxBytes: 4096, maxFields: 20 }));
      for (const [target, block, second] of requests) {
        const head = headOf(`GET ${target} HTTP/1.1`, block, scanners[second ? 1 : 0]);
        assert.deepEqual(said(one.read(head)), said(reader().read(head)), target);
      }
    }),
    { numRuns: 40 },
  );
});

test('the table of what was read forgets before it grows', () => {
  const one = reader();
  const scanner = new HeadScanner('request', { maxBytes: 4096, maxFields: 20 });
  for (let number = 0; number < 20_000; number += 1) {
    const asked = one.read(headOf(`GET /a/${number}.jpg HTTP/1.1`, 'Host: b\r\n', scanner));
    assert.equal(asked instanceof Fault ? asked.code : asked.key, `any /a/${number}.jpg`);
  }
});
