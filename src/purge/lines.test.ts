import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Position } from '../base/position.ts';
import { headerLine, readLogFile, recordLine } from './lines.ts';
import type { LogRecord } from './log.ts';

const base: Position = { epoch: '0123456789abcdef', high: 7n, low: 41n };

function record(low: bigint, high = 9n): LogRecord {
  const target = { kind: 'url' as const, key: `all /${low}-ü.jpg` };
  return {
    position: { epoch: base.epoch, high, low },
    atMs: 1_700_000_000_000,
    entry: { kind: 'purge', id: `p${low}`, target, soft: low % 2n === 0n },
  };
}

const records = [record(42n), record(43n), record(44n, 12n)];
const bytes = Buffer.from(headerLine(base) + records.map(recordLine).join(''));

test('a file is read as it was written', () => {
  assert.deepEqual(readLogFile(bytes), { kind: 'whole', base, records, goodBytes: bytes.length, tornBytes: 0 });
});

test('a file cut at any byte keeps its whole records and tells the rest as torn', () => {
  const ends = [Buffer.byteLength(headerLine(base))];
  for (const one of records) ends.push(ends.at(-1)! + Buffer.byteLength(recordLine(one)));
  for (let length = 0; length <= bytes.length; length++) {
    const file = readLogFile(bytes.subarray(0, length));
    const whole = ends.filter((end) => end <= length).length - 1;
    if (whole < 0) {
      assert.equal(file.kind, 'damaged');
      continue;
    }
    const goodBytes = ends[whole]!;
    assert.deepEqual(file, { kind: 'whole', base, records: records.slice(0, whole), goodBytes, tornBytes: length - goodBytes });
  }
});

test('no flipped bit goes unseen', () => {
  for (let at = 0; at < bytes.length; at++) {
    for (const bit of [1, 8, 128]) {
      const flipped = Buffer.from(bytes);
      flipped[at] = flipped[at]! ^ bit;
      const file = readLogFile(flipped);
      // The one bit that looks like a crash in mid-append is the last line feed; even then nothing false is read.
      if (at === bytes.length - 1) assert.deepEqual(file.kind === 'whole' && file.records, records.slice(0, 2));
      else assert.equal(file.kind, 'damaged', `byte ${at}`);
    }
  }
});

const damaged: readonly (readonly [string, string, RegExp])[] = [
  ['an empty file', '', /header/],
  ['another program', 'not a log\n', /header/],
  ['no header', recordLine(records[0]!), /header/],
  ['a record that is missing', headerLine(base) + recordLine(record(43n)), /line 2: .*order/],
  ['a record that comes twice', headerLine(base) + recordLine(records[0]!) + recordLine(records[0]!), /line 3: .*order/],
  ['a record from before its forerunner', headerLine(base) + recordLine(record(42n, 6n)), /line 2: .*order/],
  ['an empty line', `${headerLine(base)}\n`, /checksum/],
];

for (const [name, text, why] of damaged) {
  test(`damaged: ${name}`, () => {
    const file = readLogFile(Buffer.from(text));
    assert.match(file.kind === 'damaged' ? file.why : 'whole', why);
  });
}

test('damaged: a record of a kind that this version does not know', () => {
  const foreign = { ...records[0]!, entry: { kind: 'drain', node: 'n1' } } as unknown as LogRecord;
  const file = readLogFile(Buffer.from(headerLine(base) + recordLine(foreign)));
  assert.match(file.kind === 'damaged' ? file.why : 'whole', /line 2: the kind of entry is not known/);
});
