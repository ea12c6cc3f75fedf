// How a stored answer may be used now: fresh, stale (deliver and refresh behind), or expired (ask the origin first).
// Promises: a pure function of what was stored, the site's grace and the time; it never says fresh or stale where the origin
// forbade it (RFC 9111 §4.2.4). Refuses: to know why an answer is untrusted or purged; whoever knows skips the verdict.

import type { Ms, WallMs } from '../base/units.ts';
import { ageMs, type Freshness } from './freshness.ts';

/** The site's part: how long past its lifetime an answer may be used while it refreshes, and while the origin fails. */
export interface Grace {
  readonly healthy: Ms;
  readonly sick: Ms;
}

export type Verdict =
  | { readonly kind: 'fresh'; readonly ttlMs: Ms }
  | { readonly kind: 'stale'; readonly overMs: Ms }
  /** `sick`: may be served all the same if the origin fails. */
  | { readonly kind: 'expired'; readonly overMs: Ms; readonly sick: boolean };

export function judge(freshness: Freshness, grace: Grace, nowMs: WallMs): Verdict {
  const { lifetimeMs } = freshness;
  const overMs = ageMs(freshness, nowMs) - lifetimeMs;

  // RFC 9111 §5.2.2.4: no-cache "MUST NOT be used to satisfy any other request without forwarding it for validation".
  if (freshness.noCache) return { kind: 'expired', overMs: Math.max(0, overMs), sick: false };
  // §4.2: `response_is_fresh = (freshness_lifetime > current_age)`.
  if (overMs < 0) return { kind: 'fresh', ttlMs: -overMs };
  // §5.2.2.2: "once the response has become stale, a cache MUST NOT reuse that response to satisfy another request until it
  // has been successfully validated by the origin", not even while the origin cannot be reached.
  if (freshness.mustRevalidate) return { kind: 'expired', overMs, sick: false };

  // RFC 5861 §3: caches MAY serve the answer "after it becomes stale, up to the indicated number of seconds". The origin's
  // word replaces the site's grace, longer or shorter. A lifetime of 0 asks for a check on every use, so that the site's own
  // grace does not apply to it; when the origin fails there is nothing better to serve.
  const healthyMs = freshness.staleWhileRevalidateMs ?? (lifetimeMs > 0 ? grace.healthy : 0);
  if (overMs < healthyMs) return { kind: 'stale', overMs };
  // RFC 5861 §4: stale-if-error "indicates that when an error is encountered, a cached stale response MAY be used".
  return { kind: 'expired', overMs, sick: overMs < (freshness.staleIfErrorMs ?? grace.sick) };
}
