// What is done with an answer of the origin once its head is known: kept or not, shared with those who wait or not, and why.
// Pure: the flight acts on it.

import type { Reason } from '../base/reasons.ts';
import type { Bytes } from '../base/units.ts';
import { firstValue, type HeaderList } from '../wire/headers.ts';
import { type Freshness, storability } from './freshness.ts';
import type { CacheSiteRules } from './request.ts';

export type FillPlan =
  /** Keep it: HTTP allows it and the site wants it. */
  | { readonly kind: 'keep'; readonly freshness: Freshness }
  /** Keep nothing; `share`: those who wait for it may read it too, since HTTP does not forbid that. */
  | { readonly kind: 'pass'; readonly reason: Reason; readonly share: boolean };

/** Statuses other than 200 are kept for their head; their bodies only when small. */
const MAX_ERROR_BODY: Bytes = 64 * 1024;

/** Passed for a reason of ours, not because the answer belongs to one client. */
const SHAREABLE: ReadonlySet<Reason> = new Set(['status', 'zero-ttl', 'too-big', 'not-image', 'tier-off', 'fill-memory']);

export function passPlan(reason: Reason): FillPlan {
  return { kind: 'pass', reason, share: SHAREABLE.has(reason) };
}

/** @param maxKeep the largest body the tiers of this node can hold; 0 when it has none */
export function planFill(
  answer: { readonly status: number; readonly headers: HeaderList; readonly length: number | undefined },
  rules: CacheSiteRules,
  maxKeep: Bytes,
  times: { readonly requestMs: number; readonly responseMs: number },
): FillPlan {
  const verdict = storability(answer, rules, times);
  if (verdict.kind === 'pass') return passPlan(verdict.reason);
  if (maxKeep === 0) return passPlan('tier-off');
  if (answer.length !== undefined && answer.length > keepLimit(answer.status, rules, maxKeep)) return passPlan('too-big');
  if (answer.status === 200 && !typeMatches(rules.store, firstValue(answer.headers, 'content-type')))
    return passPlan('not-image');
  return { kind: 'keep', freshness: verdict.freshness };
}

export function keepLimit(status: number, rules: CacheSiteRules, maxKeep: Bytes): Bytes {
  return Math.min(maxKeep, rules.max_object, status === 200 ? Infinity : MAX_ERROR_BODY);
}

/** Whether a media type is one of the site's patterns (`image/*`, `image/png`, any type). */
export function typeMatches(patterns: readonly string[], contentType: string | undefined): boolean {
  const type = (contentType ?? '').split(';', 1)[0]!.trim().toLowerCase();
  return patterns.some((pattern) => {
    const wanted = pattern.toLowerCase();
    if (wanted === '*/*') return true;
    return wanted.endsWith('/*') ? type.startsWith(wanted.slice(0, -1)) : type === wanted;
  });
}
