import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compilePattern } from './pattern.ts';

function matches(source: string, text: string): boolean {
  const compiled = compilePattern(source);
  assert.ok(compiled.ok, JSON.stringify(compiled));
  return compiled.pattern.test(text);
}

test('matches any part of the text, in any case', () => {
  assert.equal(matches('\\.google\\.', 'www.GOOGLE.com/'), true);
  assert.equal(matches('GOOGLE', 'www.google.com/'), true);
  assert.equal(matches('^google', 'www.google.com'), false);
  assert.equal(matches('(?<name>a|b)c$', 'xBC'), true);
  assert.equal(matches('^.$', '\u00ff'), true);
});

test('what needs backtracking is refused, and so is what no referer contains', () => {
  const refused = ['', '(', '[a', 'a{2,1}', '(?=a)', '(?!a)', '(?<!a)b', '(a)\\1', 'b\u00fccher', 'a\nb', 'x'.repeat(2_001)];
  for (const source of refused) {
    const compiled = compilePattern(source);
    assert.ok(!compiled.ok && compiled.problem.length > 10, JSON.stringify(source));
  }
});

test('a source that stalls a backtracking engine for years is answered', () => {
  assert.equal(matches('^(([a-z])+.)+[A-Z]([a-z])+$', 'a'.repeat(5_000)), true);
  assert.equal(matches('^(a+)+$', `${'a'.repeat(5_000)}!`), false);
  assert.equal(matches('(x+x+)+y', 'x'.repeat(5_000)), false);
});
