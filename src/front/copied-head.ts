// The head of a node's answer as a hot copy keeps it: what is the same for every client, in the form that answers are sent from.
// Promises: nothing of the one request that brought it stays in it; upstream members of Cache-Status do, the node's own does not.

import { IN_NOT_MODIFIED, type PreparedHead } from '../answer/prepared.ts';

/** Written anew for every answer. */
const OF_THE_MOMENT: ReadonlySet<string> = new Set([
  'age',
  'cache-status',
  'x-request-id',
  'content-length',
  'content-range',
  'accept-ranges',
]);

/** What says nothing of the image (answer/prepared.ts, `commonLines`). */
const COMMON: ReadonlySet<string> = new Set(['date', 'via', 'x-content-type-options']);

export interface CopiedHead {
  readonly head: PreparedHead;
  /** Whole seconds, as the node said; 0 when it did not. */
  readonly ageSeconds: number;
}

/** @param lines field lines with line ends, as a client of the front gets them */
export function copiedHead(text: string): CopiedHead {
  let lines = '';
  let commonLines = '';
  let notModifiedLines = '';
  const first = new Map<string, string>();
  const members: string[] = [];
  for (const line of text.split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon < 0) continue;
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (!first.has(name)) first.set(name, value);
    if (name === 'cache-status') members.push(value);
    if (OF_THE_MOMENT.has(name)) continue;
    lines += `${line}\r\n`;
    if (COMMON.has(name)) commonLines += `${line}\r\n`;
    if (COMMON.has(name) || IN_NOT_MODIFIED.has(name)) notModifiedLines += `${line}\r\n`;
  }
  const age = first.get('age') ?? '';
  return {
    head: {
      lines,
      commonLines,
      notModifiedLines,
      contentType: first.get('content-type') ?? '',
      etag: first.get('etag'),
      lastModified: first.get('last-modified'),
      date: first.get('date') ?? '',
      upstreamStatus: upstreamOf(members.join(', ')),
    },
    ageSeconds: /^\d{1,10}$/.test(age) ? Number(age) : 0,
  };
}

// All members but the last, with the comma that ours follows. The last is the node's own, in which there is never a comma.
function upstreamOf(status: string): string {
  const comma = status.lastIndexOf(',');
  return comma < 0 ? '' : `${status.slice(0, comma)}, `;
}
