// The story of a request at the front, in the order of docs/life-of-a-request.md:
// wire → site → guard → key → place (the walk) → relay (the next of the walk while there is no byte) → the client.
// The sentences stand in the files it imports.

import { type Asked, readAsked } from '../asset/asked.ts';
import { keptQuery, originTarget, type QueryMode, sourceKey } from '../asset/key.ts';
import type { SiteIdentity, SiteTable } from '../asset/site.ts';
import type { Clock } from '../base/clock.ts';
import { Fault } from '../base/fault.ts';
import type { Reason } from '../base/reasons.ts';
import { type DenyRule, sendDenial } from '../guard/denial.ts';
import type { RefererGuard } from '../guard/referer.ts';
import { RESULTS, type Result } from '../metrics/catalogue.ts';
import { resultOf } from '../metrics/meter.ts';
import type { Exchange } from '../wire/connection.ts';
import { sendFault } from '../wire/error-reply.ts';
import type { HeadScanner } from '../wire/scanner.ts';
import { type Client, type ClientReader, plainAddress } from './client.ts';
import { requestHead, responseLines } from './heads.ts';
import type { Joins } from './joins.ts';
import type { NodeLink } from './link.ts';
import { Relay, type RelayTimeouts } from './relay.ts';
import type { Ring, RingWalk } from './ring.ts';

export interface FrontSite extends SiteIdentity {
  readonly index: number;
  readonly query: QueryMode;
  readonly hostInKey: boolean;
  readonly guard: RefererGuard;
  readonly deny: DenyRule;
}

export interface FrontParts {
  /** `front-1`. */
  readonly name: string;
  readonly clock: Clock;
  readonly sites: SiteTable<FrontSite>;
  readonly clients: ClientReader;
  readonly ring: Ring;
  /** In the order of the ring's members. */
  readonly links: readonly NodeLink[];
  readonly joins: Joins;
  /** Further nodes tried after the first. */
  readonly retries: number;
  readonly timeouts: RelayTimeouts;
  readonly peerLine: string;
  newId(): string;
  /** Paths below `/-/`; false when it is none of ours. */
  internal(x: Exchange, path: string): boolean;
  retried(node: string): void;
  denied(site: number): void;
  /** Counts and logs; called once per request, when it has ended. */
  record(x: Exchange, note: FrontNote, clean: boolean): void;
}

/** What is known of a request when it ends. */
export interface FrontNote {
  id: string;
  site: number;
  result: Result;
  reason: Reason | undefined;
  client: string;
  /** The node that answered, or ''. */
  node: string;
  tries: number;
}

/** A request that passed the guard and has a name. */
interface Order {
  readonly x: Exchange;
  readonly note: FrontNote;
  readonly key: string;
  readonly isHead: boolean;
  readonly text: string;
}

const RESULT_SET: ReadonlySet<string> = new Set(RESULTS);
const CLIENT_ID = /^[A-Za-z0-9._-]{1,64}$/;

export class FrontStory {
  readonly #parts: FrontParts;

  constructor(parts: FrontParts) {
    this.#parts = parts;
  }

  /** The gate said no. */
  refused(x: Exchange, fault: Fault): void {
    this.#refuse(x, this.#open(x, plainAddress(x.peerAddress), ''), fault, false);
  }

  request(x: Exchange): void {
    const parts = this.#parts;
    const client = parts.clients.read(x.head, x.peerAddress);
    const note = this.#open(x, client.address, client.trusted ? (x.head.get('x-request-id') ?? '') : '');
    const isHead = x.head.method === 'HEAD';

    const asked = readAsked(x.head);
    if (asked instanceof Fault) return this.#refuse(x, note, asked, isHead);
    if (asked.path.startsWith('/-/') && parts.internal(x, asked.path)) return;

    const site = parts.sites.find(asked.host, asked.path);
    if (site === undefined) return this.#refuse(x, note, new Fault('DECKLE_NO_SITE'), isHead);
    note.site = site.index;
    if (x.head.method !== 'GET' && !isHead) return this.#refuse(x, note, new Fault('DECKLE_METHOD_NOT_ALLOWED'), isHead);
    // Ours, and none that we answer: a node would take it for a word of ours.
    if (asked.path.startsWith('/-/')) return this.#refuse(x, note, new Fault('DECKLE_NO_SITE'), isHead);

    if (site.guard.check(x.head.get('referer')) !== 'allowed') {
      note.result = 'denied';
      note.reason = 'referer';
      parts.denied(site.index);
      sendDenial(x.reply, site.deny, { who: 'front', id: note.id, isHead, nowMs: parts.clock.wallMs() });
      return;
    }

    const order = this.#name(x, note, site, asked, client, isHead);
    this.#try(order, parts.ring.walk(order.key));
  }

  #name(x: Exchange, note: FrontNote, site: FrontSite, asked: Asked, client: Client, isHead: boolean): Order {
    const query = keptQuery(site.query, asked.query);
    const text = requestHead(x.head, {
      isHead,
      target: originTarget(asked.path, query),
      authority: asked.authority,
      forwardedFor: client.forwardedFor,
      id: note.id,
      from: this.#parts.name,
      peerLine: this.#parts.peerLine,
    });
    return { x, note, key: sourceKey(site.name, site.hostInKey ? asked.authority : undefined, asked.path, query), isHead, text };
  }

  // One step of the walk: the next node that is not avoided; when all are, those avoided get their turn after all.
  #try(order: Order, walk: RingWalk, avoided: NodeLink[] = []): void {
    const { x, note, key } = order;
    const parts = this.#parts;
    if (note.tries > parts.retries) return this.#refuse(x, note, new Fault('DECKLE_NO_NODE'), order.isHead);
    const link = this.#next(walk, avoided);
    if (link === undefined) return this.#refuse(x, note, new Fault('DECKLE_NO_NODE'), order.isHead);

    const nowMs = parts.clock.monoMs();
    if (note.tries === 0 && parts.joins.shouldWait(key, link.full, nowMs)) {
      const stop = parts.joins.wait(key, () => {
        x.reply.onGone = undefined;
        // What the lead met there need not be met again.
        if (link.avoided) this.#try(order, parts.ring.walk(key));
        else this.#relay(order, link, walk, avoided, true);
      });
      x.reply.onGone = stop;
      return;
    }
    this.#relay(order, link, walk, avoided);
  }

  #next(walk: RingWalk, avoided: NodeLink[]): NodeLink | undefined {
    for (let at = walk.next(); at >= 0; at = walk.next()) {
      const link = this.#parts.links[at]!;
      if (!link.avoided) return link;
      avoided.push(link);
    }
    return avoided.shift();
  }

  #relay(order: Order, link: NodeLink, walk: RingWalk, avoided: NodeLink[], admitted = false): void {
    const { x, note, key } = order;
    const { joins, timeouts, clock } = this.#parts;
    const reply = x.reply;
    let leading = true;
    const settle = (answered: boolean) => {
      if (!leading) return;
      leading = false;
      joins.settled(key, answered);
    };
    note.tries += 1;
    note.node = link.name;
    joins.begin(key, clock.monoMs());
    const relay = new Relay(link, order.text, order.isHead, timeouts, {
      head: (head, bytesFollow) => {
        settle(true);
        this.#answer(order, head, bytesFollow);
      },
      data: (bytes) => {
        const room = reply.write(bytes);
        if (!room) reply.onDrain = () => relay.resume();
        return room;
      },
      ended: () => {
        reply.onGone = undefined;
        reply.end();
      },
      broken: () => {
        note.result = 'error';
        note.reason = 'node-broken';
        reply.onGone = undefined;
        reply.abort();
      },
      failed: (fault) => {
        reply.onGone = undefined;
        settle(false);
        if (!fault.retryable || fault.source !== 'peer') return this.#refuse(x, note, fault, order.isHead);
        this.#parts.retried(link.name);
        this.#try(order, walk, avoided);
      },
    });
    reply.onGone = () => {
      settle(false);
      relay.cancel();
    };
    relay.start(admitted);
  }

  // The node's head, as the client gets it.
  #answer(order: Order, head: HeadScanner, bytesFollow: boolean): void {
    const { note, x } = order;
    const said = head.get('x-deckle-result');
    note.result = said !== undefined && RESULT_SET.has(said) ? (said as Result) : 'relayed';
    let own = head.find('x-request-id') === undefined ? `X-Request-Id: ${note.id}\r\n` : '';
    // A node that is not deckle knows nothing of what every answer of ours carries.
    if (said === undefined) {
      own += 'Via: 1.1 deckle\r\n';
      if (head.find('x-content-type-options') === undefined) own += 'X-Content-Type-Options: nosniff\r\n';
    }
    const lines = responseLines(head) + own;
    const length = head.contentLength >= 0 ? head.contentLength : undefined;
    if (order.isHead || head.status === 204 || head.status === 304) {
      x.reply.whole(head.status, lines, undefined);
      return;
    }
    if (bytesFollow) {
      // Until all that came with the head has been read; what that was may be no more than the end.
      x.reply.cork();
      process.nextTick(() => x.reply.uncork());
    }
    x.reply.begin(head.status, lines, length);
  }

  #open(x: Exchange, client: string, id: string): FrontNote {
    const note: FrontNote = {
      id: CLIENT_ID.test(id) ? id : this.#parts.newId(),
      site: -1,
      result: 'error',
      reason: undefined,
      client,
      node: '',
      tries: 0,
    };
    x.onEnd = (end) => this.#parts.record(x, note, end.clean);
    return note;
  }

  #refuse(x: Exchange, note: FrontNote, fault: Fault, isHead: boolean): void {
    note.result = resultOf(fault);
    note.reason = fault.reason;
    const lines = fault.code === 'DECKLE_METHOD_NOT_ALLOWED' ? 'Allow: GET, HEAD\r\n' : '';
    sendFault(x.reply, fault, { who: 'front', id: note.id, isHead, nowMs: this.#parts.clock.wallMs(), lines });
  }
}
