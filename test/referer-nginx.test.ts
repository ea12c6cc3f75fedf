// The referer guard beside a real nginx: the same lists are refused, and every referer gets the same verdict from both.
// Each list is a server of one nginx on a socket of its own; all referers go to it pipelined on one connection.

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { compileReferers, type RefererRules } from '../src/guard/referer.ts';
import { type RunningPeer, startNginx, testNginxConf } from './support/peers.ts';

const LONG = 'a'.repeat(244);

/** Values as they stand in the header after its leading spaces; undefined: no header. */
const REFERERS: readonly (string | undefined)[] = [
  // Missing, empty, cut
  undefined,
  '',
  '-',
  'x',
  'null',
  'about:blank',
  'about:client',
  'data:text/html,hello-there',
  'blob:https://www.example.com/1234',
  'javascript:void(0)//www.example.com/',
  'android-app://com.google.android.gm/',
  'ftp://www.example.com/',
  'file:///www.example.com/',
  'ws://www.example.com/',
  'www.example.com',
  'www.example.com/galleries/',
  '//www.example.com/galleries/',
  '/galleries/x.html',
  'http:/www.example.com/',
  'http:www.example.com/',
  'http//www.example.com/',
  'http://',
  'https://',
  'http://a.c',
  'http://i.ru',
  'http://i.r/',
  'https://i.r',
  'https://a.b/',
  '\thttp://www.example.com/',
  'httpx://www.example.com/',
  'https//www.example.com//',
  'xhttp://www.example.com/',
  // Honest
  'http://www.example.com',
  'http://www.example.com/',
  'https://www.example.com/',
  'https://example.com/',
  'https://example.com',
  'HTTP://WWW.EXAMPLE.COM/',
  'hTTpS://wWw.ExAmPlE.cOm/Path',
  'https://img.example.com/a/b/c.html?d=e#f',
  'https://a.b.c.d.example.com/',
  'http://www.example.com:80/',
  'https://www.example.com:8443/galleries/1',
  'https://www.example.com:/galleries/1',
  'https://www.example.com:99999999',
  'https://example.net/x',
  'https://example.co.uk/x',
  'https://www.google.com/search?q=cats',
  'https://www.google.co.uk/',
  'https://images.google.de/imgres',
  'https://yandex.ru/images/search?text=www.example.com',
  'http://localhost:3000/',
  'http://127.0.0.1:8080/x',
  'http://192.168.1.10/x.html',
  'http://[::1]/index.html',
  'http://[::1]:8080/index.html',
  'http://[2001:db8::1]/x',
  // Paths
  'http://www.example.org/galleries/',
  'http://www.example.org/galleries/2024/index.html',
  'http://www.example.org/galleries',
  'http://www.example.org/Galleries/',
  'http://www.example.org/galleries%2F',
  'http://www.example.org//galleries/',
  'http://www.example.org/x/../galleries/',
  'http://www.example.org?x=/galleries/',
  'http://www.example.org:8080/galleries/x',
  'http://www.example.org:8080x/galleries/x',
  'http://www.example.org',
  'http://www.example.org/',
  'http://www.example.org/search.example.org/',
  // Evil
  'https://evil.com/',
  'https://evil.com/www.example.com/',
  'https://evil.com/?www.example.com',
  'https://evil.com/?r=http://www.example.com/',
  'https://evil.com?www.example.com/',
  'https://evil.com#www.example.com/',
  'https://evil.com\\www.example.com/',
  'https://evilexample.com/',
  'https://example.com.evil.com/',
  'https://www.example.com.evil.com/',
  'https://www-example.com/',
  'https://example.evil/',
  'https://xexample.net/',
  'https://www.example.com@evil.com/',
  'https://www.example.com:pw@evil.com/',
  'https://www.example.com%2F@evil.com/',
  'https://user@www.example.com/',
  'https://user:pw@www.example.com/',
  'https://user:pw@evil.com/www.example.com/',
  'https://google.evil.com/',
  'https://evil.com/search?q=www.google.com',
  'https://evil.com/.google.',
  'https://evil.com:80.google.com/',
  // Odd hosts
  'https://www.example.com./',
  'https://example.com./x',
  'https://.example.com/',
  'https://..example.com/',
  'https://www..example.com/',
  'https://example./x',
  'https://example/long-enough',
  'https://example../x',
  'https:///www.example.com/',
  'https:////////',
  'https://:8080/www',
  'https:// www.example.com/',
  'https://www.example.com /',
  'https://www.example.com\t/',
  'https://www.example.com%00.evil.com/',
  'https://www.example.com;evil.com/',
  'https://www.example.com?',
  'https://*.example.com/',
  'https://example.*/',
  'https://none/none/none',
  'https://_/some/where',
  'https://xn--bcher-kva.example/',
  'https://b\u00fccher.example/',
  'https://b\u00c3\u00bccher.example/',
  'https://B\u00c3\u009ccher.example/',
  `https://${LONG}.example.com/`,
  `https://${LONG}a.example.com/`,
  `http://${LONG}a.example.com:80/`,
  `https://${'a'.repeat(300)}/.google.`,
  `https://${'a.'.repeat(128)}/x`,
  `https://${'.'.repeat(256)}/x`,
  `https://www.example.com/${'p'.repeat(4000)}`,
  `https://evil.com/${'p'.repeat(4000)}.google.`,
];

/** Lists that both start with. */
const LISTS: readonly RefererRules[] = [
  { allow: ['www.example.com'], serverNames: [] },
  { allow: ['none', 'blocked', 'server_names', '*.example.com'], serverNames: ['example.com', 'www.example.org'] },
  { allow: ['none', 'www.example.com'], serverNames: [] },
  { allow: ['blocked', 'www.example.com'], serverNames: [] },
  { allow: ['server_names'], serverNames: ['*.example.com', '.example.net', 'example.*'] },
  { allow: ['server_names', '~\\.google\\.'], serverNames: ['~^(www|img)\\.example\\.com$', 'evilexample.com'] },
  { allow: ['.example.com'], serverNames: [] },
  { allow: ['*.example.com'], serverNames: [] },
  { allow: ['example.*'], serverNames: [] },
  { allow: ['EXAMPLE.COM', 'Example.*', '*.Example.Com'], serverNames: [] },
  { allow: ['www.example.org/galleries/', '~example\\.org'], serverNames: [] },
  { allow: ['*.example.org/galleries', '.example.com/a', 'example.*/x'], serverNames: [] },
  { allow: ['~\\.google\\.'], serverNames: [] },
  { allow: ['~^([a-z0-9-]+\\.)*google\\.[a-z.]+(:\\d+)?(/|$)', '~^www\\.example\\.com/$'], serverNames: [] },
  { allow: ['~search', '~/GALLERIES/', '~\\?.*example'], serverNames: [] },
  { allow: ['~^$', '~^/', '~a{300}'], serverNames: [] },
  { allow: ['127.0.0.1', 'localhost', '[', '[::1]', '192.168.*'], serverNames: [] },
  { allow: ['b\u00fccher.example', 'xn--bcher-kva.example'], serverNames: [] },
  { allow: ['www.example.com:8443', 'user', 'NONE', '_', 'example.com.'], serverNames: [] },
  { allow: ['*.example.com.', '.', '.*', '/www'], serverNames: [] },
  { allow: ['*.com', '*.example.com/a', '*.b.c.d.example.com/', '.www.example.com'], serverNames: [] },
  { allow: ['www.*', 'www.example.*/galleries/', 'www.example.com.*'], serverNames: [] },
];

/** Lists that neither starts with. */
const REFUSED: readonly RefererRules[] = [
  { allow: ['none'], serverNames: [] },
  { allow: ['blocked'], serverNames: [] },
  { allow: ['none', 'blocked', '~google'], serverNames: [] },
  { allow: ['none', 'server_names'], serverNames: ['~google'] },
  { allow: [''], serverNames: [] },
  { allow: ['~'], serverNames: [] },
  { allow: ['~('], serverNames: [] },
  { allow: ['~a{2,1}'], serverNames: [] },
  { allow: ['*'], serverNames: [] },
  { allow: ['*.'], serverNames: [] },
  { allow: ['*./x'], serverNames: [] },
  { allow: ['*.*'], serverNames: [] },
  { allow: ['*.example.*'], serverNames: [] },
  { allow: ['*example.com'], serverNames: [] },
  { allow: ['www*.example.com'], serverNames: [] },
  { allow: ['www.*.com'], serverNames: [] },
  { allow: ['a..b'], serverNames: [] },
  { allow: ['example.com', 'example.com'], serverNames: [] },
  { allow: ['example.com/a', 'EXAMPLE.com/b'], serverNames: [] },
  { allow: ['example.com', '.example.com'], serverNames: [] },
  { allow: ['.example.com', 'example.com/a'], serverNames: [] },
  { allow: ['.example.com', '*.example.com'], serverNames: [] },
  { allow: ['*.example.com/a', '*.example.com/b'], serverNames: [] },
  { allow: ['example.*', 'example.*/x'], serverNames: [] },
  { allow: ['server_names', 'www.example.com'], serverNames: ['www.example.com'] },
  { allow: ['server_names', '*.example.com'], serverNames: ['.example.com'] },
];

const quoted = (entry: string): string => `"${entry.replace(/["\\]/g, '\\$&')}"`;

function serverBlock(rules: RefererRules, listen: string): string {
  const names = rules.serverNames.length === 0 ? '' : `server_name ${rules.serverNames.map(quoted).join(' ')};`;
  return `server { listen ${listen}; ${names} referer_hash_bucket_size 512; location / {
    valid_referers ${rules.allow.map(quoted).join(' ')}; return 200 "verdict=[$invalid_referer]"; } }\n`;
}

function servers(lists: readonly RefererRules[]): string {
  const blocks = lists.map((rules, index) => serverBlock(rules, `unix:@DIR@/${index}.sock`));
  // The peer counts as started when its port answers: nginx opens that one last, behind the sockets that are asked.
  return `server_names_hash_bucket_size 512;\n${blocks.join('')}server { listen @LISTEN@; return 204; }`;
}

/** nginx's verdict on each set of Referer headers, in order. */
async function askNginx(peer: RunningPeer, list: number, sets: readonly (readonly string[])[]): Promise<readonly boolean[]> {
  const heads = sets.map((values, index) => {
    const lines = values.map((value) => `Referer: ${value}\r\n`).join('');
    return `GET / HTTP/1.1\r\nHost: any\r\n${lines}${index === sets.length - 1 ? 'Connection: close\r\n' : ''}\r\n`;
  });
  const socket = connect(join(peer.dir, `${list}.sock`));
  socket.write(Buffer.from(heads.join(''), 'latin1'));
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  const verdicts = [
    ...Buffer.concat(chunks)
      .toString('latin1')
      .matchAll(/verdict=\[(1?)\]/g),
  ].map((match) => match[1] === '');
  assert.equal(verdicts.length, sets.length, 'nginx answered every request');
  return verdicts;
}

function guardOf(rules: RefererRules): (referer: string | undefined) => boolean {
  const compiled = compileReferers(rules);
  assert.ok(compiled.ok, `${JSON.stringify(rules)}: ${JSON.stringify(compiled)}`);
  return (referer) => compiled.guard.check(referer) === 'allowed';
}

const setOf = (referer: string | undefined): readonly string[] => (referer === undefined ? [] : [referer]);

describe('a table of referers', () => {
  let nginx: RunningPeer;
  before(async () => {
    nginx = await startNginx(servers(LISTS));
  });
  after(() => nginx.close());

  for (const [index, rules] of LISTS.entries()) {
    test(`verdicts of ${rules.allow.join(' ')}${rules.serverNames.length > 0 ? ` on ${rules.serverNames.join(' ')}` : ''}`, async () => {
      const theirs = await askNginx(nginx, index, REFERERS.map(setOf));
      const allowed = guardOf(rules);
      for (const [at, referer] of REFERERS.entries())
        assert.equal(allowed(referer), theirs[at], `referer ${JSON.stringify(referer)}`);
      assert.ok(theirs.includes(true) && theirs.includes(false), 'a list that tells referers apart');
    });
  }

  test('of several Referer headers the first decides', async () => {
    const good = 'https://www.example.com/';
    const sets = [
      [good, 'https://evil.com/'],
      ['https://evil.com/', good],
      ['', good],
      [good, ''],
    ];
    const theirs = await askNginx(nginx, 0, sets);
    assert.deepEqual(theirs, [true, false, false, true]);
    const allowed = guardOf(LISTS[0]!);
    assert.deepEqual(
      sets.map((set) => allowed(set[0])),
      theirs,
    );
  });
});

test('lists that nginx does not start with are refused, with the entry and the reason', async () => {
  for (const rules of REFUSED) {
    const theirs = await testNginxConf(serverBlock(rules, '@LISTEN@'));
    assert.equal(theirs.ok, false, `nginx takes ${JSON.stringify(rules)}`);
    const ours = compileReferers(rules);
    assert.ok(!ours.ok, `deckle takes ${JSON.stringify(rules)}`);
    assert.ok(rules.allow.includes(ours.entry) && ours.problem.length > 10, JSON.stringify(ours));
  }
});

test('random lists and random referers', async () => {
  const labels = ['a', 'b', 'www', 'A', 'com', ''];
  const host = fc.array(fc.constantFrom(...labels), { minLength: 1, maxLength: 4 }).map((parts) => parts.join('.'));
  const path = fc.constantFrom('', '', '/', '/p', '/P', '/p/q', '?p');
  const entry = fc.oneof(
    fc.tuple(fc.constantFrom('', '', '*.', '.'), host, fc.constantFrom('', '', '.*'), path).map((parts) => parts.join('')),
    fc.constantFrom('none', 'blocked', '~b\\.a', '~^a.*/p$', '~[^/]p', '~WWW', '~:8'),
  );
  const rules = fc.record({ allow: fc.array(entry, { minLength: 1, maxLength: 6 }), serverNames: fc.constant([]) });
  const referer = fc
    .tuple(
      fc.constantFrom('http://', 'https://', 'HTTP://', 'http:/'),
      host,
      fc.constantFrom('', '', ':80', ':', '@b'),
      path,
      path,
    )
    .map((parts) => parts.join(''));
  // Fixed, so that a failure of today is a failure of tomorrow.
  const seed = 20_240_501;
  const lists = fc.sample(rules, { numRuns: 400, seed }).filter((each) => compileReferers(each).ok);
  const referers = fc.sample(referer, { numRuns: 300, seed });
  assert.ok(lists.length > 100, 'enough lists compile');
  const nginx = await startNginx(servers(lists));
  try {
    let allowedCount = 0;
    for (const [index, each] of lists.entries()) {
      const theirs = await askNginx(nginx, index, referers.map(setOf));
      const allowed = guardOf(each);
      for (const [at, value] of referers.entries()) {
        assert.equal(allowed(value), theirs[at], `${JSON.stringify(each.allow)} on ${JSON.stringify(value)}`);
        if (theirs[at]) allowedCount++;
      }
    }
    assert.ok(allowedCount > 500, 'enough referers are allowed somewhere');
  } finally {
    await nginx.close();
  }
});
