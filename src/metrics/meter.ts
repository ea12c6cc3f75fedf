// Counts answered requests of one process: requests, bytes and seconds by site, result and status class.
// Promises: after the first request of a kind, counting is three array reads and three additions.

import type { Fault } from '../base/fault.ts';
import { RESULTS, type Result, type Role, STATUS_CLASSES } from './catalogue.ts';
import type { Cell, Histogram, Registry } from './registry.ts';

interface Pair {
  readonly requests: Cell;
  readonly bytes: Cell;
}

const RESULT_AT = Object.fromEntries(RESULTS.map((result, at) => [result, at])) as Readonly<Record<Result, number>>;

export class RequestMeter {
  readonly #registry: Registry;
  readonly #role: Role;
  readonly #node: string;
  /** Site names; the last place is for requests that no site was found for. */
  readonly #sites: readonly string[];
  readonly #pairs: (Pair | undefined)[];
  readonly #seconds: readonly Histogram[];

  constructor(registry: Registry, role: Role, node: string, sites: readonly string[]) {
    this.#registry = registry;
    this.#role = role;
    this.#node = node;
    this.#sites = [...sites, ''];
    this.#pairs = new Array(this.#sites.length * RESULTS.length * STATUS_CLASSES.length).fill(undefined);
    this.#seconds = RESULTS.map((result) => registry.histogram('deckle_request_seconds', { role, result }));
  }

  /**
   * @param site   place among the sites, -1 when there is none
   * @param status of the answer; 0 when the client left before one, counted as 4xx
   */
  count(site: number, result: Result, status: number, bytes: number, seconds: number): void {
    const resultAt = RESULT_AT[result];
    const siteAt = site < 0 ? this.#sites.length - 1 : site;
    const classAt = status < 100 ? 3 : Math.min(4, Math.floor(status / 100) - 1);
    const at = (siteAt * RESULTS.length + resultAt) * STATUS_CLASSES.length + classAt;
    const pair = this.#pairs[at] ?? this.#open(at, siteAt, result, classAt);
    pair.requests.value += 1;
    pair.bytes.value += bytes;
    this.#seconds[resultAt]!.observe(seconds);
  }

  #open(at: number, siteAt: number, result: Result, classAt: number): Pair {
    const labels = {
      role: this.#role,
      node: this.#node,
      site: this.#sites[siteAt]!,
      result,
      status_class: STATUS_CLASSES[classAt]!,
    };
    const pair = {
      requests: this.#registry.cell('deckle_requests_total', labels),
      bytes: this.#registry.cell('deckle_response_bytes_total', labels),
    };
    this.#pairs[at] = pair;
    return pair;
  }
}

/** The word for an answer that is a fault. */
export function resultOf(fault: Fault): Result {
  if (fault.source === 'client') {
    if (fault.status === 403) return 'denied';
    return fault.status === 404 ? 'unrouted' : 'refused';
  }
  return fault.status === 503 ? 'shed' : 'error';
}
