// Quick answers as bytes: what is taken for one, and that the client gets what it would get the ordinary way.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { quickLine } from '../answer/quick-word.ts';
import { RESULTS, type Result } from '../metrics/catalogue.ts';
import { HOP_BY_HOP } from '../wire/headers.ts';
import { HeadScanner } from '../wire/scanner.ts';
import { responseLines } from './heads.ts';
import { QuickReader, quickMessage } from './quick.ts';

const TOKEN = '0123456789abcdef0123456789abcdef';
const READER = new QuickReader(TOKEN);
const STATUS = 'HTTP/1.1 200 OK\r\n';

interface Said {
  /** Field lines for the client, with line ends. */
  readonly lines: string;
  /** Lines for the front, with line ends. */
  readonly peer: string;
  readonly body: Buffer;
  readonly result: Result;
}

const SAID: Said = {
  lines: 'Age: 3\r\nContent-Length: 5\r\n',
  peer: 'X-Deckle-Result: memory\r\n',
  body: Buffer.from('hello'),
  result: 'memory',
};

/** As a node writes it. */
function written({ lines, peer, body, result }: Said): Buffer {
  const line = quickLine({ lines: peer, result, token: TOKEN }, 200, lines.length + 2, body.length);
  assert.notEqual(line, '');
  return Buffer.concat([Buffer.from(`${STATUS}${line}${peer}${lines}\r\n`, 'latin1'), body]);
}

/** The answer as the front writes it when it reads the head. */
function ordinary(bytes: Buffer): Buffer {
  const scanner = new HeadScanner('response', { maxBytes: 64 * 1024, maxFields: 256 });
  assert.equal(scanner.scan(bytes, 0, bytes.length), 'done');
  assert.equal(scanner.keepAlive, true);
  assert.equal(scanner.contentLength, bytes.length - scanner.length);
  return Buffer.concat([Buffer.from(`${STATUS}${responseLines(scanner)}\r\n`, 'latin1'), bytes.subarray(scanner.length)]);
}

const NAMES = fc
  .stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,20}$/)
  .filter((name) => !HOP_BY_HOP.has(name.toLowerCase()) && !/^(x-deckle-|content-length$)/i.test(name));
const VALUES = fc.stringMatching(/^[!-~\u00a1-\u00ff]([ -~\u00a1-\u00ff]{0,60}[!-~\u00a1-\u00ff])?$/);
const FIELDS = fc.array(fc.tuple(NAMES, VALUES), { maxLength: 20 });
const PEER = fc.array(fc.tuple(fc.stringMatching(/^X-Deckle-[A-Z][a-z]{0,8}$/), VALUES), { maxLength: 3 });
const BODIES = fc.uint8Array({ maxLength: 3_000 }).map((bytes) => Buffer.from(bytes));

function linesOf(fields: readonly (readonly [string, string])[]): string {
  return fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');
}

const ANSWERS = fc.record({ fields: FIELDS, peer: PEER, body: BODIES, result: fc.constantFrom(...RESULTS) }).map(
  ({ fields, peer, body, result }): Said => ({
    lines: `${linesOf(fields)}Content-Length: ${body.length}\r\n`,
    peer: linesOf(peer),
    body,
    result,
  }),
);

test('the client gets byte for byte what the ordinary way would write', () => {
  fc.assert(
    fc.property(ANSWERS, fc.uint8Array({ maxLength: 50 }), (said, stale) => {
      const bytes = written(said);
      // What earlier reads left behind in the buffer.
      const buffer = Buffer.concat([bytes, stale]);
      const answer = READER.read(buffer, bytes.length);
      assert.ok(answer !== undefined);
      assert.equal(answer.result, said.result);
      assert.equal(answer.length, said.body.length);
      const expected = ordinary(bytes);
      assert.ok(quickMessage(buffer, bytes.length, answer).equals(expected));
    }),
  );
});

test('an answer that is not all there, or behind which there is more, is none', () => {
  fc.assert(
    fc.property(ANSWERS, fc.nat(), (said, at) => {
      const bytes = written(said);
      assert.equal(READER.read(bytes, at % bytes.length), undefined);
      const more = Buffer.concat([bytes, Buffer.from(STATUS)]);
      assert.equal(READER.read(more, bytes.length + 1 + (at % STATUS.length)), undefined);
    }),
  );
});

test('no byte of status line and token may be another', () => {
  const good = written(SAID);
  assert.ok(READER.read(good, good.length) !== undefined);
  const end = good.indexOf(TOKEN) + TOKEN.length + 1;
  for (let at = 0; at < end; at += 1) {
    for (const flip of [1, 0x20, 0x80]) {
      const bytes = Buffer.from(good);
      bytes[at]! ^= flip;
      assert.equal(READER.read(bytes, bytes.length), undefined, `byte ${at}`);
    }
  }
  const other = new QuickReader('f'.repeat(32));
  assert.equal(other.read(good, good.length), undefined);
});

test('with any byte changed, it is none or one that ends where its bytes do', () => {
  fc.assert(
    fc.property(ANSWERS, fc.nat(), fc.integer({ min: 1, max: 255 }), (said, place, flip) => {
      const bytes = written(said);
      bytes[place % (bytes.length - said.body.length)]! ^= flip;
      const answer = READER.read(bytes, bytes.length);
      if (answer === undefined) return;
      assert.equal(answer.head + answer.length, bytes.length);
      const message = quickMessage(bytes, bytes.length, answer).toString('latin1');
      assert.ok(message.startsWith(STATUS));
      assert.equal(message.slice(message.length - answer.length - 4, message.length - answer.length), '\r\n\r\n');
      assert.ok(!message.includes(TOKEN));
    }),
  );
});

/** The line with its numbers, as somebody wrote it by hand. */
function byHand(skip: string, head: string, length: string, result: string, end = '\r\n'): Buffer {
  const rest = `X-Deckle-Result: memory\r\nContent-Length: 5\r\n\r\nhello`;
  return Buffer.from(`${STATUS}X-Deckle-Answer: ${TOKEN} ${skip} ${head} ${length} ${result}${end}${rest}`, 'latin1');
}

const LINE = `${STATUS}X-Deckle-Answer: ${TOKEN} 0000 00000 000000000 memory\r\n`.length;
const SKIP = `0${LINE + 25}`;
const HEAD = `00${LINE + 25 + 21}`;
const LENGTH = '000000005';

test('by hand it is one too', () => {
  const bytes = byHand(SKIP, HEAD, LENGTH, 'memory');
  const answer = READER.read(bytes, bytes.length);
  assert.deepEqual(answer, { skip: LINE + 25, head: LINE + 46, length: 5, result: 'memory' });
  assert.equal(quickMessage(bytes, bytes.length, answer!).toString(), `${STATUS}Content-Length: 5\r\n\r\nhello`);
  const all = byHand(`${LINE}`.padStart(4, '0'), HEAD, LENGTH, 'memory');
  assert.ok(READER.read(all, all.length) !== undefined, 'only the first line is cut off');
});

const WRONG: readonly (readonly [name: string, bytes: Buffer])[] = [
  ['a skip without zeros', byHand(`${LINE + 25}`, HEAD, LENGTH, 'memory')],
  ['a skip into a line', byHand(`0${LINE + 24}`, HEAD, LENGTH, 'memory')],
  ['a skip into its own line', byHand('0017', HEAD, LENGTH, 'memory')],
  ['a skip of nothing', byHand('0000', HEAD, LENGTH, 'memory')],
  ['a skip of all lines', byHand(`0${LINE + 44}`, HEAD, LENGTH, 'memory')],
  ['a skip into the body', byHand(`0${LINE + 48}`, HEAD, LENGTH, 'memory')],
  ['a skip beyond the end', byHand('9999', HEAD, LENGTH, 'memory')],
  ['a skip that is no number', byHand(`+${LINE + 25}`, HEAD, LENGTH, 'memory')],
  ['a head that is too short', byHand(SKIP, `00${LINE + 45}`, '000000006', 'memory')],
  ['a head that is too long', byHand(SKIP, `00${LINE + 47}`, '000000004', 'memory')],
  ['a head in hex', byHand(SKIP, '0x0ff', LENGTH, 'memory')],
  ['a length that is too small', byHand(SKIP, HEAD, '000000004', 'memory')],
  ['a length that is too large', byHand(SKIP, HEAD, '000000006', 'memory')],
  ['a length below 0', byHand(SKIP, HEAD, '-00000005', 'memory')],
  ['no result of ours', byHand(SKIP, HEAD, LENGTH, 'memorx')],
  ['a result in capitals', byHand(SKIP, HEAD, LENGTH, 'MEMORY')],
  ['no result', byHand(SKIP, HEAD, LENGTH, '')],
  ['a word behind the result', byHand(SKIP, HEAD, LENGTH, 'memory x')],
  ['a bare CR', byHand(SKIP, HEAD, LENGTH, 'memory', '\r ')],
  ['a bare LF', byHand(SKIP, HEAD, LENGTH, 'memory', ' \n')],
  ['a tab', Buffer.from(byHand(SKIP, HEAD, LENGTH, 'memory').toString('latin1').replace(`${TOKEN} `, `${TOKEN}\t`), 'latin1')],
  ['another status', Buffer.from(byHand(SKIP, HEAD, LENGTH, 'memory').toString('latin1').replace('200 OK', '404 OK'), 'latin1')],
];

for (const [name, bytes] of WRONG) {
  test(`none: ${name}`, () => {
    assert.equal(READER.read(bytes, bytes.length), undefined);
  });
}
