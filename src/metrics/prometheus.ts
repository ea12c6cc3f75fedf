// A snapshot as Prometheus reads it: text exposition format, version 0.0.4.
// Promises: each family once with HELP and TYPE, families and series in one stable order, each series once, values escaped.
// Refuses: nothing; a series that the catalogue does not know is left out.

import { type MetricEntry, metricEntry } from './catalogue.ts';
import { mergeSnapshots, type Series, type Snapshot } from './registry.ts';

export const PROMETHEUS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export function renderPrometheus(snapshot: Snapshot): string {
  const families = new Map<string, { readonly text: string; readonly series: Series }[]>();
  for (const series of mergeSnapshots([snapshot])) {
    const family = families.get(series.name) ?? [];
    family.push({ text: labelText(Object.entries(series.labels)), series });
    families.set(series.name, family);
  }
  let out = '';
  for (const name of [...families.keys()].sort()) {
    const entry = metricEntry(name);
    if (entry === undefined) continue;
    out += `# HELP ${name} ${escapeHelp(entry.help)}\n# TYPE ${name} ${entry.kind}\n`;
    const family = families.get(name)!.sort((a, b) => (a.text < b.text ? -1 : 1));
    for (const { text, series } of family) out += seriesText(entry, text, series);
  }
  return out;
}

function seriesText(entry: MetricEntry, labels: string, series: Series): string {
  if (!('buckets' in series)) return `${series.name}${braced(labels)} ${numberText(series.value)}\n`;
  const prefix = labels === '' ? '' : `${labels},`;
  let out = '';
  let count = 0;
  for (let at = 0; at < series.buckets.length; at++) {
    count += series.buckets[at]!;
    out += `${series.name}_bucket{${prefix}le="${numberText(entry.buckets?.[at] ?? Infinity)}"} ${numberText(count)}\n`;
  }
  return `${out}${series.name}_sum${braced(labels)} ${numberText(series.sum)}\n${series.name}_count${braced(labels)} ${numberText(count)}\n`;
}

function labelText(labels: readonly (readonly [string, string])[]): string {
  return labels
    .map(([name, value]) => `${name}="${escapeLabel(value)}"`)
    .sort()
    .join(',');
}

function braced(labels: string): string {
  return labels === '' ? '' : `{${labels}}`;
}

function numberText(value: number): string {
  if (value === Infinity) return '+Inf';
  if (value === -Infinity) return '-Inf';
  return String(value);
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function escapeLabel(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}
