// Hot copies: the images asked for most, kept for a few seconds in the front's own memory (docs/decisions/0004-hot-copies.md).
// A copy is taken from an answer that passes through anyway, when its key was asked for often just now and the node allows it.
// Promises: a copy is used no longer than `ttlMs` nor than the node called it fresh, and never after a purge of its key was
// applied; what is kept and what is being taken is never above `maxBytes`; a newcomer only ever takes the room of colder copies.
// Refuses: answers larger than a sixteenth of the room; those that vary on what differs by connection; a node's word that is older
// than this front's own place in the purge log.

import { parseCopyWord } from '../answer/copy-word.ts';
import { type Said, saidOf, type WholeAnswer } from '../answer/send.ts';
import { variantKey, varyNames } from '../answer/variant.ts';
import { keyHash } from '../asset/key.ts';
import { formatPosition, type Position } from '../base/position.ts';
import type { Bytes, Ms } from '../base/units.ts';
import type { HeadScanner } from '../wire/scanner.ts';
import { copiedHead } from './copied-head.ts';
import { HeavyHitters } from './heavy-hitters.ts';
import { Taking } from './taking.ts';

export interface HotOptions {
  readonly maxBytes: Bytes;
  readonly ttlMs: Ms;
  /** Where this front stands in the purge log. */
  readonly position: Position;
  /** Monotonic. */
  readonly nowMs: Ms;
}

/** A request that a node has answered. */
export interface HotRequest {
  /** The source key and its hash. */
  readonly key: string;
  readonly hash: number;
  readonly head: HeadScanner;
  /** Request fields that the site sends on to the origin. */
  readonly sentOn: readonly string[];
  /** When the node was asked: the answer's lifetime and age count from there. */
  readonly askedMs: Ms;
}

export interface HotCounts {
  readonly bytes: Bytes;
  readonly objects: number;
  readonly evictions: number;
}

export interface HotCopy extends WholeAnswer {
  readonly key: string;
  readonly variant: string;
  /** Whose count speaks for it: the key's hash, or that of its variant. */
  readonly hash: number;
  readonly cost: Bytes;
  /** When it had age 0, on the monotonic clock. */
  readonly bornMs: Ms;
  readonly expiresMs: Ms;
  /** From when on one request goes to the node for the next copy; moved on each time one does. */
  refreshMs: Ms;
  readonly retryMs: Ms;
  /** Place in the list of copies. */
  at: number;
  /** What was said last of it. */
  said: Said | undefined;
}

interface Source {
  /** Request fields that choose among the variants: of those that Vary names, the ones that reach the origin. */
  readonly names: readonly string[];
  readonly variants: Map<string, HotCopy>;
}

/** Keys that are counted at a time. */
const PLACES = 32_768;
/** Asked for so often within a half-life of the counts: then a copy pays for its room. */
const LEAST_ASKED = 3;
/** A hit spares the work of a relay beside its bytes: as much as passing on so many of them costs. */
const RELAY_WORTH: Bytes = 32 * 1024;
/** A newcomer must be worth so much more than whom it replaces, or two of about equal worth would take turns. */
const MARGIN = 1.1;
/** Copies looked at for one victim. */
const SAMPLE = 16;
const MOST_VICTIMS = 64;
const MOST_VARIANTS = 16;
/** Beside body and head: map slots, key strings, objects. */
const OVERHEAD: Bytes = 1024;
/** A taking that lasts longer goes at the pace of a slow client: it may be given up for another. */
const SLOW_MS: Ms = 1_000;
/** One that was refused room speaks for so long for all that are worth no more. */
const REFUSED_MS: Ms = 20;
/** The last part of a copy's life in which one request fetches the next. */
const REFRESH_SHARE = 0.1;
/** When that request brought nothing, another goes after this part of the life. */
const RETRY_SHARE = 0.02;

/** Named by a Vary, they make answers that no other client's request can be known to match. */
const UNDECIDABLE: ReadonlySet<string> = new Set([
  'authorization',
  'cookie',
  'host',
  'x-forwarded-for',
  'x-request-id',
  'via',
  'cdn-loop',
]);

export class HotCopies {
  /** What copies and takings share; the rest is for copies that are being renewed while the old ones still answer. */
  readonly #maxKept: Bytes;
  readonly #maxRenewing: Bytes;
  readonly #maxTaking: Bytes;
  readonly #maxObject: Bytes;
  readonly #ttlMs: Ms;
  readonly #hitters: HeavyHitters;
  readonly #sources = new Map<string, Source>();
  readonly #copies: HotCopy[] = [];
  /** By source key: one at a time. In the order they began. */
  readonly #takings = new Map<string, Taking>();
  /** As text: within an epoch, texts sort as the positions do. */
  #position: string;
  #bytes = 0;
  #taking = 0;
  /** Of the bytes being taken, those that stand for copies which they will replace. */
  #renewing = 0;
  #evictions = 0;
  /** Where the search for a victim goes on. */
  #hand = 0;
  /** The worth of the newcomer that was refused room last, and until when that counts. */
  #refusedValue = 0;
  #refusedUntilMs: Ms = Number.NEGATIVE_INFINITY;

  constructor(options: HotOptions) {
    this.#maxKept = options.maxBytes - Math.floor(options.maxBytes / 8);
    this.#maxRenewing = options.maxBytes - this.#maxKept;
    this.#maxTaking = Math.floor(options.maxBytes / 4);
    this.#maxObject = Math.floor(options.maxBytes / 16);
    this.#ttlMs = options.ttlMs;
    this.#position = formatPosition(options.position);
    this.#hitters = new HeavyHitters(PLACES, Math.min(60_000, Math.max(1_000, options.ttlMs)), options.nowMs);
  }

  /** Counts the request, and gives the copy that answers it. Undefined: it goes to the node. */
  find(key: string, hash: number, head: HeadScanner, nowMs: Ms): HotCopy | undefined {
    this.#hitters.count(hash, nowMs);
    const source = this.#sources.get(key);
    if (source === undefined) return undefined;
    let variant = '';
    if (source.names.length > 0) {
      if (!isPlainConnection(head)) return undefined;
      variant = variantOf(source.names, head);
      this.#hitters.count(variantHash(hash, variant), nowMs);
    }
    const copy = source.variants.get(variant);
    if (copy === undefined) return undefined;
    if (nowMs >= copy.expiresMs) {
      this.#remove(copy);
      return undefined;
    }
    if (nowMs >= copy.refreshMs && asksForAll(head)) {
      copy.refreshMs = nowMs + copy.retryMs;
      return undefined;
    }
    return copy;
  }

  /** What is to be said of a copy that answers now. */
  said(copy: HotCopy, nowMs: Ms): Said {
    if (copy.said !== undefined && nowMs < copy.said.untilMs) return copy.said;
    const age = Math.floor((nowMs - copy.bornMs) / 1000);
    const ttl = Math.floor((copy.expiresMs - nowMs) / 1000);
    const text = `Age: ${age}\r\nCache-Status: ${copy.head.upstreamStatus}front; hit; ttl=${ttl}; detail=hot\r\n`;
    copy.said = saidOf(text, nowMs, Math.min(copy.bornMs + (age + 1) * 1000, copy.expiresMs - ttl * 1000));
    return copy.said;
  }

  /**
   * Whether it is worth reading a node's answer for `take`: a guess, made without its head. What is not read is not copied, so the
   * doubtful is wanted.
   * @param length of the body
   */
  wants(key: string, hash: number, length: Bytes, nowMs: Ms): boolean {
    const count = this.#hitters.of(hash);
    if (count < LEAST_ASKED || length > this.#maxObject) return false;
    if (nowMs >= this.#refusedUntilMs || this.#sources.has(key)) return true;
    return guessedValue(count, length) > this.#refusedValue;
  }

  /**
   * The head of a node's answer is here. When a copy of it is wanted, its body is given to the taking as it passes.
   * @param lines field lines of the answer as the client gets them
   */
  take({ key, hash, head, sentOn, askedMs }: HotRequest, answer: HeadScanner, lines: string, nowMs: Ms): Taking | undefined {
    const word = answer.get('x-deckle-copy');
    const length = answer.contentLength;
    if (word === undefined || answer.status !== 200 || head.method !== 'GET') return undefined;
    if (length <= 0 || length > this.#maxObject || this.#hitters.of(hash) < LEAST_ASKED) return undefined;

    const said = parseCopyWord(word);
    // A purge that this front has applied, and the node not: this may be the old image, and no later record will say so.
    if (said === undefined || !isNotBefore(said.position, this.#position)) return undefined;
    const expiresMs = askedMs + Math.min(this.#ttlMs, said.lifetimeMs);
    if (expiresMs <= nowMs) return undefined;

    const names = decidingNames(answer, sentOn);
    if (names === undefined || (names.length > 0 && !isPlainConnection(head))) return undefined;
    const variant = names.length === 0 ? '' : variantOf(names, head);
    const own = names.length === 0 ? hash : variantHash(hash, variant);
    // Of a source that is known to vary, a variant must be asked for often itself.
    const source = this.#sources.get(key);
    const count = this.#hitters.of(source === undefined ? hash : own);
    if (count < LEAST_ASKED) return undefined;

    const old = source?.variants.get(variant);
    // The lines are kept as text and, from the first hit on, as bytes.
    const cost = length + lines.length * 3 + key.length + variant.length + OVERHEAD;
    const renewed = old === undefined || this.#renewing + cost > this.#maxRenewing ? 0 : Math.min(cost, old.cost);
    if (cost > this.#maxTaking || !this.#mayTake(key, cost, nowMs)) return undefined;
    if (!this.#makeRoom(cost - renewed, count * worth(length, cost), nowMs)) {
      this.#refusedValue = guessedValue(count, length);
      this.#refusedUntilMs = nowMs + REFUSED_MS;
      return undefined;
    }

    const copied = copiedHead(lines);
    const taking = new Taking(this, {
      key,
      variant,
      names,
      hash: own,
      head: copied.head,
      cost,
      renewed,
      length,
      bornMs: askedMs - copied.ageSeconds * 1000,
      expiresMs,
      sinceMs: nowMs,
    });
    this.#takings.set(key, taking);
    this.#taking += cost;
    this.#renewing += renewed;
    return taking;
  }

  /** A record of the purge log: the key's copies go, and what is being taken of it will be none. Returns how many copies went. */
  apply(key: string, position: Position): number {
    const text = formatPosition(position);
    // Of another epoch nothing is known but this record: what went before it may have purged anything.
    const all = epochOf(text) !== epochOf(this.#position);
    this.#position = text;
    return all ? this.clear() : this.#forget(key);
  }

  clear(): number {
    const count = this.#copies.length;
    for (const taking of [...this.#takings.values()]) taking.drop();
    for (const copy of [...this.#copies]) this.#remove(copy);
    return count;
  }

  counts(): HotCounts {
    return { bytes: this.#bytes + this.#taking, objects: this.#copies.length, evictions: this.#evictions };
  }

  /** Called by the taking, once: it is over, and its copy is kept when it is whole. */
  taken(taking: Taking, body: Buffer | undefined): void {
    const { key, variant, names, cost, renewed, head, hash, bornMs, expiresMs, sinceMs } = taking.of;
    this.#takings.delete(key);
    this.#taking -= cost;
    this.#renewing -= renewed;
    if (body === undefined) return;
    let source = this.#sources.get(key);
    // A changed Vary makes the old variants unreachable by the new rule: they go.
    if (source !== undefined && !sameNames(source.names, names)) {
      this.#forget(key);
      source = undefined;
    }
    const old = source?.variants.get(variant);
    if (old !== undefined) this.#remove(old);
    else if (source !== undefined && source.variants.size >= MOST_VARIANTS) this.#evict(source.variants.values().next().value!);
    // The copy that was to be replaced had gone already, and its room is another's now.
    if (this.#missing(cost) > 0) return;
    source = this.#sources.get(key);
    if (source === undefined) {
      source = { names, variants: new Map() };
      this.#sources.set(key, source);
    }
    const copy: HotCopy = {
      status: 200,
      head,
      body,
      key,
      variant,
      hash,
      cost,
      bornMs,
      expiresMs,
      refreshMs: expiresMs - (expiresMs - sinceMs) * REFRESH_SHARE,
      retryMs: (expiresMs - sinceMs) * RETRY_SHARE,
      at: this.#copies.length,
      said: undefined,
    };
    source.variants.set(variant, copy);
    this.#copies.push(copy);
    this.#bytes += cost;
  }

  // One taking of a key at a time, and a quarter of the room for all; a slow one is given up for the next.
  #mayTake(key: string, cost: Bytes, nowMs: Ms): boolean {
    const running = this.#takings.get(key);
    if (running !== undefined) {
      if (nowMs - running.of.sinceMs < SLOW_MS) return false;
      running.drop();
    }
    for (const oldest of this.#takings.values()) {
      if (this.#taking + cost <= this.#maxTaking) break;
      if (nowMs - oldest.of.sinceMs < SLOW_MS) return false;
      oldest.drop();
    }
    return true;
  }

  #missing(cost: Bytes): Bytes {
    return this.#bytes + this.#taking - this.#renewing + cost - this.#maxKept;
  }

  // Room for `cost` bytes at the expense of copies that are worth less, byte for byte. When there are not enough of them, they stay.
  #makeRoom(cost: Bytes, value: number, nowMs: Ms): boolean {
    let missing = this.#missing(cost);
    if (missing <= 0) return true;
    const victims = new Set<HotCopy>();
    while (missing > 0) {
      const victim = victims.size < MOST_VICTIMS ? this.#coldest(victims, nowMs) : undefined;
      if (victim === undefined) return false;
      missing -= victim.cost;
      if (nowMs >= victim.expiresMs) this.#remove(victim);
      else if (this.#valueOf(victim) * MARGIN < value) victims.add(victim);
      else return false;
    }
    for (const victim of victims) this.#evict(victim);
    return true;
  }

  // The copy of least worth among the next few; one that has expired at once.
  #coldest(besides: ReadonlySet<HotCopy>, nowMs: Ms): HotCopy | undefined {
    const copies = this.#copies;
    let coldest: HotCopy | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (let looked = 0; looked < SAMPLE && looked < copies.length; looked += 1) {
      this.#hand = this.#hand + 1 < copies.length ? this.#hand + 1 : 0;
      const copy = copies[this.#hand]!;
      if (besides.has(copy)) continue;
      if (nowMs >= copy.expiresMs) return copy;
      const value = this.#valueOf(copy);
      if (value >= least) continue;
      least = value;
      coldest = copy;
    }
    return coldest;
  }

  #valueOf(copy: HotCopy): number {
    return this.#hitters.of(copy.hash) * worth(copy.body.length, copy.cost);
  }

  #forget(key: string): number {
    this.#takings.get(key)?.drop();
    const source = this.#sources.get(key);
    if (source === undefined) return 0;
    const copies = [...source.variants.values()];
    for (const copy of copies) this.#remove(copy);
    return copies.length;
  }

  #evict(copy: HotCopy): void {
    this.#evictions += 1;
    this.#remove(copy);
  }

  #remove(copy: HotCopy): void {
    const source = this.#sources.get(copy.key)!;
    source.variants.delete(copy.variant);
    if (source.variants.size === 0) this.#sources.delete(copy.key);
    const last = this.#copies.pop()!;
    if (last !== copy) {
      last.at = copy.at;
      this.#copies[copy.at] = last;
    }
    this.#bytes -= copy.cost;
  }
}

/** What a hit spares, for each byte of room. */
function worth(length: Bytes, cost: Bytes): number {
  return (RELAY_WORTH + length) / cost;
}

/** What a copy would be worth, as long as nothing is known of its head. */
function guessedValue(count: number, length: Bytes): number {
  return count * worth(length, length + OVERHEAD);
}

function asksForAll(head: HeadScanner): boolean {
  return head.method === 'GET' && !head.selects;
}

// The names of Vary that tell requests apart at the origin; undefined when no other request can be known to match.
function decidingNames(answer: HeadScanner, sentOn: readonly string[]): readonly string[] | undefined {
  const vary = answer.find('vary');
  if (vary === undefined) return [];
  const names = varyNames([['vary', vary]]);
  if (names === '*') return undefined;
  for (const name of names) if (UNDECIDABLE.has(name) || name.startsWith('x-deckle-')) return undefined;
  return sentOn.includes('*') ? names : names.filter((name) => sentOn.includes(name));
}

function variantOf(names: readonly string[], head: HeadScanner): string {
  return variantKey('', names, (name) => head.find(name));
}

function variantHash(hash: number, variant: string): number {
  return (hash ^ keyHash(variant)) >>> 0;
}

// A field that Connection names does not reach the node, whatever value it has here.
function isPlainConnection(head: HeadScanner): boolean {
  if (head.lines('connection') === 0) return true;
  return /^(?:keep-alive|close)$/i.test(head.list('connection')!);
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, at) => name === b[at]);
}

/** Whether a position is known to be no earlier than another; both as text. */
function isNotBefore(position: string, other: string): boolean {
  return epochOf(position) === epochOf(other) && position >= other;
}

function epochOf(position: string): string {
  return position.slice(0, 16);
}
