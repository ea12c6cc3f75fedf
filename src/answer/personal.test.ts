import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeadScanner } from '../wire/scanner.ts';
import { isPersonal } from './personal.ts';

function head(...lines: readonly string[]): HeadScanner {
  const scanner = new HeadScanner('request', { maxBytes: 8192, maxFields: 50 });
  const bytes = Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`, 'latin1');
  assert.equal(scanner.scan(bytes, 0, bytes.length), 'done');
  return scanner;
}

test('personal: credentials that are sent on, and only those', () => {
  const both = head('Authorization: Basic x', 'Cookie: a=1');
  assert.equal(isPersonal(both, ['accept']), false);
  assert.equal(isPersonal(both, ['authorization']), true);
  assert.equal(isPersonal(both, ['cookie']), true);
  assert.equal(isPersonal(both, ['*']), true);
  assert.equal(isPersonal(head('Cookie: a=1'), ['*']), false, 'a cookie is never part of *');
  assert.equal(isPersonal(head(), ['authorization', 'cookie', '*']), false);
});
