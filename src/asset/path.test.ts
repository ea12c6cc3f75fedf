import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonicalTarget } from './path.ts';

/** Where it stands in the list is the raw target; what it maps to is the canonical one, undefined for a refusal. */
const TABLE: readonly (readonly [string, string | undefined])[] = [
  ['/', '/'],
  ['/a/b.jpg', '/a/b.jpg'],
  ['/a/', '/a/'],
  ['/a?', '/a?'],
  ['/a?b=1&c', '/a?b=1&c'],
  ['/a?b?c', '/a?b?c'],
  ['/?//../\\.', '/?//../\\.'],
  ['/%61%2D%2e%5F%7eb', '/a-._~b'],
  ['/%41%5a%30%39', '/AZ09'],
  ['/caf%c3%a9', '/caf%C3%A9'],
  ['/100%25', '/100%25'],
  ['/%2541', '/%2541'],
  ['/%3fa%23%20%26', '/%3Fa%23%20%26'],
  ['/a%2eb', '/a.b'],
  ['/...', '/...'],
  ['/.a/..b/c..', '/.a/..b/c..'],
  ['/a;b=1/(c)!$&*+,:@|{}"<>^`', '/a;b=1/(c)!$&*+,:@|{}"<>^`'],
  ['/a?x=%2f%5c%2e%3d', '/a?x=%2F%5C.%3D'],
  ['/a?%77=1', '/a?w=1'],
  // Not a path
  ['', undefined],
  ['a', undefined],
  ['*', undefined],
  ['?a', undefined],
  ['http://h/a', undefined],
  ['%2Fa', undefined],
  // Segments
  ['//', undefined],
  ['//a', undefined],
  ['/a//b', undefined],
  ['/a//', undefined],
  ['/.', undefined],
  ['/..', undefined],
  ['/./a', undefined],
  ['/a/..', undefined],
  ['/a/../b', undefined],
  ['/a/.?x', undefined],
  ['/%2e', undefined],
  ['/%2E%2e', undefined],
  ['/.%2e/a', undefined],
  ['/a/%2e%2E/b', undefined],
  // Separators in disguise
  ['/a\\b', undefined],
  ['/a%5cb', undefined],
  ['/a%5Cb', undefined],
  ['/a%2fb', undefined],
  ['/a%2Fb', undefined],
  // Controls, spaces, bytes beyond ASCII
  ['/a%00', undefined],
  ['/a%0a', undefined],
  ['/a%1F', undefined],
  ['/a%7f', undefined],
  ['/a?b%00', undefined],
  ['/a?b%0D%0A', undefined],
  ['/a?b%7F', undefined],
  ['/a b', undefined],
  ['/a\tb', undefined],
  ['/a\0b', undefined],
  ['/a\x7fb', undefined],
  ['/caf\u00e9', undefined],
  ['/a?caf\u00e9', undefined],
  ['/a?b c', undefined],
  ['/a\u0141', undefined],
  // Fragments
  ['/a#b', undefined],
  ['/a?b#c', undefined],
  // Bad escapes
  ['/%', undefined],
  ['/%4', undefined],
  ['/%zz', undefined],
  ['/%4g', undefined],
  ['/%%41', undefined],
  ['/%u0041', undefined],
  ['/%4%31', undefined],
  ['/%?41', undefined],
  ['/%4?1', undefined],
  ['/a?%', undefined],
  ['/a?b=%4', undefined],
];

function written(raw: string): string | undefined {
  const target = canonicalTarget(raw);
  return target === undefined ? undefined : target.path + (target.hasQuery ? `?${target.query}` : '');
}

for (const [raw, canonical] of TABLE) {
  test(`${JSON.stringify(raw)} ${canonical === undefined ? 'is refused' : `is ${canonical}`}`, () => {
    assert.equal(written(raw), canonical);
  });
}

test('path and query are told apart at the first question mark', () => {
  assert.deepEqual(canonicalTarget('/a?b?c'), { path: '/a', query: 'b?c', hasQuery: true });
  assert.deepEqual(canonicalTarget('/a?'), { path: '/a', query: '', hasQuery: true });
  assert.deepEqual(canonicalTarget('/a'), { path: '/a', query: '', hasQuery: false });
});

const piece = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom('/', 'a', 'B', '.', '..', '?', '&', '=', '~', '%2e', '%2E', '%41', '%c3', '%20', '%25'),
  },
  { weight: 1, arbitrary: fc.constantFrom('\\', '#', '%2f', '%5C', '%00', '%7f', '%1f', '%', '%4', ' ', '\u00e9', '\x7f', '//') },
);
const raws = fc.oneof(
  fc.array(piece, { maxLength: 12 }).map((pieces) => `/${pieces.join('')}`),
  fc.string({ unit: 'binary-ascii', maxLength: 20 }),
);

/** The rules once more, one after the other, as a person would check them. */
function oracle(raw: string): string | undefined {
  if (!/^\/[!-~]*$/.test(raw) || raw.includes('#')) return undefined;
  if (/%(?![0-9a-f]{2})/i.test(raw) || /%([01].|7f)/i.test(raw)) return undefined;
  const decoded = raw.replace(/%(..)/g, (whole, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return /[A-Za-z0-9._~-]/.test(character) ? character : whole.toUpperCase();
  });
  const [path = ''] = decoded.split('?');
  const segments = path.slice(1).split('/');
  if (/\\|%2F|%5C/.test(path) || segments.slice(0, -1).includes('')) return undefined;
  return segments.includes('.') || segments.includes('..') ? undefined : decoded;
}

test('every target is judged as by the rules one by one', () => {
  fc.assert(
    fc.property(raws, (raw) => {
      assert.equal(written(raw), oracle(raw));
    }),
    { numRuns: 5_000 },
  );
});

test('a canonical target is its own canonical form', () => {
  fc.assert(
    fc.property(raws, (raw) => {
      const once = written(raw);
      if (once !== undefined) assert.equal(written(once), once);
    }),
    { numRuns: 2_000 },
  );
});

test('a canonical path decodes to nothing that another server would resolve', () => {
  fc.assert(
    fc.property(raws, (raw) => {
      const target = canonicalTarget(raw);
      if (target === undefined) return;
      assert.match(target.path, /^\/[!-~]*$/);
      const bytes = Buffer.from(
        target.path.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
        'latin1',
      );
      const decoded = bytes.toString('latin1');
      assert.equal(decoded.split('/').length, target.path.split('/').length);
      assert.ok(!decoded.includes('\\') && !decoded.includes('//') && !/(^|\/)\.\.?(\/|$)/.test(decoded));
      assert.ok(bytes.every((byte) => byte >= 0x20 && byte !== 0x7f));
    }),
    { numRuns: 2_000 },
  );
});

test('a target of escapes only is read in linear time', () => {
  const target = canonicalTarget(`/${'%C3'.repeat(100_000)}`);
  assert.equal(target?.path.length, 300_001);
});

test('the last byte of a long target is judged like the first, of one segment and of many', () => {
  for (const segment of ['a', '/a', '/.a', '/..a']) {
    const long = `/x${segment.repeat(200_000)}`;
    assert.equal(written(long), long);
    for (const end of ['\\', '//', '/..', '/.?x', '\u0000', '?x#']) assert.equal(written(long + end), undefined, segment + end);
  }
});
