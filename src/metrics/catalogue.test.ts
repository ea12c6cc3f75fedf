import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CLOSED_LABELS, HIT_RESULTS, METRICS, type MetricEntry, metricEntry, RESULTS } from './catalogue.ts';

test('every name, label and bucket is one that Prometheus takes', () => {
  for (const [name, entry] of Object.entries<MetricEntry>(METRICS)) {
    assert.match(name, /^deckle_[a-z_]+$/);
    assert.equal(name.endsWith('_total'), entry.kind === 'counter', name);
    assert.match(entry.help, /^\S.*[.]$/s, name);
    assert.equal(new Set(entry.labels).size, entry.labels.length, name);
    for (const label of entry.labels) assert.match(label, /^(?!le$)[a-z_]+$/, name);
    assert.equal(entry.buckets !== undefined, entry.kind === 'histogram', name);
    const buckets = entry.buckets ?? [];
    for (let at = 0; at < buckets.length; at++) assert.ok(buckets[at]! > (buckets[at - 1] ?? 0), name);
  }
});

test('closed lists have no value twice, and hits are results', () => {
  for (const [label, values] of Object.entries(CLOSED_LABELS)) assert.equal(new Set(values).size, values.length, label);
  for (const hit of HIT_RESULTS) assert.ok(RESULTS.includes(hit));
});

test('a name that objects inherit is not a metric', () => {
  assert.equal(metricEntry('constructor'), undefined);
  assert.equal(metricEntry('deckle_purge_lag')?.kind, 'gauge');
});
