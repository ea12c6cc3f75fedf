import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileReferers, type RefererVerdict } from './referer.ts';

function verdict(allow: readonly string[], referer: string | undefined, serverNames: readonly string[] = []): RefererVerdict {
  const compiled = compileReferers({ allow, serverNames });
  assert.ok(compiled.ok, JSON.stringify(compiled));
  return compiled.guard.check(referer);
}

function refusal(allow: readonly string[], serverNames: readonly string[] = []): readonly [string, string] {
  const compiled = compileReferers({ allow, serverNames });
  assert.ok(!compiled.ok, `${allow} is taken`);
  return [compiled.entry, compiled.problem];
}

const HOST = 'www.example.com';
const GOOD = 'https://www.example.com/a';

test('an empty list checks nothing', () => {
  for (const referer of [undefined, '', '-', 'https://evil.com/']) assert.equal(verdict([], referer), 'allowed');
});

test('no Referer is a matter of none, a Referer that is no URL one of blocked', () => {
  assert.equal(verdict([HOST], undefined), 'denied-missing');
  assert.equal(verdict(['none', HOST], undefined), 'allowed');
  assert.equal(verdict(['blocked', HOST], undefined), 'denied-missing');
  for (const referer of [
    '',
    '-',
    'about:blank',
    'android-app://com.example',
    'http://a.c',
    'ftp://www.example.com/',
    '\thttp://www.example.com/',
  ]) {
    assert.equal(verdict(['none', HOST], referer), 'denied-blocked', referer);
    assert.equal(verdict(['blocked', HOST], referer), 'allowed', referer);
  }
  assert.equal(verdict(['a.co'], 'http://a.co'), 'allowed');
  assert.equal(verdict(['a.c'], 'http://a.c'), 'denied-blocked');
});

test('the host ends at the first slash or colon and has no case', () => {
  for (const referer of [GOOD, 'HTTP://WWW.EXAMPLE.COM', 'http://www.example.com:8080', 'https://www.example.com:x@evil.com/']) {
    assert.equal(verdict([HOST], referer), 'allowed', referer);
  }
  for (const referer of [
    'https://user@www.example.com/',
    'https://www.example.com?/',
    'https://www.example.com#/',
    'https://www.example.com./',
  ]) {
    assert.equal(verdict([HOST], referer), 'denied-host', referer);
  }
});

test('a host of more than 256 characters is denied whatever it is', () => {
  assert.equal(verdict(['~a'], `http://${'a'.repeat(256)}/`), 'allowed');
  assert.equal(verdict(['~a'], `http://${'a'.repeat(257)}/`), 'denied-host');
  assert.equal(verdict(['*.a'], `http://${'.a'.repeat(128)}:80`), 'allowed');
  assert.equal(verdict(['*.a'], `http://a${'.a'.repeat(128)}:80`), 'denied-host');
});

test('wildcards cover any depth; only the dotted form covers the apex', () => {
  assert.equal(verdict(['*.example.com'], 'http://a.b.example.com/'), 'allowed');
  assert.equal(verdict(['*.example.com'], 'http://example.com/'), 'denied-host');
  assert.equal(verdict(['*.example.com'], 'http://xexample.com/'), 'denied-host');
  assert.equal(verdict(['.example.com'], 'http://example.com/'), 'allowed');
  assert.equal(verdict(['.example.com'], 'http://a.b.example.com/'), 'allowed');
  assert.equal(verdict(['example.*'], 'http://example.co.uk/'), 'allowed');
  assert.equal(verdict(['example.*'], 'http://www.example.com/'), 'denied-host');
  assert.equal(verdict(['example.*'], 'http://example/long'), 'denied-host');
});

test('the best entry decides alone: exact, the longest suffix, the longest prefix', () => {
  const allow = ['a.b.com/exact', '*.b.com/head', '*.com/short', 'a.*/tail', 'a.b.*/longer'];
  assert.equal(verdict(allow, 'http://a.b.com/exact'), 'allowed');
  assert.equal(verdict(allow, 'http://a.b.com/head'), 'denied-path');
  assert.equal(verdict(allow, 'http://x.b.com/head'), 'allowed');
  assert.equal(verdict(allow, 'http://x.b.com/short'), 'denied-path');
  assert.equal(verdict(allow, 'http://a.com/short'), 'allowed');
  assert.equal(verdict(allow, 'http://a.com/tail'), 'denied-path');
  assert.equal(verdict(allow, 'http://a.org/tail'), 'allowed');
  assert.equal(verdict(allow, 'http://a.b.org/tail'), 'denied-path');
  assert.equal(verdict(allow, 'http://a.b.org/longer'), 'allowed');
});

test('a path is a prefix with case, read after the port, and no regex saves a mismatch', () => {
  const allow = ['www.example.org/galleries/', '~example'];
  assert.equal(verdict(allow, 'http://www.example.org/galleries/1?a=b'), 'allowed');
  assert.equal(verdict(allow, 'http://www.example.org:80/galleries/1'), 'allowed');
  for (const path of ['/Galleries/1', '/galleries', '/x/galleries/', '/?/galleries/', '']) {
    assert.equal(verdict(allow, `http://www.example.org${path}`), 'denied-path', path);
  }
  assert.equal(verdict(allow, 'http://evil.com/example'), 'allowed');
});

test('a regex sees everything after the scheme; one of server_names only the host', () => {
  assert.equal(verdict(['~^evil\\.com:80/\\?q=GOOGLE$'], 'https://Evil.com:80/?q=google'), 'allowed');
  assert.equal(verdict(['server_names'], 'http://img7.example.com:80/x', ['~^IMG\\d\\.example\\.com$']), 'allowed');
  assert.equal(verdict(['server_names'], 'http://evil.com/img7.example.com', ['~img\\d']), 'denied-host');
});

test('server_names is every host of the site but `*`', () => {
  const names = ['a.com', '*.b.com', '*'];
  assert.equal(verdict(['server_names'], 'http://a.com/xyz', names), 'allowed');
  assert.equal(verdict(['server_names'], 'http://x.b.com/', names), 'allowed');
  assert.equal(verdict(['server_names'], 'http://evil.com/', names), 'denied-host');
  assert.equal(verdict(['none', 'server_names', 'c.com'], 'http://evil.com/', ['*']), 'denied-host');
});

test('a list that would check nothing or never match is refused, with the way out', () => {
  assert.deepEqual(refusal(['none'])[0], 'none');
  assert.deepEqual(refusal(['blocked', '~a'])[0], 'blocked');
  assert.match(refusal(['server_names'], ['*'])[1], /only "\*"/);
  assert.match(refusal(['https://example.com/a'])[1], /"example\.com\/a"/);
  assert.match(refusal(['~(?=a)'])[1], /look-around/);
  assert.deepEqual(refusal(['a.com', 'b.com', 'A.com/x'])[0], 'A.com/x');
  assert.match(refusal(['server_names', 'a.com'], ['a.com'])[1], /"a\.com"/);
});

test('only letters of ASCII lose their case', () => {
  assert.equal(verdict(['b\u00fccher.example'], 'http://B\u00c3\u00bcCHER.example/'), 'allowed');
  assert.equal(verdict(['b\u00fccher.example'], 'http://b\u00e3\u00bccher.example/'), 'denied-host');
});
