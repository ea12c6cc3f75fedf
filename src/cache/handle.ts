// The story of a request at a node, in the order of docs/life-of-a-request.md:
// wire → site → guard (who is not a front of ours) → key → store → judge → fresh | stale | expired | absent | pass → deliver.
// The sentences stand in the files it imports; nothing is decided here that is not a step of that list.

import { isPersonal } from '../answer/personal.ts';
import { type Asked, AskedReader } from '../asset/asked.ts';
import type { SiteTable } from '../asset/site.ts';
import type { Clock } from '../base/clock.ts';
import { Fault } from '../base/fault.ts';
import type { Reason } from '../base/reasons.ts';
import type { Ms } from '../base/units.ts';
import { sendDenial } from '../guard/denial.ts';
import { RefererVerdicts } from '../guard/verdicts.ts';
import type { Result } from '../metrics/catalogue.ts';
import { resultOf } from '../metrics/meter.ts';
import type { Tier } from '../store/store.ts';
import type { Exchange } from '../wire/connection.ts';
import { sendFault } from '../wire/error-reply.ts';
import { firstValue, type HeaderList } from '../wire/headers.ts';
import type { HeadLimits } from '../wire/scanner.ts';
import { deliverFresh, deliverStored, FlightDelivery, isSaid } from './deliver.ts';
import type { Flight } from './flight.ts';
import type { FlightHouse, FlightNews, FlightWaiter } from './flight-contract.ts';
import type { Flights } from './flights.ts';
import { forwardedFields, ownFields } from './forward.ts';
import { ageSeconds } from './freshness.ts';
import { judge } from './judge.ts';
import type { Passes } from './passes.ts';
import { sayProcessing } from './processing.ts';
import type { Answer, AnswerFacts, NodeRequest, NodeSite, Outcome } from './request.ts';
import { conditionalHeaders } from './vary.ts';

export interface NodeParts {
  readonly name: string;
  readonly clock: Clock;
  readonly sites: SiteTable<NodeSite>;
  /** Undefined when the tier is off. */
  readonly store: Tier<AnswerFacts> | undefined;
  readonly flights: Flights;
  readonly passes: Passes;
  readonly house: FlightHouse;
  /** Whether a request comes from a front of ours (the right secret, or loopback where none is set). */
  isPeer(x: Exchange): boolean;
  /** What our fronts know a quick answer by (front/quick.ts); empty: none is given. Never logged, never sent to anybody else. */
  readonly answerToken: string;
  /** What a head may be that comes from a client: a front of ours adds lines to it, and the listener leaves room for these. */
  readonly clientHead: HeadLimits;
  /** Where this node stands in the purge log, as text. */
  position(): string;
  newId(): string;
  /** Paths below `/-/`; false when it is none of ours. */
  internal(x: Exchange, path: string, peer: boolean): boolean;
  denied(site: number): void;
  /** Counts and logs; called once per request, when it has ended. */
  record(x: Exchange, note: NodeNote, clean: boolean): void;
}

/** What is known of a request when it ends. */
export interface NodeNote {
  id: string;
  site: number;
  result: Result;
  reason: Reason | undefined;
  client: string;
  /** It came from a front of ours, which is told the result. */
  peer: boolean;
}

/** Looking again after "another variant" ends here. */
const MOST_LOOKS = 3;

export class NodeStory {
  readonly #parts: NodeParts;

  readonly #asked: AskedReader<NodeSite>;
  readonly #verdicts = new RefererVerdicts();

  constructor(parts: NodeParts) {
    this.#parts = parts;
    this.#asked = new AskedReader(parts.sites);
  }

  /** The gate said no. */
  refused(x: Exchange, fault: Fault): void {
    const note = this.#open(x, '', false);
    this.#refuse(x, note, fault, false);
  }

  request(x: Exchange): void {
    const parts = this.#parts;
    const peer = parts.isPeer(x);
    const isHead = x.head.method === 'HEAD';
    const note = this.#open(x, peer ? (x.head.get('x-request-id') ?? '') : '', peer);
    // A front of ours writes down whom it knows to be in front of it, the client first.
    if (peer) note.client = (x.head.list('x-forwarded-for') ?? '').split(',', 1)[0]!.trim() || x.peerAddress;

    const { maxFields, maxBytes } = parts.clientHead;
    if (!peer && (x.head.count > maxFields || x.head.length > maxBytes)) {
      x.reply.closeAfter();
      return this.#refuse(x, note, new Fault('DECKLE_HEADERS_TOO_LARGE'), isHead);
    }
    const asked = this.#asked.read(x.head);
    if (asked instanceof Fault) return this.#refuse(x, note, asked, isHead);
    if (asked.path.startsWith('/-/') && parts.internal(x, asked.path, peer)) return;

    const { site } = asked;
    if (site === undefined) return this.#refuse(x, note, new Fault('DECKLE_NO_SITE'), isHead);
    note.site = site.index;
    if (x.head.method !== 'GET' && !isHead) return this.#refuse(x, note, new Fault('DECKLE_METHOD_NOT_ALLOWED'), isHead);

    if (!peer && this.#verdicts.of(x.head, site.guard) !== 'allowed') {
      note.result = 'denied';
      note.reason = 'referer';
      parts.denied(site.index);
      sendDenial(x.reply, site.deny, { who: parts.name, id: note.id, isHead, nowMs: parts.clock.wallMs() });
      return;
    }

    const r = this.#name(x, site, asked, note, peer, isHead);
    // Credentials that the site sends on: what is stored was not made for this client, and what comes is not for others.
    if (r.personal) this.#fetch(r, note, { old: undefined, why: 'bypass', looks: 0, alone: true });
    else this.#look(r, note, 0, false);
  }

  // The key, and with it everything later steps ask for.
  #name(x: Exchange, site: NodeSite, asked: Asked<NodeSite>, note: NodeNote, peer: boolean, isHead: boolean): NodeRequest {
    return {
      x,
      site,
      sourceKey: asked.key,
      target: asked.target,
      clientHost: asked.authority,
      id: note.id,
      isHead,
      peer,
      personal: isPersonal(x.head, site.rules.request_headers),
    };
  }

  #look(r: NodeRequest, note: NodeNote, looks: number, mustBeAlone: boolean): void {
    const parts = this.#parts;
    // Only fields that reach the origin can choose a variant: to it, all requests are equal in the others.
    let sent: HeaderList | undefined;
    const stored = parts.store?.find(r.sourceKey, (name) => {
      sent ??= sentFields(r);
      return firstValue(sent, name);
    });
    if (stored === undefined) {
      const why = parts.store?.varyNames(r.sourceKey) === undefined ? 'uri-miss' : 'vary-miss';
      return this.#fetch(r, note, { old: undefined, why, looks, alone: mustBeAlone || this.#goesAlone(r, looks) });
    }

    const nowMs = parts.clock.wallMs();
    // What was found fresh a moment ago is so until its Age or its ttl changes.
    if (isSaid(stored.facts, nowMs)) {
      note.result = 'memory';
      return deliverFresh(r, stored, parts, nowMs);
    }
    const { freshness } = stored.facts;
    const verdict = judge(freshness, r.site.rules.grace, nowMs);
    switch (verdict.kind) {
      case 'fresh':
        note.result = 'memory';
        return deliverFresh(r, stored, parts, nowMs);
      case 'stale':
        this.#refresh(r, stored);
        return this.#serve(r, note, stored, { result: 'stale', status: `hit; ttl=${-seconds(verdict.overMs)}`, reason: 'grace' });
      case 'expired':
        return this.#fetch(r, note, {
          old: { answer: stored, usable: verdict.sick },
          why: 'stale',
          looks,
          alone: mustBeAlone || this.#goesAlone(r, looks),
        });
    }
  }

  // Waiting for others was in vain too often, or the source was found uncacheable a moment ago.
  #goesAlone(r: NodeRequest, looks: number): boolean {
    const { passes, clock } = this.#parts;
    return looks >= MOST_LOOKS || passes.why(r.sourceKey, clock.monoMs()) !== undefined;
  }

  #serve(r: NodeRequest, note: NodeNote, stored: Answer, outcome: Outcome): void {
    note.result = outcome.result;
    note.reason = outcome.reason;
    const age = ageSeconds(stored.facts.freshness, this.#parts.clock.wallMs());
    deliverStored(r, stored, this.#parts.name, age, outcome);
  }

  // One refresh behind per variant; nobody waits for it.
  #refresh(r: NodeRequest, stored: Answer): void {
    const { flights, house } = this.#parts;
    const fields = sentFields(r);
    if (flights.find(r.sourceKey, fields) !== undefined) return;
    flights.start(this.#order(r, fields, { answer: stored, usable: true }, false), house, undefined);
  }

  // Absent, expired or passing: ask the origin, together with those who ask for the same.
  #fetch(r: NodeRequest, note: NodeNote, trip: Trip): void {
    const { flights, house } = this.#parts;
    const { old, alone } = trip;
    const fields = sentFields(r);
    const joined = alone ? undefined : flights.find(r.sourceKey, fields);
    let timer: NodeJS.Timeout | undefined;
    let quiet: (() => void) | undefined;
    let landed = false;
    let flight: Flight | undefined = joined;
    const waiter: FlightWaiter = {
      fields,
      news: (news) => {
        landed = true;
        clearTimeout(timer);
        quiet?.();
        r.x.reply.onGone = undefined;
        this.#land(r, note, trip, { news, flight: flight!, joined: joined !== undefined });
      },
    };
    // The wait may end early: the client is gone, or stale is served (stale_wait).
    r.x.reply.onGone = () => {
      clearTimeout(timer);
      quiet?.();
      flight?.abandon(waiter);
    };
    if (flight === undefined) flight = flights.start(this.#order(r, fields, old, alone), house, waiter);
    else flight.wait(waiter);
    if (landed || r.x.reply.ended) return;
    if (r.peer) quiet = sayProcessing(r.x.reply);
    if (old?.usable !== true) return;
    timer = setTimeout(() => {
      quiet?.();
      flight?.leave(waiter);
      r.x.reply.onGone = undefined;
      this.#serveOld(r, note, old, 'fwd=stale', 'stale-wait');
    }, r.site.rules.stale_wait);
  }

  #land(r: NodeRequest, note: NodeNote, trip: Trip, landing: Landing): void {
    const { old, why, looks } = trip;
    const { news, joined } = landing;
    switch (news.kind) {
      case 'body':
        return this.#stream(r, note, landing.flight, joined, why);
      case 'validated':
        return this.#serve(r, note, news.answer, {
          result: 'revalidated',
          status: joined ? `fwd=${why}; collapsed` : `fwd=${why}; fwd-status=304${news.stored ? '; stored' : ''}`,
          reason: undefined,
        });
      case 'sick':
        if (old?.usable === true) return this.#serveOld(r, note, old, `fwd=stale; fwd-status=${news.status}`, 'stale-if-error');
        // The answer was dropped for those who have something better: this one asks for it again.
        return this.#look(r, note, looks + 1, false);
      case 'failed':
        if (old?.usable === true) return this.#serveOld(r, note, old, 'fwd=stale', 'stale-if-error');
        return this.#refuse(r.x, note, news.fault, r.isHead);
      case 'alone':
        return this.#look(r, note, looks, true);
      case 'other-variant':
        return this.#look(r, note, looks + 1, false);
    }
  }

  #stream(r: NodeRequest, note: NodeNote, flight: Flight, joined: boolean, why: string): void {
    const { status, passReason } = flight.head;
    if (joined) note.result = 'collapsed';
    else note.result = passReason === undefined ? 'miss' : 'pass';
    note.reason = passReason;
    const kept = passReason === undefined ? '; stored' : '';
    const parameters = joined ? `fwd=${why}; collapsed` : `fwd=${why}; fwd-status=${status}${kept}`;
    new FlightDelivery(r, flight).begin(this.#parts.name, { result: note.result, status: parameters, reason: passReason });
  }

  #serveOld(r: NodeRequest, note: NodeNote, old: Old, status: string, reason: Reason): void {
    this.#serve(r, note, old.answer, { result: 'stale', status, reason });
  }

  #order(r: NodeRequest, fields: HeaderList, old: Old | undefined, alone: boolean) {
    const headers = old === undefined ? fields : [...conditionalHeaders(old.answer.headers), ...fields];
    return {
      sourceKey: r.sourceKey,
      origin: r.site.origin,
      rules: r.site.rules,
      request: { method: 'GET', target: r.target, clientHost: r.clientHost, headers },
      unconditional: fields,
      fields,
      previous: old?.answer,
      sickUsable: old?.usable ?? false,
      personal: r.personal,
      alone,
    } as const;
  }

  #open(x: Exchange, id: string, peer: boolean): NodeNote {
    const note: NodeNote = {
      id: id === '' ? this.#parts.newId() : id,
      site: -1,
      result: 'error',
      reason: undefined,
      client: x.peerAddress,
      peer,
    };
    x.onEnd = (end) => this.#parts.record(x, note, end.clean);
    return note;
  }

  #refuse(x: Exchange, note: NodeNote, fault: Fault, isHead: boolean): void {
    note.result = resultOf(fault);
    note.reason = fault.reason;
    const parts = this.#parts;
    const lines = fault.code === 'DECKLE_METHOD_NOT_ALLOWED' ? 'Allow: GET, HEAD\r\n' : '';
    const peer = note.peer ? `X-Deckle-Result: ${note.result}\r\n` : '';
    sendFault(x.reply, fault, { who: parts.name, id: note.id, isHead, nowMs: parts.clock.wallMs(), lines: lines + peer });
  }
}

/** A stored answer past its lifetime. */
interface Old {
  readonly answer: Answer;
  /** It may be served when the origin fails. */
  readonly usable: boolean;
}

/** One way to the origin. */
interface Trip {
  readonly old: Old | undefined;
  /** The `fwd` of our Cache-Status member. */
  readonly why: 'uri-miss' | 'vary-miss' | 'stale' | 'bypass';
  /** Times that the story began anew because the answer that came was of no use to this request. */
  readonly looks: number;
  /** With nobody else. */
  readonly alone: boolean;
}

interface Landing {
  readonly news: FlightNews;
  readonly flight: Flight;
  readonly joined: boolean;
}

// What reaches the origin of a request, beside conditions. Our own fields differ by client too, so a Vary may name them.
function sentFields(r: NodeRequest): HeaderList {
  const { head } = r.x;
  const own = ownFields({
    forwardedFor: (r.peer ? head.list('x-forwarded-for') : undefined) ?? r.x.peerAddress,
    requestId: r.id,
    via: head.list('via'),
    cdnLoop: head.list('cdn-loop'),
  });
  return [...forwardedFields(head, r.site.rules.request_headers), ...own];
}

function seconds(ms: Ms): number {
  return Math.floor(ms / 1000);
}
