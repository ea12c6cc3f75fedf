import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { FIELD_NAMES } from './fields.ts';
import { type HeadKind, type HeadLimits, HeadScanner, type ScanResult } from './scanner.ts';

const LIMITS: HeadLimits = { maxBytes: 4096, maxFields: 20 };

/** All that a scanner says of a head. */
function read(text: string, kind: HeadKind = 'request', limits = LIMITS, splits: readonly number[] = []) {
  const bytes = Buffer.from(text, 'latin1');
  const scanner = new HeadScanner(kind, limits);
  return said(scanner, feed(scanner, bytes, splits));
}

function feed(scanner: HeadScanner, bytes: Buffer, splits: readonly number[]): ScanResult {
  let result: ScanResult = 'more';
  for (const end of [...splits, bytes.length]) {
    // Another buffer each time, at another place, as sockets give them.
    const moved = Buffer.concat([Buffer.from('x'.repeat(end % 7)), bytes.subarray(0, end)]);
    result = scanner.scan(moved, end % 7, moved.length);
    if (result !== 'more') return result;
  }
  return result;
}

function said(scanner: HeadScanner, result: ScanResult) {
  if (result === 'refused') return { result, status: scanner.fault.status, reason: scanner.fault.reason };
  if (result === 'more') return { result };
  const { method, target, minor, status, length, contentLength, chunked, keepAlive } = scanner;
  return { result, method, target, minor, code: status, length, contentLength, chunked, keepAlive, pairs: scanner.pairs() };
}

const GOOD = 'GET /a?b=c HTTP/1.1\r\nHost: a\r\nX-One:  two words \t\r\nEmpty:\r\nx-one: \xff\r\n\r\n';

describe('a request head', () => {
  test('is read once', () => {
    assert.deepEqual(read(`${GOOD}behind`), {
      result: 'done',
      method: 'GET',
      target: '/a?b=c',
      minor: 1,
      code: 0,
      length: GOOD.length,
      contentLength: -1,
      chunked: false,
      keepAlive: true,
      pairs: [
        ['host', 'a'],
        ['x-one', 'two words'],
        ['empty', ''],
        ['x-one', '\xff'],
      ],
    });
  });

  test('fields are found by name, first value and list, whatever their case', () => {
    const scanner = new HeadScanner('request', LIMITS);
    const text = 'GET / HTTP/1.1\r\nhOST: a\r\nVia: 1\r\nOther: x\r\nVIA: 2\r\nother: y\r\n\r\n';
    assert.equal(scanner.scan(Buffer.from(text), 0, text.length), 'done');
    assert.equal(scanner.get('host'), 'a');
    assert.equal(scanner.get('via'), '1');
    assert.equal(scanner.list('via'), '1, 2');
    assert.equal(scanner.lines('via'), 2);
    assert.equal(scanner.find('other'), 'x, y');
    assert.equal(scanner.find('othe'), undefined);
    assert.equal(scanner.get('range'), undefined);
    assert.equal(scanner.list('range'), undefined);
    assert.equal(scanner.lineAt(3), 'VIA: 2\r\n');
    assert.equal(scanner.count, 5);
  });

  test('every known field is known by its name alone', () => {
    for (const name of FIELD_NAMES) {
      for (const written of [name, name.toUpperCase(), `${name}x`, name.slice(1), `x${name}`]) {
        const scanner = new HeadScanner('response', LIMITS);
        const value = name === 'content-length' ? '1' : name === 'transfer-encoding' ? 'chunked' : 'v';
        const text = `HTTP/1.1 200 OK\r\n${written}: ${value}\r\n\r\n`;
        assert.equal(scanner.scan(Buffer.from(text), 0, text.length), 'done', written);
        const wanted = (FIELD_NAMES as readonly string[]).includes(written.toLowerCase());
        assert.equal(scanner.numberAt(0) > 0, wanted, written);
        if (written.toLowerCase() === name) assert.equal(scanner.get(name), value);
      }
    }
  });

  const persistence: readonly (readonly [string, boolean])[] = [
    ['GET / HTTP/1.1\r\nHost: a\r\n\r\n', true],
    ['GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', false],
    ['GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, CLOSE\r\n\r\n', false],
    ['GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\nConnection: close\r\n\r\n', false],
    ['GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n', true],
    ['GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n', false],
    ['GET / HTTP/1.1\r\nHost: a\r\nProxy-Connection: Close\r\n\r\n', false],
    ['GET / HTTP/1.0\r\n\r\n', false],
    ['GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n', true],
    ['GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n', false],
  ];
  test('persistence is as RFC 9112 §9.3 says', () => {
    for (const [text, keepAlive] of persistence) {
      const found = read(text);
      assert.equal('keepAlive' in found && found.keepAlive, keepAlive, text);
    }
  });

  const framed: readonly (readonly [lines: string, contentLength: number, chunked: boolean])[] = [
    ['', -1, false],
    ['Content-Length: 0\r\n', 0, false],
    ['Content-Length: 007\r\n', 7, false],
    ['Content-Length: 999999999999999\r\n', 999_999_999_999_999, false],
    ['Transfer-Encoding:\tChunked \r\n', -1, true],
  ];
  test('framing has one reading', () => {
    for (const [lines, contentLength, chunked] of framed) {
      const found = read(`POST / HTTP/1.1\r\nHost: a\r\n${lines}\r\n`);
      assert.deepEqual('chunked' in found && [found.contentLength, found.chunked], [contentLength, chunked], lines);
    }
  });
});

const field = (line: string) => `POST / HTTP/1.1\r\nHost: a\r\n${line}\r\n\r\n`;
const REFUSED: readonly (readonly [status: number, reason: string, text: string])[] = [
  [400, 'request-line', 'GET / HTTP/1.1\nHost: a\r\n\r\n'],
  [400, 'request-line', 'GET / HTTP/1.1\rHost: a\r\n\r\n'],
  [400, 'request-line', 'GET\t/ HTTP/1.1\r\n'],
  [400, 'request-line', 'GET  / HTTP/1.1\r\n'],
  [400, 'request-line', 'GET /  HTTP/1.1\r\n'],
  [400, 'request-line', 'GET / HTTP/1.1 \r\n'],
  [400, 'request-line', ' GET / HTTP/1.1\r\n'],
  [400, 'request-line', '\r\n\r\nGET / HTTP/1.1\r\n'],
  [400, 'request-line', '\n'],
  [400, 'request-line', '\rG'],
  [400, 'request-line', 'GET /\r\n'],
  [400, 'request-line', 'GET\r\n'],
  [400, 'request-line', 'GET / http/1.1\r\n'],
  [400, 'request-line', 'GET / HTTP/1.10\r\n'],
  [400, 'request-line', 'GET / HTTP/11\r\n'],
  [400, 'request-line', 'G(T / HTTP/1.1\r\n'],
  [400, 'request-line', 'GET /\0 HTTP/1.1\r\n'],
  [505, 'version', 'GET / HTTP/1.2\r\n'],
  [505, 'version', 'PRI * HTTP/2.0\r\n'],
  [400, 'target', 'GET /# HTTP/1.1\r\n'],
  [400, 'target', 'GET /\xe9 HTTP/1.1\r\n'],
  [400, 'target', 'GET a HTTP/1.1\r\n'],
  [400, 'target', 'GET a:80 HTTP/1.1\r\n'],
  [400, 'target', 'GET ftp://a/ HTTP/1.1\r\n'],
  [400, 'target', 'GET http:/a HTTP/1.1\r\n'],
  [400, 'target', 'GET http:///a HTTP/1.1\r\n'],
  [400, 'target', 'GET ** HTTP/1.1\r\n'],
  [405, 'method', 'get / HTTP/1.1\r\n'],
  [405, 'method', 'TRACE / HTTP/1.1\r\n'],
  [405, 'method', 'CONNECT a:80 HTTP/1.1\r\n'],
  [400, 'header', field('X')],
  [400, 'header', field(': v')],
  [400, 'header', field('X : v')],
  [400, 'header', field('X(: v')],
  [400, 'header', field('X\xe9: v')],
  [400, 'header', field('X: a\r\n b')],
  [400, 'header', field('X: a\r\n\tb')],
  [400, 'header', field('X: a\rb')],
  [400, 'header', field('X: a\nY: b')],
  [400, 'header', field('X: a\0b')],
  [400, 'header', field('X:\x0bb')],
  [400, 'header', field('X: a\x7f')],
  [400, 'header', 'GET / HTTP/1.1\r\nHost: a\r\n\rX'],
  [400, 'header', 'GET / HTTP/1.1\r\nHost: a\r\n\n'],
  [400, 'host', 'GET / HTTP/1.1\r\n\r\n'],
  [400, 'host', 'GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n'],
  [400, 'host', 'GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n'],
  [400, 'framing', field('Content-Length: 1\r\ncontent-length: 1')],
  [400, 'framing', field('Content-Length: 1\r\nTransfer-Encoding: chunked')],
  [400, 'framing', field('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked')],
  [400, 'framing', 'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n'],
  [400, 'framing', 'GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'],
  [400, 'framing', 'HEAD / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ...['', '+1', '-1', '0x1', '1e1', '1.0', '1,1', '1 1', '"1"', '1000000000000000', '\xb9'].map(
    (length) => [400, 'framing', field(`Content-Length: ${length}`)] as const,
  ),
  ...[
    '',
    'identity',
    'xchunked',
    'chunked, chunked',
    'gzip, chunked',
    'chunked;q=1',
    '"chunked"',
    'chunked,',
    'chunked\t',
    'chunked \t ',
  ].map((coding) => [400, 'framing', field(`Transfer-Encoding: ${coding}`)] as const),
];

test('what is refused, and why', () => {
  for (const [status, reason, text] of REFUSED) assert.deepEqual(read(text), { result: 'refused', status, reason }, text);
});

test('what was refused stays refused until reset', () => {
  const scanner = new HeadScanner('request', LIMITS);
  assert.equal(scanner.scan(Buffer.from('\n'), 0, 1), 'refused');
  assert.equal(scanner.scan(Buffer.from(GOOD, 'latin1'), 0, GOOD.length), 'refused');
  scanner.reset();
  assert.equal(scanner.scan(Buffer.from(GOOD, 'latin1'), 0, GOOD.length), 'done');
});

test('one blank line may go before a request, and nothing has begun with it', () => {
  const scanner = new HeadScanner('request', LIMITS);
  const text = '\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n';
  assert.equal(scanner.scan(Buffer.from(text), 0, 2), 'more');
  assert.equal(scanner.begun, false);
  assert.equal(scanner.scan(Buffer.from(text), 0, 3), 'more');
  assert.equal(scanner.begun, true);
  assert.equal(scanner.scan(Buffer.from(text), 0, text.length), 'done');
  assert.equal(scanner.length, text.length);
  assert.equal(read('\r\nHTTP/1.1 200 OK\r\n\r\n', 'response').result, 'refused');
});

describe('limits', () => {
  const padded = (length: number) => {
    const [before, behind] = ['GET / HTTP/1.1\r\nHost: a\r\nX: ', '\r\n\r\n'];
    return before + 'v'.repeat(length - before.length - behind.length) + behind;
  };

  test('of bytes are exact, at every split', () => {
    const limits = { maxBytes: 200, maxFields: 20 };
    assert.equal(read(padded(200), 'request', limits).result, 'done');
    assert.equal(read(padded(200), 'request', limits, [199]).result, 'done');
    const tooLarge = { result: 'refused', status: 431, reason: 'headers-too-large' };
    assert.deepEqual(read(padded(201), 'request', limits), tooLarge);
    assert.deepEqual(read(padded(201), 'request', limits, [199, 200]), tooLarge);
    assert.equal(read(padded(201).slice(0, 199), 'request', limits).result, 'more');
  });

  test('of lines are exact', () => {
    const many = (count: number) => `GET / HTTP/1.1\r\nHost: a\r\n${'X: v\r\n'.repeat(count - 1)}\r\n`;
    assert.equal(read(many(20)).result, 'done');
    assert.deepEqual(read(many(21)), { result: 'refused', status: 431, reason: 'headers-too-large' });
  });

  test('a start line that fills the limit is a target too long, of an answer a head too large', () => {
    const limits = { maxBytes: 100, maxFields: 5 };
    assert.deepEqual(read(`GET /${'a'.repeat(100)}`, 'request', limits), {
      result: 'refused',
      status: 414,
      reason: 'target-too-long',
    });
    assert.deepEqual(read(`HTTP/1.1 200 ${'a'.repeat(100)}`, 'response', limits), {
      result: 'refused',
      status: 431,
      reason: 'headers-too-large',
    });
  });
});

test('answers: which status lines are read', () => {
  for (const line of ['HTTP/1.1 200 OK', 'HTTP/1.1 200 ', 'HTTP/1.1 200', 'HTTP/1.0 999 \xff phrase', 'HTTP/1.1 100 Continue'])
    assert.equal(read(`${line}\r\n\r\n`, 'response').result, 'done', line);
  for (const line of [
    'HTTP/1.1 20',
    'HTTP/1.1 2000',
    'HTTP/1.1 099',
    'HTTP/1.1  200',
    'HTTP/2 200',
    'http/1.1 200',
    'HTTP/1.1 200\tOK',
  ])
    assert.equal(read(`${line}\r\n\r\n`, 'response').result, 'refused', line);
});

const name = fc.oneof(
  fc.constantFrom(...FIELD_NAMES.filter((each) => !['host', 'content-length', 'transfer-encoding', 'connection'].includes(each))),
  fc.string({ unit: fc.constantFrom(..."abzAZ019!#$%&'*+-.^_`|~"), minLength: 1, maxLength: 12 }),
);
const value = fc.string({ unit: fc.constantFrom(...'ab ,;:="\t\x80\xff'), maxLength: 20 });
const head = fc
  .record({
    method: fc.constantFrom('GET', 'HEAD', 'POST', 'DELETE', 'PURGE'),
    target: fc.string({ unit: fc.constantFrom(...'ab/?%&=.'), maxLength: 20 }).map((text) => `/${text}`),
    fields: fc.array(fc.tuple(name, fc.constantFrom('', ' ', '\t '), value, fc.constantFrom('', ' ')), { maxLength: 12 }),
    behind: fc.constantFrom('', 'GET', '\r\n', '\0'),
  })
  .filter(({ fields }) => fields.every(([each]) => !/^(host|content-length|transfer-encoding|connection)$/i.test(each)));

test('a good head comes out as it was made, also when it is used again', () => {
  const scanner = new HeadScanner('request', LIMITS);
  fc.assert(
    fc.property(head, ({ method, target, fields, behind }) => {
      const lines = fields.map(([each, before, text, after]) => `${each}:${before}${text}${after}\r\n`).join('');
      const text = `${method} ${target} HTTP/1.1\r\n${lines}hOsT:a\r\n\r\n`;
      scanner.reset();
      const found = said(scanner, feed(scanner, Buffer.from(text + behind, 'latin1'), []));
      const pairs = fields.map(([each, , written]) => [each.toLowerCase(), written.replace(/^[ \t]+|[ \t]+$/g, '')]);
      assert.deepEqual('pairs' in found && [found.method, found.target, found.length, found.pairs], [
        method,
        target,
        text.length,
        [...pairs, ['host', 'a']],
      ]);
    }),
  );
});

const piece = fc.constantFrom(
  'GET',
  ' ',
  '/',
  'HTTP/1.1',
  '\r\n',
  '\r',
  '\n',
  'Host',
  ':',
  'a',
  '\t',
  '\0',
  '\xff',
  'Content-Length: 5',
);
const hostile = fc.oneof(
  fc.constantFrom(GOOD, ...REFUSED.map(([, , text]) => text)),
  fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join('')),
  fc.tuple(fc.nat(GOOD.length - 1), piece).map(([at, each]) => GOOD.slice(0, at) + each + GOOD.slice(at)),
);

test('where a head is split says nothing', () => {
  fc.assert(
    fc.property(hostile, (text) => {
      const whole = read(text);
      assert.deepEqual(
        read(
          text,
          'request',
          LIMITS,
          Array.from(text, (_, at) => at),
        ),
        whole,
      );
      for (let at = 0; at < text.length; at += 1) assert.deepEqual(read(text, 'request', LIMITS, [at]), whole, `split at ${at}`);
    }),
    { numRuns: 150 },
  );
});

const blocks = fc.constantFrom(
  'Host: a\r\n\r\n',
  'Host: a\r\nVia: b\r\n\r\n',
  'Host: b\r\nVia: a\r\n\r\n',
  'Host: a\r\nConnection: close\r\n\r\n',
  'Host: a\r\nUpgrade: x\r\n\r\n',
  'Host: a\r\nContent-Length: 0\r\n\r\n',
  'Host: a\r\nTransfer-Encoding: chunked\r\n\r\n',
  'Host: a\r\nHost: a\r\n\r\n',
  '\r\n',
  `Host: a\r\nX: ${'x'.repeat(3000)}\r\n\r\n`,
  'Host: a\r\nX',
);
const lines = fc.constantFrom(
  'GET / HTTP/1.1\r\n',
  'GET /b HTTP/1.1\r\n',
  'GET / HTTP/1.0\r\n',
  'HEAD / HTTP/1.1\r\n',
  'POST / HTTP/1.1\r\n',
  'GET  / HTTP/1.1\r\n',
  'GET /# HTTP/1.1\r\n',
  'GET / HTTP/1.12\r\n',
  'GET / HTTP/1.1 \r\n',
  'GET / HTTP/1.1\n',
);

test('a head is read the same whatever heads went before it, equal to it or not', () => {
  const before = fc.tuple(lines, blocks, fc.constantFrom('', 'GET /b HTTP/1.1\r\n'), fc.array(fc.nat(40), { maxLength: 2 }));
  fc.assert(
    fc.property(fc.array(before, { minLength: 3, maxLength: 30 }), (heads) => {
      const scanner = new HeadScanner('request', LIMITS);
      const seen = new Map<number, unknown>();
      for (const [line, block, behind, splits] of heads) {
        scanner.reset();
        const text = line + block + behind;
        const bytes = Buffer.from(text, 'latin1');
        const at = splits.filter((split) => split < text.length).sort((a, b) => a - b);
        const found = said(scanner, feed(scanner, bytes, at));
        assert.deepEqual(found, read(text), text);
        if (found.result !== 'done') continue;
        // What was made of the fields may be used for as long as their number stays.
        const known = seen.get(scanner.fields);
        if (known !== undefined) assert.deepEqual(scanner.pairs(), known);
        seen.set(scanner.fields, scanner.pairs());
      }
    }),
    { numRuns: 400 },
  );
});
