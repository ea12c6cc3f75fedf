// Who may embed an image: nginx's `valid_referers`, verdict for verdict (test/referer-nginx.test.ts asks a real nginx).
//
// Promises: `check` is pure, keeps nothing and is linear in the referer; lists that nginx would not start with are refused here too,
// with the entry and the reason. Of several Referer headers nginx reads the first: callers pass the first value as it stands.
// Refuses beyond nginx: an entry written as a URL, which nginx takes and never matches, and regular expressions that pattern.ts refuses.
// A list is compared as bytes: a referer is latin1, an entry beyond ASCII stands for its UTF-8.

import { compilePattern, type Pattern } from './pattern.ts';

/** The closed list of verdicts with their captions. */
export const REFERER_VERDICTS = {
  allowed: 'the referer is on the list, or nothing is checked',
  'denied-missing': 'there is no Referer header and the list has no `none`',
  'denied-blocked': 'the Referer is not an http or https URL (empty, cut or replaced on the way) and the list has no `blocked`',
  'denied-host': 'no entry matches the host of the Referer',
  'denied-path': 'an entry matches the host of the Referer, but its path begins otherwise',
} as const;

export type RefererVerdict = keyof typeof REFERER_VERDICTS;

export interface RefererGuard {
  /** @param referer the first Referer header, latin1, or undefined when there is none; present and empty is not missing */
  check(referer: string | undefined): RefererVerdict;
}

export interface RefererRules {
  /** Entries in nginx's language: none, blocked, server_names, hosts with wildcards and paths, `~regex`. Empty: nothing is checked. */
  readonly allow: readonly string[];
  /** What `server_names` stands for: the site's hosts, `~regex` names among them. `*` names no host and adds nothing. */
  readonly serverNames: readonly string[];
}

export type CompiledReferers =
  | { readonly ok: true; readonly guard: RefererGuard }
  | { readonly ok: false; readonly entry: string; readonly problem: string };

export function compileReferers(rules: RefererRules): CompiledReferers {
  if (rules.allow.length === 0) return { ok: true, guard: { check: () => 'allowed' } };
  const list = new RefererList();
  let withServerNames = false;
  for (const entry of rules.allow) {
    if (entry === 'server_names') withServerNames = true;
    else {
      const problem = list.add(entry);
      if (problem !== undefined) return { ok: false, entry, problem };
    }
  }
  // Last, wherever it stands, as nginx does: a name that is also an entry of its own is a conflict either way.
  if (withServerNames) {
    for (const name of rules.serverNames) {
      const problem = name === '*' ? undefined : list.addServerName(name);
      if (problem !== undefined) return { ok: false, entry: 'server_names', problem: `adds "${name}": ${problem}` };
    }
  }
  if (list.isEmpty() && withServerNames) {
    return {
      ok: false,
      entry: 'server_names',
      problem: 'the site names no host (only "*"), so nothing would be checked: list the hosts',
    };
  }
  if (!list.hasHosts() && (list.none || list.blocked)) {
    return { ok: false, entry: list.none ? 'none' : 'blocked', problem: 'none and blocked need at least one host beside them' };
  }
  return { ok: true, guard: list };
}

/** `http://i.ru`: anything shorter is no URL of a page. */
const SHORTEST_URL = 11;
/** A longer host is denied before anything is looked up. */
const LONGEST_HOST = 256;

/** The path a host entry asks for, '' for any. */
type Path = string;

class RefererList implements RefererGuard {
  none = false;
  blocked = false;
  readonly #exact = new Map<string, Path>();
  /** `*.example.com` under `example.com`. */
  readonly #heads = new Map<string, Path>();
  /** Those of #heads that were written `.example.com`, which means the apex too. */
  readonly #apexes = new Map<string, Path>();
  /** `example.*` under `example`. */
  readonly #tails = new Map<string, Path>();
  #longestHead = 0;
  #longestTail = 0;
  readonly #patterns: Pattern[] = [];
  readonly #namePatterns: Pattern[] = [];

  check(referer: string | undefined): RefererVerdict {
    if (referer === undefined) return this.none ? 'allowed' : 'denied-missing';
    const start = hostStart(referer);
    if (start === 0) return this.blocked ? 'allowed' : 'denied-blocked';
    const end = hostEnd(referer, start);
    if (end - start > LONGEST_HOST) return 'denied-host';
    const host = asciiLower(referer.slice(start, end));
    const path = this.#pathFor(host);
    if (path !== undefined) return path === '' || beginsPath(referer, end, path) ? 'allowed' : 'denied-path';
    if (this.#namePatterns.some((pattern) => pattern.test(host))) return 'allowed';
    if (this.#patterns.length === 0) return 'denied-host';
    const text = referer.slice(start);
    return this.#patterns.some((pattern) => pattern.test(text)) ? 'allowed' : 'denied-host';
  }

  /** The path that the best host entry asks for: the exact name, then the longest `*.suffix`, then the longest `prefix.*`. */
  #pathFor(host: string): Path | undefined {
    const exact = this.#exact.get(host) ?? this.#apexes.get(host);
    if (exact !== undefined) return exact;
    if (this.#heads.size > 0) {
      // Dots further left than the longest suffix reaches cannot begin one.
      const from = Math.max(0, host.length - this.#longestHead - 1);
      for (let dot = host.indexOf('.', from); dot >= 0; dot = host.indexOf('.', dot + 1)) {
        const path = this.#heads.get(host.slice(dot + 1));
        if (path !== undefined) return path;
      }
    }
    if (this.#tails.size > 0) {
      for (let dot = host.lastIndexOf('.', this.#longestTail); dot > 0; dot = host.lastIndexOf('.', dot - 1)) {
        const path = this.#tails.get(host.slice(0, dot));
        if (path !== undefined) return path;
      }
    }
    return undefined;
  }

  isEmpty(): boolean {
    return !this.hasHosts() && !this.none && !this.blocked && this.#patterns.length === 0 && this.#namePatterns.length === 0;
  }

  hasHosts(): boolean {
    return this.#exact.size > 0 || this.#heads.size > 0 || this.#tails.size > 0;
  }

  /** What is wrong with the entry, or undefined when it was added. */
  add(entry: string): string | undefined {
    if (entry === 'none') this.none = true;
    else if (entry === 'blocked') this.blocked = true;
    else if (entry === '') return 'an entry cannot be empty';
    else if (entry.startsWith('~')) return addPattern(this.#patterns, entry);
    else if (/^https?:\/\//i.test(entry)) return `write the host without the scheme: "${entry.replace(/^https?:\/\//i, '')}"`;
    else {
      const bytes = Buffer.from(entry, 'utf8').toString('latin1');
      const slash = bytes.indexOf('/');
      return slash < 0 ? this.#addHost(bytes, '') : this.#addHost(bytes.slice(0, slash), bytes.slice(slash));
    }
    return undefined;
  }

  addServerName(name: string): string | undefined {
    if (name.startsWith('~')) return addPattern(this.#namePatterns, name);
    return this.#addHost(Buffer.from(name, 'utf8').toString('latin1'), '');
  }

  #addHost(written: string, path: Path): string | undefined {
    const host = asciiLower(written);
    const stars = host.split('*').length - 1;
    if (stars > 1 || host.includes('..') || host.includes('\0')) return NOT_A_HOST;
    if (host.startsWith('.') && host.length > 1) {
      const apex = host.slice(1);
      if (this.#exact.has(apex) || this.#heads.has(apex)) return TWICE;
      this.#apexes.set(apex, path);
      this.#addHead(apex, path);
    } else if (host.startsWith('*.') && host.length > 2) {
      const suffix = host.slice(2);
      if (this.#heads.has(suffix)) return TWICE;
      this.#addHead(suffix, path);
    } else if (host.endsWith('.*') && host.length > 2) {
      const prefix = host.slice(0, -2);
      if (this.#tails.has(prefix)) return TWICE;
      this.#tails.set(prefix, path);
      this.#longestTail = Math.max(this.#longestTail, prefix.length);
    } else if (stars > 0) {
      return NOT_A_HOST;
    } else {
      if (this.#exact.has(host) || this.#apexes.has(host)) return TWICE;
      this.#exact.set(host, path);
    }
    return undefined;
  }

  #addHead(suffix: string, path: Path): void {
    this.#heads.set(suffix, path);
    this.#longestHead = Math.max(this.#longestHead, suffix.length);
  }
}

const NOT_A_HOST = 'not a host or wildcard: write www.example.com, *.example.com, .example.com or example.*';
const TWICE = 'this host is in the list already, alone or with another path; one host has one entry';

function addPattern(patterns: Pattern[], entry: string): string | undefined {
  const compiled = compilePattern(entry.slice(1));
  if (!compiled.ok) return compiled.problem;
  patterns.push(compiled.pattern);
  return undefined;
}

/** Where the host begins, 0 when this is not an http or https URL of sufficient length. */
function hostStart(referer: string): number {
  if (referer.length < SHORTEST_URL) return 0;
  if (isHttp(referer) && referer.startsWith('://', 4)) return 7;
  if (isHttp(referer) && (referer.charCodeAt(4) | 0x20) === 0x73 && referer.startsWith('://', 5)) return 8;
  return 0;
}

/** Whether the first four characters are `http` in any case: the bit 0x20 is all that tells the cases of an ASCII letter apart. */
function isHttp(text: string): boolean {
  return (
    (text.charCodeAt(0) | 0x20) === 0x68 &&
    (text.charCodeAt(1) | 0x20) === 0x74 &&
    (text.charCodeAt(2) | 0x20) === 0x74 &&
    (text.charCodeAt(3) | 0x20) === 0x70
  );
}

/** The first `/` or `:` from `start` on, or the end; no further than it takes to see that the host is too long. */
function hostEnd(referer: string, start: number): number {
  const limit = Math.min(referer.length, start + LONGEST_HOST + 1);
  let at = start;
  for (; at < limit; at++) {
    const code = referer.charCodeAt(at);
    if (code === 0x2f || code === 0x3a) break;
  }
  return at;
}

/** Whether what begins at the first `/` after the host (so after a port) begins with `path`, which begins with `/`. */
function beginsPath(referer: string, hostEnds: number, path: string): boolean {
  const slash = referer.indexOf('/', hostEnds);
  return slash >= 0 && referer.startsWith(path, slash);
}

/** Lower case of ASCII letters only: bytes beyond ASCII are compared as they are. */
function asciiLower(text: string): string {
  return /[\x80-\xff]/.test(text) ? text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : text.toLowerCase();
}
