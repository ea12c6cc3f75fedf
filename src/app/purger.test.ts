// A purge's URLs to source keys, its records into the log, and whom it waits for.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PurgeRequest } from '../admin/purges.ts';
import { formatPosition, type Position } from '../base/position.ts';
import { parseConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import type { LogEntry, LogRecord, PurgeLog } from '../purge/log.ts';
import { type CrewHouse, Member } from './crew.ts';
import { keysOfUrl, Purger } from './purger.ts';

const SITES = `
origins:
  store: {urls: [http://127.0.0.1:1]}
  own: {urls: [http://127.0.0.1:2], host: client}
sites:
  - {name: shop, hosts: [shop.example], path: /, origin: store, query: [w, h]}
  - {name: thumbs, hosts: [shop.example], path: /thumbs/, origin: store}
  - {name: tenants, hosts: ["*.tenant.example"], path: /, origin: own, query: all}
  - {name: rest, hosts: ["*"], path: /public/, origin: store}
`;

function configOf(text: string): Config {
  const loaded = parseConfig(text, 'deckle.yaml', { env: {}, cwd: '/' });
  assert.ok(loaded.ok, JSON.stringify(loaded));
  return loaded.config;
}

/** URLs as operators write them, and the keys that a request for them would have. */
const KEYS: readonly [url: string, keys: readonly string[]][] = [
  ['http://shop.example/a.jpg', ['shop /a.jpg']],
  ['HTTPS://Shop.Example:443/a.jpg', ['shop /a.jpg']],
  ['http://shop.example/%61.jpg?w=1&x=2&h=3', ['shop /a.jpg?h=3&w=1']],
  ['http://shop.example', ['shop /']],
  ['http://shop.example/thumbs/a.jpg?w=1', ['thumbs /thumbs/a.jpg']],
  ['http://one.tenant.example:8080/a.jpg?z=1&a=2', ['tenants one.tenant.example:8080/a.jpg?a=2&z=1']],
  ['http://else.example/public/a.jpg', ['rest /public/a.jpg']],
];

for (const [url, keys] of KEYS) {
  test(`keys of ${url}`, () => {
    const found = keysOfUrl(url, configOf(SITES));
    assert.ok(typeof found !== 'string', String(found));
    assert.deepEqual(found.keys, keys);
  });
}

test('a path names every site that serves it', () => {
  const config = configOf(SITES.replace(/^ {2}- \{name: tenants.*\n/m, ''));
  const found = keysOfUrl('/public/a.jpg', config);
  assert.ok(typeof found !== 'string');
  assert.deepEqual(found.keys, ['shop /public/a.jpg', 'rest /public/a.jpg']);
});

test('what is not understood is said, and nothing is guessed', () => {
  const config = configOf(SITES);
  for (const [url, why] of [
    ['shop.example/a.jpg', /expected http:\/\/host\/path or \/path$/],
    ['ftp://shop.example/a.jpg', /expected http/],
    ['http://shop.example/../a.jpg', /the path is not one that would be served$/],
    ['http://shop.example/%zz', /the path is not one/],
    ['http://sh op/a.jpg', /is not a host$/],
    ['http://else.example/a.jpg', /no site serves it$/],
    ['/public/a.jpg', /site tenants keeps images by host; name one/],
  ] as const) {
    const found = keysOfUrl(url, config);
    assert.ok(typeof found === 'string', url);
    assert.match(found, why);
    assert.ok(found.startsWith(url));
  }
});

/** A log in memory, and members that say by hand what they have applied. */
function house() {
  const entries: LogEntry[] = [];
  let full = false;
  const positionOf = (low: number): Position => ({ epoch: '00000000000000aa', high: 0n, low: BigInt(low) });
  const log: PurgeLog = {
    tail: () => positionOf(entries.length),
    append: async (entry): Promise<LogRecord> => {
      if (full) throw new Error('no space left');
      entries.push(entry);
      return { position: positionOf(entries.length), atMs: 0, entry };
    },
    follow: () => ({ lost: false, stop: () => {} }),
    close: async () => {},
  };
  const crew = { clock: { wallMs: () => 0, monoMs: () => 0 } } as CrewHouse;
  const members = ['n1', 'n2'].map((name) => {
    const member = new Member({ name, role: 'node', argv: [], hello: () => {} }, crew);
    member.position = formatPosition(positionOf(0));
    return member;
  });
  const purger = new Purger(configOf(SITES), log, () => members);
  const applies = (at: number, low: number, removed: number | null) => {
    members[at]!.position = formatPosition(positionOf(low));
    purger.applied(members[at]!.plan.name, formatPosition(positionOf(low)), removed);
  };
  return {
    entries,
    members,
    purger,
    applies,
    fill: () => {
      full = true;
    },
  };
}

function request(urls: readonly string[], waitMs = 60_000): PurgeRequest {
  return { urls, prefix: '', tags: [], hosts: [], all: false, soft: false, waitMs };
}

/** Lets what has been promised so far come to its end. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
}

test('a purge is done when every live process has applied its last record; counts are summed', async () => {
  const { purger, applies, entries } = house();
  const asked = purger.purge(request(['http://shop.example/a', 'http://shop.example/b', 'http://shop.example/%61']));
  await settled();
  assert.deepEqual(
    entries.map(({ target }) => target.key),
    ['shop /a', 'shop /b'],
    'two spellings are one record',
  );
  applies(0, 1, 3);
  applies(1, 1, 0);
  applies(0, 2, 1);
  let done = false;
  void asked.then(() => {
    done = true;
  });
  await settled();
  assert.equal(done, false, 'n2 is behind');
  applies(1, 2, null);
  const outcome = await asked;
  assert.ok(outcome.kind === 'done');
  assert.deepEqual(outcome.applied, { n1: 4, n2: null });
  assert.deepEqual(outcome.pending, []);
});

test('two purges at once count their own records only', async () => {
  const { purger, applies } = house();
  const one = purger.purge(request(['http://shop.example/a']));
  const two = purger.purge(request(['http://shop.example/b']));
  await settled();
  for (const at of [0, 1]) {
    applies(at, 1, 5);
    applies(at, 2, 7);
  }
  const [first, second] = await Promise.all([one, two]);
  assert.ok(first.kind === 'done' && second.kind === 'done');
  assert.deepEqual(first.applied, { n1: 5, n2: 5 });
  assert.deepEqual(second.applied, { n1: 7, n2: 7 });
});

test('who is late is pending, who is dead is not waited for', async () => {
  const { purger, applies, members } = house();
  const late = await purger.purge(request(['http://shop.example/a'], 5));
  assert.ok(late.kind === 'done');
  assert.deepEqual(late.pending, ['n1', 'n2']);
  const asked = purger.purge(request(['http://shop.example/b']));
  await settled();
  applies(0, 2, 0);
  members[1]!.position = undefined;
  purger.gone();
  const outcome = await asked;
  assert.ok(outcome.kind === 'done');
  assert.deepEqual(outcome.pending, []);
});

test('what cannot be logged is never done; what is refused is not logged', async () => {
  const { purger, entries, fill } = house();
  const refused = await purger.purge(request(['http://shop.example/a', 'http://nobody.example/b']));
  assert.deepEqual(refused, { kind: 'refused', status: 400, message: 'http://nobody.example/b: no site serves it' });
  assert.deepEqual(entries, []);
  fill();
  const outcome = await purger.purge(request(['http://shop.example/a']));
  assert.ok(outcome.kind === 'unlogged');
  assert.match(outcome.message, /no space left/);
});
