// The page at /: the figures as plain HTML tables, read again every few seconds. No script at all.
// Promises: every text is escaped; the policy that goes with the page allows this one style sheet and nothing else.
// Refuses: to be framed, and to load anything from anywhere.

import { createHash } from 'node:crypto';
import type { Ms } from '../base/units.ts';
import { RESULTS } from '../metrics/catalogue.ts';
import type { Stats } from './stats.ts';

const REFRESH_SECONDS = 5;

const STYLE = `
:root { color-scheme: light dark; }
body { font: 14px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; }
h1 { font-size: 1.3rem; } h2 { font-size: 1rem; margin: 1.8rem 0 .4rem; }
div { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid #8884; padding: .25rem .45rem; text-align: left; white-space: nowrap; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
td.up { color: #2a8a3c; } td.down { color: #d03030; font-weight: bold; } td.wait { color: #b07000; }
code { font-size: .9em; }
`;

/** The Content-Security-Policy of the page. */
export const PAGE_POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

/** A cell: text; a number or a figure with its unit, which stand to the right; or HTML made here. */
type Cell = string | number | { readonly figure: string } | { readonly html: string };

export function renderPage(stats: Stats): string {
  const { totals, origin, purge } = stats;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="${REFRESH_SECONDS}">
<title>deckle</title>
<style>${STYLE}</style>
</head>
<body>
<h1>deckle ${escapeHtml(stats.version)}</h1>
<p>Read again every ${REFRESH_SECONDS} s. The same figures: <a href="/stats.json">stats.json</a>, <a href="/stats.csv">stats.csv</a>, <a href="/metrics">metrics</a>.</p>
${table(
  totals.role === 'front' ? 'What clients saw' : 'What nodes answered',
  ['requests', 'hit ratio', 'byte hit ratio', 'bytes', 'connections', '4xx', '5xx', 'denied'],
  [
    [
      totals.requests,
      percent(totals.hit_ratio),
      percent(totals.byte_hit_ratio),
      size(totals.bytes),
      totals.connections,
      totals.by_status['4xx'],
      totals.by_status['5xx'],
      totals.denied,
    ],
  ],
)}
${table(
  'By result',
  ['result', 'requests', 'share', 'bytes'],
  RESULTS.filter((result) => totals.by_result[result].requests > 0).map((result) => {
    const { requests, bytes } = totals.by_result[result];
    return [result, requests, percent(requests / totals.requests), size(bytes)];
  }),
)}
${table(
  'Nodes',
  [
    'node',
    'address',
    'state',
    'since',
    'weight',
    'keys',
    'requests',
    'hit ratio',
    'bytes',
    '5xx',
    'retries',
    'memory',
    'images',
    'disk',
    'evicted',
    'fills',
    'passed',
  ],
  stats.nodes.map((node) => [
    node.name,
    node.address,
    state(node.state),
    since(stats, node.name),
    node.weight,
    percent(node.keys_share),
    node.requests,
    percent(node.hit_ratio),
    size(node.bytes),
    node.by_status['5xx'],
    node.retries,
    size(node.memory_bytes),
    node.memory_objects,
    size(node.disk_bytes),
    node.memory_evictions + node.disk_evictions,
    node.fills,
    node.passes,
  ]),
)}
${table(
  'Origins',
  ['origin', 'requests', 'errors', 'bytes', 'in flight'],
  [...stats.origins, ...(stats.origins.length === 1 ? [] : [{ name: 'all', ...origin }])].map((one) => [
    one.name,
    one.requests,
    one.errors,
    size(one.bytes),
    one.busy,
  ]),
)}
${table(
  'Sites',
  ['site', 'hosts', 'path', 'origin', 'requests', 'hit ratio', 'byte hit ratio', 'bytes', 'denied'],
  stats.sites.map((site) => [
    site.name,
    site.hosts.join(' '),
    site.path,
    site.origin,
    site.requests,
    percent(site.hit_ratio),
    percent(site.byte_hit_ratio),
    size(site.bytes),
    site.denied,
  ]),
)}
${table(
  'Processes',
  ['process', 'role', 'pid', 'state', 'since', 'restarts', 'purges applied up to'],
  stats.processes.map((process) => [
    process.name,
    process.role,
    process.pid === null ? '' : String(process.pid),
    state(process.state),
    { figure: span(process.since_ms) },
    process.restarts,
    code(process.position),
  ]),
)}
<p>Config ${stats.config_serial} since the start. The purge log ends at ${purge.position === null ? '–' : `<code>${escapeHtml(purge.position)}</code>`}; the slowest process is ${purge.lag} behind.</p>
</body>
</html>
`;
}

function table(caption: string, heads: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const right = heads.map((_, at) => isFigure(rows[0]?.[at]));
  const head = heads.map((text, at) => `<th${right[at] ? ' class="n"' : ''}>${escapeHtml(text)}</th>`).join('');
  const none = `<tr><td colspan="${heads.length}">nothing yet</td></tr>`;
  const body = rows.length === 0 ? none : rows.map((row) => `<tr>${row.map(cell).join('')}</tr>`).join('\n');
  return `<h2>${escapeHtml(caption)}</h2>\n<div><table>\n<tr>${head}</tr>\n${body}\n</table></div>`;
}

function isFigure(value: Cell | undefined): boolean {
  return typeof value === 'number' || (typeof value === 'object' && 'figure' in value);
}

function cell(value: Cell): string {
  if (typeof value === 'number') return `<td class="n">${grouped(value)}</td>`;
  if (typeof value === 'string') return `<td>${escapeHtml(value)}</td>`;
  return 'figure' in value ? `<td class="n">${escapeHtml(value.figure)}</td>` : value.html;
}

/** How long a node that runs here has been in its state; of one elsewhere only its own machine knows. */
function since(stats: Stats, node: string): Cell {
  const process = stats.processes.find(({ role, name }) => role === 'node' && name === node);
  return { figure: process === undefined ? '–' : span(process.since_ms) };
}

function state(text: string): Cell {
  const look = text === 'up' ? 'up' : text === 'down' ? 'down' : 'wait';
  return { html: `<td class="${look}">${escapeHtml(text)}</td>` };
}

function code(text: string | null): Cell {
  return text === null ? '' : { html: `<td><code>${escapeHtml(text)}</code></td>` };
}

function percent(ratio: number | null): Cell {
  return { figure: ratio === null ? '–' : `${(ratio * 100).toFixed(1)} %` };
}

/** Three digits or so, for people; the exact figure is in stats.json. */
function size(bytes: number): Cell {
  let value = bytes;
  for (const unit of ['B', 'KB', 'MB', 'GB']) {
    if (value < 1024) return { figure: `${unit === 'B' ? value : value.toFixed(1)} ${unit}` };
    value /= 1024;
  }
  return { figure: `${value.toFixed(1)} TB` };
}

function span(ms: Ms): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  const parts: readonly (readonly [number, string])[] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3_600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first === -1) return '0s';
  return parts
    .slice(first, first + 2)
    .map(([count, unit]) => `${count}${unit}`)
    .join(' ');
}

function grouped(value: number): string {
  const [whole, rest] = String(Math.round(value * 1_000) / 1_000).split('.');
  return `${whole!.replace(/\B(?=(\d{3})+$)/g, '\u202f')}${rest === undefined ? '' : `.${rest}`}`;
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}
