import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeadScanner } from '../wire/scanner.ts';
import type { RefererGuard } from './referer.ts';
import { RefererVerdicts } from './verdicts.ts';

function only(referer: string): RefererGuard & { asked: number } {
  return {
    asked: 0,
    check(given) {
      this.asked += 1;
      return given === referer ? 'allowed' : 'denied-host';
    },
  };
}

test('a verdict is remembered for equal fields and the same rules, and for nothing else', () => {
  const scanner = new HeadScanner('request', { maxBytes: 1000, maxFields: 10 });
  const verdicts = new RefererVerdicts();
  const [a, b] = [only('a'), only('b')];
  const hear = (path: string, referer: string) => {
    scanner.reset();
    const bytes = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: h\r\nReferer: ${referer}\r\n\r\n`);
    assert.equal(scanner.scan(bytes, 0, bytes.length), 'done');
  };
  hear('/1', 'a');
  assert.deepEqual([verdicts.of(scanner, a), verdicts.of(scanner, b)], ['allowed', 'denied-host']);
  hear('/22', 'a');
  assert.deepEqual([verdicts.of(scanner, a), verdicts.of(scanner, a)], ['allowed', 'allowed']);
  const asked = a.asked;
  hear('/333', 'a');
  assert.equal(verdicts.of(scanner, a), 'allowed');
  assert.equal(a.asked, asked);
  hear('/333', 'b');
  assert.deepEqual([verdicts.of(scanner, a), verdicts.of(scanner, b)], ['denied-host', 'allowed']);
});
