import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { renderPrometheus } from './prometheus.ts';
import { Registry } from './registry.ts';

/** The labels and the value of one line, read by the grammar of the format; undefined when the line breaks it. */
function readLine(
  line: string,
): { readonly name: string; readonly labels: Record<string, string>; readonly value: string } | undefined {
  const match = /^([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*"(?:,(?=[a-z]))?)*)\})? (\S+)$/.exec(line);
  if (match === null) return undefined;
  const labels: Record<string, string> = {};
  for (const [, label, text] of (match[2] ?? '').matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)) {
    labels[label!] = text!.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));
  }
  return { name: match[1]!, labels, value: match[3]! };
}

test('families are sorted, each once, with help and type', () => {
  const registry = new Registry();
  registry.cell('deckle_retries_total', { node: 'n2' }).value = 2;
  registry.cell('deckle_purge_lag', {}).value = 0.5;
  registry.cell('deckle_retries_total', { node: 'n1' }).value = 1e21;
  assert.equal(
    renderPrometheus(registry.snapshot()),
    [
      '# HELP deckle_purge_lag Records of the purge log that the slowest process has yet to apply.',
      '# TYPE deckle_purge_lag gauge',
      'deckle_purge_lag 0.5',
      '# HELP deckle_retries_total Requests that were sent to another node after this one failed.',
      '# TYPE deckle_retries_total counter',
      'deckle_retries_total{node="n1"} 1e+21',
      'deckle_retries_total{node="n2"} 2',
      '',
    ].join('\n'),
  );
});

test('a histogram is cumulative up to +Inf', () => {
  const registry = new Registry();
  const histogram = registry.histogram('deckle_request_seconds', { role: 'front', result: 'hot' });
  for (const seconds of [0.0004, 0.3, 0.3, 100]) histogram.observe(seconds);
  const text = renderPrometheus(registry.snapshot());
  assert.match(text, /^deckle_request_seconds_bucket\{result="hot",role="front",le="0.0005"\} 1$/m);
  assert.match(text, /^deckle_request_seconds_bucket\{result="hot",role="front",le="0.25"\} 1$/m);
  assert.match(text, /^deckle_request_seconds_bucket\{result="hot",role="front",le="0.5"\} 3$/m);
  assert.match(text, /^deckle_request_seconds_bucket\{result="hot",role="front",le="60"\} 3$/m);
  assert.match(text, /^deckle_request_seconds_bucket\{result="hot",role="front",le="\+Inf"\} 4$/m);
  assert.match(text, /^deckle_request_seconds_sum\{result="hot",role="front"\} 100\.6004$/m);
  assert.match(text, /^deckle_request_seconds_count\{result="hot",role="front"\} 4$/m);
});

test('any label value can be read back, and the same series twice is one', () => {
  const text = fc.string({ unit: fc.constantFrom('"', '\\', '\n', 'n', '{', '}', ',', '=', 'ä', ' '), maxLength: 12 });
  fc.assert(
    fc.property(
      fc.uniqueArray(text, { maxLength: 5 }),
      fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 5 }),
      (nodes, order) => {
        const registry = new Registry();
        for (const node of nodes) registry.cell('deckle_retries_total', { node }).value = 1;
        const snapshot = registry.snapshot();
        const rendered = renderPrometheus(snapshot);
        const lines = rendered.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
        assert.deepEqual(lines.map((line) => readLine(line)?.labels['node']).sort(), [...nodes].sort());
        assert.equal(renderPrometheus(order.flatMap((at) => snapshot[at] ?? [])), rendered);
        assert.equal(renderPrometheus([...snapshot, ...snapshot]).split('\n').length, rendered.split('\n').length);
      },
    ),
  );
});

test('an empty snapshot is an empty text; unknown series are left out', () => {
  assert.equal(renderPrometheus([]), '');
  assert.equal(renderPrometheus([{ name: 'deckle_new_total', labels: {}, value: 1 }]), '');
});
