// What the node's rooms pass among themselves for one request. Made by the story after the gate; read by flight and deliver.

import type { PreparedHead, ResponseHeaderRules } from '../answer/prepared.ts';
import type { Said } from '../answer/send.ts';
import type { NamingSite } from '../asset/asked.ts';
import type { Reason } from '../base/reasons.ts';
import type { Bytes, Ms } from '../base/units.ts';
import type { DenyRule } from '../guard/denial.ts';
import type { RefererGuard } from '../guard/referer.ts';
import type { Result } from '../metrics/catalogue.ts';
import type { Origin } from '../origin/origin.ts';
import type { StoredAnswer } from '../store/store.ts';
import type { Exchange } from '../wire/connection.ts';
import type { Freshness, LifetimeRules } from './freshness.ts';

/** The rules of a site that concern the cache; a subset of the config, sizes in bytes and times in milliseconds. */
export interface CacheSiteRules extends LifetimeRules {
  readonly grace: { readonly healthy: Ms; readonly sick: Ms };
  readonly stale_wait: Ms;
  /** Media types that are kept: `image/*`, `image/png`, or the any-type pattern. */
  readonly store: readonly string[];
  readonly max_object: Bytes;
  /** Lower-case names sent on to the origin, or `*`. */
  readonly request_headers: readonly string[];
  readonly response_headers: ResponseHeaderRules;
}

export interface NodeSite extends NamingSite {
  /** Place among the sites of the config, for counters. */
  readonly index: number;
  readonly rules: CacheSiteRules;
  readonly origin: Origin;
  readonly guard: RefererGuard;
  readonly deny: DenyRule;
}

/** What the cache knows of an answer beside its bytes. */
export interface AnswerFacts {
  readonly freshness: Freshness;
  readonly head: PreparedHead;
  /** Of a fresh answer, what was said last. */
  said: Said | undefined;
}

export type Answer = StoredAnswer<AnswerFacts>;

export interface NodeRequest {
  readonly x: Exchange;
  readonly site: NodeSite;
  readonly sourceKey: string;
  /** Path and kept query, as sent to the origin. */
  readonly target: string;
  readonly clientHost: string;
  readonly id: string;
  readonly isHead: boolean;
  /** It came from a front of ours. */
  readonly peer: boolean;
  /** It carries credentials that the site sends on. */
  readonly personal: boolean;
}

/** How a request was answered: the metric's label, the parameters of our Cache-Status member, the reason if there is one. */
export interface Outcome {
  readonly result: Result;
  /** Parameters behind the node's name, `hit; ttl=12`. */
  readonly status: string;
  readonly reason: Reason | undefined;
}
