import assert from 'node:assert/strict';
import test from 'node:test';
import { edgeDifference, parseMetrics } from './metrics.ts';

test('samples are read with their labels, escapes and values', () => {
  const samples = parseMetrics(
    [
      '# HELP a_total Things.',
      '# TYPE a_total counter',
      'a_total{site="x",note="a \\"b\\" \\\\ c\\nd, e}"} 3',
      'plain 1.5e3 1700000000000',
      'lag -Inf',
      'bucket{le="+Inf"} +Inf',
      'empty{} 2',
      '',
    ].join('\n'),
  );
  assert.deepEqual(
    [...samples.values()],
    [
      { name: 'a_total', labels: { site: 'x', note: 'a "b" \\ c\nd, e}' }, value: 3 },
      { name: 'plain', labels: {}, value: 1500 },
      { name: 'lag', labels: {}, value: -Infinity },
      { name: 'bucket', labels: { le: '+Inf' }, value: Infinity },
      { name: 'empty', labels: {}, value: 2 },
    ],
  );
});

test('lines that are no samples are passed over', () => {
  assert.equal(parseMetrics('<html>\n1x 3\na{b=c} 1\na{b="c" 1\na{b="c";d="e"} 1\n# a 3\na\n').size, 0);
});

const front = (result: string, status: string) => `role="front",node="",site="all",result="${result}",status_class="${status}"`;

test('the difference counts what the front saw, by result, and what the origin was asked', () => {
  const before = parseMetrics(
    [
      `deckle_requests_total{${front('memory', '2xx')}} 100`,
      `deckle_response_bytes_total{${front('memory', '2xx')}} 1000`,
      `deckle_requests_total{${front('error', '5xx')}} 7`,
      'deckle_origin_requests_total{origin="samples",status_class="2xx"} 5',
    ].join('\n'),
  );
  const after = parseMetrics(
    [
      `deckle_requests_total{${front('memory', '2xx')}} 160`,
      `deckle_requests_total{${front('memory', '3xx')}} 15`,
      `deckle_response_bytes_total{${front('memory', '2xx')}} 7000`,
      `deckle_requests_total{${front('miss', '2xx')}} 25`,
      `deckle_response_bytes_total{${front('miss', '2xx')}} 2000`,
      `deckle_requests_total{${front('error', '5xx')}} 7`,
      'deckle_requests_total{role="node",node="n1",site="all",result="memory",status_class="2xx"} 900',
      'deckle_origin_requests_total{origin="samples",status_class="2xx"} 30',
      'deckle_origin_bytes_total{origin="samples"} 2000',
      'deckle_connections{role="front"} 64',
    ].join('\n'),
  );
  assert.deepEqual(edgeDifference(before, after), {
    rows: [
      { result: 'memory', requests: 75, bytes: 6000 },
      { result: 'miss', requests: 25, bytes: 2000 },
    ],
    hitRatio: 0.75,
    byteHitRatio: 0.75,
    originRequests: 25,
    originBytes: 2000,
  });
});

test('a counter that fell was reset: it counts from zero', () => {
  const key = `deckle_requests_total{${front('disk', '2xx')}}`;
  const { rows } = edgeDifference(parseMetrics(`${key} 50`), parseMetrics(`${key} 8`));
  assert.deepEqual(rows, [{ result: 'disk', requests: 8, bytes: 0 }]);
});

test('without traffic there is no ratio', () => {
  const { hitRatio, byteHitRatio, rows } = edgeDifference(new Map(), new Map());
  assert.deepEqual([hitRatio, byteHitRatio, rows], [undefined, undefined, []]);
});
