// The story of a request at the front, in the order of docs/life-of-a-request.md:
// wire → site → guard → key → hot → place (the walk) → relay (the next of the walk while there is no byte) → the client.
// The sentences stand in the files it imports.

import { isPersonal } from '../answer/personal.ts';
import { sendHit } from '../answer/send.ts';
import { AskedReader, type NamingSite } from '../asset/asked.ts';
import type { SiteTable } from '../asset/site.ts';
import { Fault } from '../base/fault.ts';
import { type DenyRule, sendDenial } from '../guard/denial.ts';
import type { RefererGuard } from '../guard/referer.ts';
import { RefererVerdicts } from '../guard/verdicts.ts';
import { resultOf } from '../metrics/meter.ts';
import type { Exchange } from '../wire/connection.ts';
import { sendFault } from '../wire/error-reply.ts';
import { type ClientReader, plainAddress } from './client.ts';
import { Errand, type ErrandParts, type Order } from './errand.ts';
import type { HotCopies } from './hot.ts';
import type { FrontNote } from './note.ts';

export interface FrontSite extends NamingSite {
  readonly index: number;
  /** Request fields that nodes send on to the origin: lower case, or `*`. */
  readonly requestHeaders: readonly string[];
  readonly guard: RefererGuard;
  readonly deny: DenyRule;
}

export interface FrontParts extends ErrandParts {
  readonly sites: SiteTable<FrontSite>;
  readonly clients: ClientReader;
  /** Undefined when it is turned off. */
  readonly hot: HotCopies | undefined;
  newId(): string;
  /** Paths below `/-/`; false when it is none of ours. */
  internal(x: Exchange, path: string): boolean;
  denied(site: number): void;
  /** Counts and logs; called once per request, when it has ended. */
  record(x: Exchange, note: FrontNote, clean: boolean): void;
}

const CLIENT_ID = /^[A-Za-z0-9._-]{1,64}$/;

export class FrontStory {
  readonly #parts: FrontParts;
  readonly #asked: AskedReader<FrontSite>;
  readonly #verdicts = new RefererVerdicts();
  readonly #giveUp = ({ x, note, words }: Order, fault: Fault) => this.#refuse(x, note, fault, words.isHead);

  constructor(parts: FrontParts) {
    this.#parts = parts;
    this.#asked = new AskedReader(parts.sites);
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

    const asked = this.#asked.read(x.head);
    if (asked instanceof Fault) return this.#refuse(x, note, asked, isHead);
    if (asked.path.startsWith('/-/') && parts.internal(x, asked.path)) return;

    const { site, key, hash } = asked;
    if (site === undefined) return this.#refuse(x, note, new Fault('DECKLE_NO_SITE'), isHead);
    note.site = site.index;
    if (x.head.method !== 'GET' && !isHead) return this.#refuse(x, note, new Fault('DECKLE_METHOD_NOT_ALLOWED'), isHead);
    // Ours, and none that we answer: a node would take it for a word of ours.
    if (asked.path.startsWith('/-/')) return this.#refuse(x, note, new Fault('DECKLE_NO_SITE'), isHead);

    if (this.#verdicts.of(x.head, site.guard) !== 'allowed') {
      note.result = 'denied';
      note.reason = 'referer';
      parts.denied(site.index);
      sendDenial(x.reply, site.deny, { who: 'front', id: note.id, isHead, nowMs: parts.clock.wallMs() });
      return;
    }

    // Credentials that the site sends on: no copy was made for this client, and what comes is not for others.
    const hot = isPersonal(x.head, site.requestHeaders) ? undefined : parts.hot;
    const copy = hot?.find(key, hash, x.head, x.startMs);
    if (copy !== undefined) {
      note.result = 'hot';
      note.reason = 'hot';
      sendHit(x, copy, isHead, hot!.said(copy, x.startMs), note.id, false);
      return;
    }

    const words = {
      isHead,
      target: asked.target,
      authority: asked.authority,
      forwardedFor: client.forwardedFor,
      id: note.id,
    };
    new Errand(parts, { x, note, key, hash, words, hot, sentOn: site.requestHeaders }, this.#giveUp).begin();
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
