import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Reason } from '../base/reasons.ts';
import { httpDate } from '../wire/date.ts';
import type { HeaderList } from '../wire/headers.ts';
import { ageMs, ageSeconds, type Freshness, type LifetimeRules, storability } from './freshness.ts';

const SECOND = 1000;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;
const NOW = Date.UTC(2026, 10, 22, 12, 0, 0);
const AT_ONCE = { requestMs: NOW, responseMs: NOW };
/** The site's defaults. */
const RULES: LifetimeRules = { ttl: { default: HOUR, min: 0, max: 365 * DAY, status: { 404: 10 * SECOND } } };

type Fields = Readonly<Record<string, string>>;

function rules(ttl: Partial<LifetimeRules['ttl']>): LifetimeRules {
  return { ttl: { ...RULES.ttl, ...ttl } };
}

function ask(status: number, fields: Fields | HeaderList, site = RULES, times = AT_ONCE) {
  const headers = Array.isArray(fields) ? (fields as HeaderList) : Object.entries(fields as Fields);
  return storability({ status, headers, length: 3 }, site, times);
}

function kept(status: number, fields: Fields | HeaderList, site = RULES, times = AT_ONCE): Freshness {
  const answer = ask(status, fields, site, times);
  assert.ok(answer.kind === 'store', `${status} ${JSON.stringify(fields)}: ${JSON.stringify(answer)}`);
  return answer.freshness;
}

function passed(status: number, fields: Fields | HeaderList, site = RULES): Reason {
  const answer = ask(status, fields, site);
  assert.ok(answer.kind === 'pass', `${status} ${JSON.stringify(fields)}: ${JSON.stringify(answer)}`);
  return answer.reason;
}

test('RFC 9111 §3: what is not kept, and why', () => {
  const fresh = { 'cache-control': 'max-age=60' };
  const rows: readonly (readonly [reason: Reason, status: number, fields: Fields])[] = [
    ['partial', 206, fresh],
    ['status', 304, fresh],
    ['status', 103, fresh],
    ['no-store', 200, { 'cache-control': 'no-store' }],
    ['no-store', 200, { 'cache-control': 'max-age=60, No-Store' }],
    ['no-store', 200, { 'cache-control': 'must-understand, no-store, max-age=60' }],
    ['private', 200, { 'cache-control': 'private, max-age=60' }],
    ['private', 200, { 'cache-control': 's-maxage=60, private="x"' }],
    ['set-cookie', 200, { ...fresh, 'set-cookie': 'a=b' }],
    ['set-cookie', 200, { ...fresh, 'set-cookie': '' }],
    ['vary-star', 200, { ...fresh, vary: 'accept, *' }],
    ['encoding', 200, { ...fresh, 'content-encoding': 'gzip' }],
    ['encoding', 200, { ...fresh, 'content-encoding': 'identity, br' }],
    ['encoding', 404, { 'content-encoding': 'gzip' }],
  ];
  for (const [reason, status, fields] of rows) assert.equal(passed(status, fields), reason, JSON.stringify(fields));
  for (const coding of ['identity', 'Identity', '', ' identity , identity'])
    assert.equal(kept(200, { 'content-encoding': coding }).lifetimeMs, HOUR, coding);
});

test('several lines of Cache-Control speak together', () => {
  const lines: HeaderList = [
    ['cache-control', 'max-age=60'],
    ['x', 'y'],
    ['cache-control', 'no-store'],
  ];
  assert.equal(passed(200, lines), 'no-store');
});

test('an explicit lifetime keeps the statuses that are understood, and no failure', () => {
  const fresh = { 'cache-control': 'max-age=60' };
  for (const status of [200, 203, 204, 300, 301, 302, 303, 307, 308, 400, 403, 404, 405, 410, 414, 451])
    assert.equal(kept(status, fresh).lifetimeMs, 60 * SECOND, String(status));
  for (const status of [201, 202, 299, 305, 401, 407, 412, 416, 418, 421, 428, 429, 431, 499, 500, 501, 502, 503, 504, 511, 599])
    assert.equal(passed(status, fresh), 'status', String(status));
});

test('without an explicit lifetime: the default for six statuses, ttl.status for the named ones, else nothing', () => {
  for (const status of [200, 203, 204, 300, 301, 308]) assert.equal(kept(status, {}).lifetimeMs, HOUR, String(status));
  assert.equal(kept(404, {}).lifetimeMs, 10 * SECOND);
  for (const status of [302, 303, 307, 400, 403, 405, 410, 414, 451, 500, 501, 503])
    assert.equal(passed(status, {}), 'status', String(status));
});

test('ttl.status admits any status by its name, and is more special than the default', () => {
  const site = rules({ status: { 200: 5 * SECOND, 503: SECOND, 429: 2 * SECOND }, min: 4 * SECOND });
  assert.equal(kept(503, {}, site).lifetimeMs, SECOND, 'taken as it stands, whatever min says');
  assert.equal(kept(429, {}, site).lifetimeMs, 2 * SECOND);
  assert.equal(kept(200, {}, site).lifetimeMs, 5 * SECOND);
  assert.equal(kept(200, { 'cache-control': 'max-age=60' }, site).lifetimeMs, 60 * SECOND);
  assert.equal(kept(503, { 'cache-control': 'max-age=60' }, site).lifetimeMs, 60 * SECOND);
  assert.equal(passed(404, {}, site), 'status');
  assert.equal(passed(503, { 'cache-control': 'no-store' }, site), 'no-store');
  assert.equal(passed(503, { 'cache-control': 'must-understand' }, site), 'status');
  assert.equal(passed(206, {}, rules({ status: { 206: HOUR } })), 'partial');
});

test('RFC 9111 §4.2.1: s-maxage, then max-age, then Expires minus Date', () => {
  const date = httpDate(NOW - 10 * SECOND);
  const expires = httpDate(NOW + 20 * SECOND);
  const rows: readonly (readonly [seconds: number, fields: Fields])[] = [
    [5, { 'cache-control': 'max-age=60, s-maxage=5', expires, date }],
    [60, { 'cache-control': 'max-age=60', expires, date }],
    [30, { expires, date }],
    [20, { expires }],
    [20, { expires, date: 'long ago' }],
    [30, { 'cache-control': 'public', expires, date }],
  ];
  for (const [seconds, fields] of rows) assert.equal(kept(200, fields).lifetimeMs, seconds * SECOND, JSON.stringify(fields));
});

test('a lifetime that is over, or cannot be read, is 0: kept to be revalidated if that can be, else not', () => {
  const rows: readonly Fields[] = [
    { 'cache-control': 'max-age=0' },
    { 'cache-control': 'max-age=oops' },
    { 'cache-control': 's-maxage=0, max-age=60' },
    { expires: '0' },
    { expires: '' },
    { expires: 'Thu, 18 Aug 2050 02:01:18 UTC' },
    { expires: httpDate(NOW - SECOND) },
    { expires: httpDate(NOW), date: httpDate(NOW) },
    { 'cache-control': 'no-cache, max-age=60' },
    { 'cache-control': 'no-cache="x"' },
    { pragma: 'no-cache' },
  ];
  for (const fields of rows) {
    const text = JSON.stringify(fields);
    assert.equal(passed(200, fields), 'zero-ttl', text);
    assert.equal(passed(200, { ...fields, etag: '' }), 'zero-ttl', text);
    assert.equal(passed(200, { ...fields, 'last-modified': 'once' }), 'zero-ttl', text);
    assert.equal(passed(404, { ...fields, etag: '"a"' }, rules({ status: { 404: 0 } })), 'zero-ttl', text);
    assert.equal(kept(200, { ...fields, etag: '"a"' }).lifetimeMs, 0, text);
    assert.equal(kept(200, { ...fields, 'last-modified': httpDate(0) }).lifetimeMs, 0, text);
  }
});

test('no-cache, and Pragma where there is no Cache-Control, ask for a check before every use', () => {
  const etag = '"a"';
  assert.equal(kept(200, { etag, 'cache-control': 'no-cache, max-age=60' }, rules({ min: HOUR })).noCache, true);
  assert.equal(kept(200, { etag, pragma: 'No-Cache, x' }).noCache, true);
  assert.equal(kept(200, { etag, pragma: 'no-cache', 'cache-control': 'max-age=60' }).noCache, false);
  assert.equal(kept(200, { etag, pragma: 'x' }).noCache, false);
  assert.equal(kept(200, { etag, 'cache-control': 'max-age=60' }).noCache, false);
});

test('min and max bound every lifetime but those of ttl.status, and min is no match for a refusal', () => {
  const site = rules({ min: 30 * SECOND, max: 90 * SECOND });
  assert.equal(kept(200, { 'cache-control': 'max-age=1' }, site).lifetimeMs, 30 * SECOND);
  assert.equal(kept(200, { 'cache-control': 'max-age=0' }, site).lifetimeMs, 30 * SECOND);
  assert.equal(kept(200, { 'cache-control': 'max-age=60' }, site).lifetimeMs, 60 * SECOND);
  assert.equal(kept(200, { 'cache-control': 'max-age=100' }, site).lifetimeMs, 90 * SECOND);
  assert.equal(kept(200, { expires: httpDate(NOW + DAY) }, site).lifetimeMs, 90 * SECOND);
  assert.equal(kept(200, {}, site).lifetimeMs, 90 * SECOND);
  assert.equal(kept(404, {}, site).lifetimeMs, 10 * SECOND);
  assert.equal(passed(200, { 'cache-control': 'no-store' }, site), 'no-store');
  assert.equal(passed(200, { 'cache-control': 'private' }, site), 'private');
  assert.equal(kept(200, { 'cache-control': 'no-cache', etag: '"a"' }, site).lifetimeMs, 0);
});

test('RFC 9111 §4.2.2: with a default of 0, a tenth of the time since Last-Modified, at most a day', () => {
  const site = rules({ default: 0 });
  const since = (ms: number): Fields => ({ 'last-modified': httpDate(NOW - ms), date: httpDate(NOW) });
  assert.equal(kept(200, since(100 * SECOND), site).lifetimeMs, 10 * SECOND);
  assert.equal(kept(200, since(10 * DAY), site).lifetimeMs, DAY);
  assert.equal(kept(200, since(1000 * DAY), site).lifetimeMs, DAY);
  assert.equal(kept(200, { 'last-modified': httpDate(NOW - 100 * SECOND) }, site).lifetimeMs, 10 * SECOND);
  assert.equal(kept(200, since(-100 * SECOND), site).lifetimeMs, 0, 'modified in the future');
  assert.equal(passed(200, { 'last-modified': 'once' }, site), 'zero-ttl');
  assert.equal(passed(200, {}, site), 'zero-ttl');
  assert.equal(kept(200, {}, rules({ default: 0, min: SECOND })).lifetimeMs, SECOND);
  assert.equal(kept(200, { ...since(DAY), expires: '0', etag: '"a"' }, site).lifetimeMs, 0, 'explicit, so no heuristic');
});

test('RFC 9111 §4.2.3: the age at arrival', () => {
  const slow = { requestMs: NOW - 4 * SECOND, responseMs: NOW };
  const rows: readonly (readonly [age: number, fields: Fields, times: typeof slow])[] = [
    [0, {}, AT_ONCE],
    [4, {}, slow],
    [7, { date: httpDate(NOW - 7 * SECOND) }, slow],
    [4, { date: httpDate(NOW - 3 * SECOND) }, slow],
    [4, { date: httpDate(NOW + DAY) }, slow],
    [4, { date: 'now' }, slow],
    [14, { age: '10' }, slow],
    [14, { age: '10', date: httpDate(NOW - 12 * SECOND) }, slow],
    [20, { age: '10', date: httpDate(NOW - 20 * SECOND) }, slow],
    [10, { age: '10 , 99' }, AT_ONCE],
    [10, { age: '0010' }, AT_ONCE],
    [0, { age: '-10' }, AT_ONCE],
    [0, { age: '10.0' }, AT_ONCE],
    [0, { age: '10;x=1' }, AT_ONCE],
    [0, { age: 'abc, 10' }, AT_ONCE],
    [0, { age: '' }, AT_ONCE],
    [2 ** 31, { age: '9'.repeat(400) }, AT_ONCE],
    [0, {}, { requestMs: NOW + DAY, responseMs: NOW }], // the clock stepped back in between
    [10, { age: '10' }, { requestMs: NOW + DAY, responseMs: NOW }],
  ];
  for (const [age, fields, times] of rows) {
    const freshness = kept(200, { 'cache-control': 'max-age=60', ...fields }, RULES, times);
    assert.equal(freshness.bornMs, NOW - age * SECOND, JSON.stringify(fields));
    assert.equal(ageSeconds(freshness, NOW), age);
  }
  const twice: HeaderList = [
    ['age', '10'],
    ['age', '99'],
  ];
  assert.equal(ageSeconds(kept(200, twice), NOW), 10);
});

test('Age counts whole seconds, from 0 to 2^31', () => {
  const freshness = kept(200, {});
  assert.equal(ageSeconds(freshness, NOW + 1999), 1);
  assert.equal(ageSeconds(freshness, NOW + 2000), 2);
  assert.equal(ageSeconds(freshness, NOW - DAY), 0);
  assert.equal(ageSeconds(freshness, NOW + 2 ** 42), 2 ** 31);
});

test('RFC 9111 §4.2.4 and RFC 5861: what the origin says of stale use', () => {
  const rows: readonly (readonly [value: string, mustRevalidate: boolean, swr: number | undefined, sie: number | undefined])[] = [
    ['max-age=60', false, undefined, undefined],
    ['max-age=60, stale-while-revalidate=5', false, 5, undefined],
    ['max-age=60, stale-if-error=0', false, undefined, 0],
    ['max-age=60, stale-while-revalidate=oops', false, undefined, undefined],
    ['max-age=60, must-revalidate, stale-while-revalidate=5', true, undefined, undefined],
    ['max-age=60, proxy-revalidate, stale-if-error=5', true, undefined, undefined],
    ['s-maxage=60', true, undefined, undefined],
    ['s-maxage=60, stale-while-revalidate=5', false, 5, 0],
    ['s-maxage=60, stale-if-error=5', false, 0, 5],
    ['s-maxage=60, stale-if-error=5, must-revalidate', true, undefined, undefined],
  ];
  for (const [value, mustRevalidate, swr, sie] of rows) {
    const found = kept(200, { 'cache-control': value });
    assert.equal(found.mustRevalidate, mustRevalidate, value);
    assert.equal(found.staleWhileRevalidateMs, swr === undefined ? undefined : swr * SECOND, value);
    assert.equal(found.staleIfErrorMs, sie === undefined ? undefined : sie * SECOND, value);
  }
});

const value = fc.oneof(
  fc.string(),
  fc.integer({ min: -10, max: 2 ** 40 }).map(String),
  fc.integer({ min: -(2 ** 40), max: 2 ** 43 }).map(httpDate),
  fc.constantFrom(
    'max-age=5',
    'no-cache',
    'no-store',
    's-maxage=7, stale-if-error=3',
    'private',
    'public, max-age=99999999999',
    '"a"',
  ),
);
const field = fc.tuple(
  fc.constantFrom('cache-control', 'expires', 'date', 'age', 'last-modified', 'etag', 'pragma', 'vary', 'x'),
  value,
);
const fields = fc.array(field, { maxLength: 8 });

test('whatever the fields: no throw, an age that is not negative, a lifetime within bounds', () => {
  const site = rules({ min: SECOND, max: DAY, default: 0 });
  const status = fc.constantFrom(200, 204, 301, 302, 404, 500);
  fc.assert(
    fc.property(
      status,
      fields,
      fc.integer({ min: -DAY, max: DAY }),
      fc.integer({ min: -DAY, max: DAY }),
      (code, headers, delay, later) => {
        const answer = ask(code, headers, site, { requestMs: NOW - delay, responseMs: NOW });
        if (answer.kind === 'pass') return;
        const { freshness } = answer;
        assert.ok(freshness.bornMs <= NOW);
        assert.ok(freshness.lifetimeMs === 0 || (freshness.lifetimeMs >= SECOND && freshness.lifetimeMs <= DAY));
        assert.ok(ageMs(freshness, NOW + later) >= 0);
        assert.ok(Number.isInteger(ageSeconds(freshness, NOW + later)));
        for (const ms of [freshness.staleWhileRevalidateMs, freshness.staleIfErrorMs]) assert.ok(ms === undefined || ms >= 0);
      },
    ),
    { numRuns: 500 },
  );
});

test('whatever else the answer says: no-store, private and Set-Cookie keep it out', () => {
  const refusal = fc.constantFrom<[string, string]>(
    ['cache-control', 'no-store'],
    ['cache-control', 'private'],
    ['set-cookie', 'a'],
  );
  fc.assert(
    fc.property(fields, refusal, (headers, pair) => {
      const generous = rules({ min: DAY, max: DAY, default: DAY, status: { 200: DAY } });
      assert.equal(ask(200, [pair, ...headers], generous).kind, 'pass');
    }),
  );
});

test('a targeted field replaces Cache-Control and Expires, and only for the cache it names', () => {
  const headers: HeaderList = [
    ['cache-control', 'no-store'],
    ['expires', '0'],
    ['cdn-cache-control', 'max-age=600'],
  ];
  const rules = { ttl: { default: 0, min: 0, max: 1e9, status: {} } };
  const times = { requestMs: 0, responseMs: 0 };
  const answer = { status: 200, headers, length: 1 };
  assert.deepEqual(storability(answer, rules, times), { kind: 'pass', reason: 'no-store' });
  const verdict = storability(answer, { ...rules, cdn_cache_control: ['cdn-cache-control'] }, times);
  assert.equal(verdict.kind === 'store' && verdict.freshness.lifetimeMs, 600_000);
  const stern = { ...answer, headers: [['cache-control', 'max-age=600'] as const, ['cdn-cache-control', 'no-store'] as const] };
  assert.deepEqual(storability(stern, { ...rules, cdn_cache_control: ['cdn-cache-control'] }, times), {
    kind: 'pass',
    reason: 'no-store',
  });
});
