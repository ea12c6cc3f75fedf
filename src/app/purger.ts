// A purge from the admin listener: URLs to source keys, one record each into the log, then the wait until every process has
// applied the last of them. Promises: an answer counts what each live process removed, and names those still behind.

import { randomBytes } from 'node:crypto';
import type { PurgeOutcome } from '../admin/backend.ts';
import type { PurgeRequest } from '../admin/purges.ts';
import { keptQuery, sourceKey } from '../asset/key.ts';
import { canonicalTarget } from '../asset/path.ts';
import { parseHost, SiteTable } from '../asset/site.ts';
import { systemClock } from '../base/clock.ts';
import { comparePositions, formatPosition, type Position, parsePosition } from '../base/position.ts';
import type { Ms } from '../base/units.ts';
import type { Config, SiteOptions } from '../config/schema.ts';
import type { LogRecord, PurgeLog } from '../purge/log.ts';
import type { Member } from './crew.ts';
import { hostInKey } from './sites.ts';

/** What processes said while a purge runs: `NAME POSITION` to the images removed. Those of other purges are left out at its end. */
type Counting = Map<string, number | null>;

export class Purger {
  readonly #config: Config;
  readonly #log: PurgeLog;
  readonly #members: () => readonly Member[];
  readonly #counting = new Set<Counting>();
  #waiting: (() => void)[] = [];

  constructor(config: Config, log: PurgeLog, members: () => readonly Member[]) {
    this.#config = config;
    this.#log = log;
    this.#members = members;
  }

  async purge(request: PurgeRequest): Promise<PurgeOutcome> {
    const keys = new Set<string>();
    for (const url of request.urls) {
      const found = keysOfUrl(url, this.#config);
      if (typeof found === 'string') return { kind: 'refused', status: 400, message: found };
      for (const key of found.keys) keys.add(key);
    }
    const id = randomBytes(8).toString('hex');
    const counting: Counting = new Map();
    this.#counting.add(counting);
    try {
      // Processes count while the appends still run: each says its figure as soon as it has applied a record.
      const settled = await Promise.allSettled(
        [...keys].map((key) => this.#log.append({ kind: 'purge', id, target: { kind: 'url', key }, soft: request.soft })),
      );
      const failed = settled.find((result) => result.status === 'rejected');
      if (failed !== undefined)
        return { kind: 'unlogged', message: `the purge could not be logged: ${(failed.reason as Error).message}` };
      const records = settled.map((result) => (result as PromiseFulfilledResult<LogRecord>).value);
      const last = records.reduce(
        (most, record) => ((comparePositions(record.position, most) ?? 0) > 0 ? record.position : most),
        records[0]!.position,
      );
      const pending = await this.#wait(last, request.waitMs);
      const mine = new Set(records.map((record) => formatPosition(record.position)));
      return { kind: 'done', id, applied: this.#sum(counting, mine), pending };
    } finally {
      this.#counting.delete(counting);
    }
  }

  /** A process has applied a record. */
  applied(name: string, position: string, removed: number | null): void {
    for (const counting of this.#counting) counting.set(`${name} ${position}`, removed);
    this.#wake();
  }

  /** A process is gone: nobody waits for it. What it had stored went with it. */
  gone(): void {
    this.#wake();
  }

  async #wait(last: Position, waitMs: Ms): Promise<readonly string[]> {
    const deadlineMs = systemClock.monoMs() + waitMs;
    for (;;) {
      const pending = this.#behind(last);
      const leftMs = deadlineMs - systemClock.monoMs();
      if (pending.length === 0 || leftMs <= 0) return pending;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  // Live processes that have not applied the log up to `last`. One that is starting began at a tail that is no older.
  #behind(last: Position): readonly string[] {
    const names: string[] = [];
    for (const member of this.#members()) {
      const at = member.position === undefined ? undefined : parsePosition(member.position);
      if (at !== undefined && (comparePositions(at, last) ?? -1) < 0) names.push(member.plan.name);
    }
    return names;
  }

  #sum(counting: Counting, mine: ReadonlySet<string>): Record<string, number | null> {
    const sums: Record<string, number | null> = {};
    for (const [key, removed] of counting) {
      const [name, position] = key.split(' ') as [string, string];
      if (!mine.has(position)) continue;
      const before = sums[name];
      sums[name] = removed === null || before === null ? null : (before ?? 0) + removed;
    }
    return sums;
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const go of waiting) go();
  }
}

const URL_FORM = /^(?:https?:\/\/([^/?#]*))?(\/.*)?$/i;

/**
 * The source keys of a URL as an operator writes it: `http://host/path?query` is one site's, `/path` every site's that serves it.
 * Read by the rules of a request, never by a URL parser, so that the key is the one a request would get. A string says what is wrong.
 */
export function keysOfUrl(
  url: string,
  config: Config,
): { readonly keys: readonly string[]; readonly site: SiteOptions } | string {
  const match = URL_FORM.exec(url);
  if (match === null) return `${url}: expected http://host/path or /path`;
  const [, authority, raw = '/'] = match;
  const target = canonicalTarget(raw);
  if (target === undefined) return `${url}: the path is not one that would be served`;
  let sites: readonly SiteOptions[];
  let host = '';
  if (authority === undefined)
    sites = config.sites.filter(
      (site) => new SiteTable([site]).find(site.hosts[0]!.replace(/^\*\.?/, 'x.'), target.path) !== undefined,
    );
  else {
    const parsed = parseHost(authority);
    if (parsed === undefined) return `${url}: ${authority} is not a host`;
    host = parsed.port === '' ? parsed.name : `${parsed.name}:${parsed.port}`;
    const site = new SiteTable(config.sites).find(parsed.name, target.path);
    sites = site === undefined ? [] : [site];
  }
  if (sites.length === 0) return `${url}: no site serves it`;
  const keys: string[] = [];
  for (const site of sites) {
    const keyHost = hostInKey(config, site);
    if (keyHost && authority === undefined) return `${url}: site ${site.name} keeps images by host; name one (http://host/path)`;
    keys.push(sourceKey(site.name, keyHost ? host : undefined, target.path, keptQuery(site.query, target.query)));
  }
  return { keys, site: sites[0]! };
}
