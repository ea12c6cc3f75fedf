// A flight among origins and clients that do what they like, in any order: real flights, deliveries and replies over sockets that
// are played, so that every interleaving is one the test has chosen.

import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Ask, HandClock, jpeg, ScriptedOrigin, until } from '../../test/support/cache-house.ts';
import { variantKey } from '../answer/variant.ts';
import { MemoryTier } from '../store/memory.ts';
import { Reply, type ReplyEnd } from '../wire/reply.ts';
import { HeadScanner } from '../wire/scanner.ts';
import { FlightDelivery } from './deliver.ts';
import { FillBudget, PASS_WINDOW } from './fill-body.ts';
import type { Flight } from './flight.ts';
import type { FlightHouse, FlightNews, FlightOrder, FlightWaiter } from './flight-contract.ts';
import { Flights } from './flights.ts';
import { Passes } from './passes.ts';
import type { AnswerFacts, CacheSiteRules, NodeRequest } from './request.ts';

const KB = 1024;
const SOCKET_ROOM = 16 * KB;

/** A socket of which the test takes the bytes when it likes. */
class PlayedSocket {
  readonly written: Buffer[] = [];
  readonly writableHighWaterMark = 128 * KB;
  queued = 0;
  destroyed = false;

  write(data: Buffer | string, encoding?: BufferEncoding): boolean {
    const bytes = typeof data === 'string' ? Buffer.from(data, encoding) : Buffer.from(data);
    this.written.push(bytes);
    this.queued += bytes.length;
    return this.queued < SOCKET_ROOM;
  }

  cork(): void {}
  uncork(): void {}

  destroy(): void {
    this.destroyed = true;
  }

  resetAndDestroy(): void {
    this.destroyed = true;
  }
}

const REQUEST = Buffer.from('GET /a.jpg HTTP/1.1\r\nHost: a\r\n\r\n');

class PlayedClient implements FlightWaiter {
  readonly fields = [];
  readonly socket = new PlayedSocket();
  readonly reply: Reply;
  readonly #request: NodeRequest;
  flight: Flight | undefined;
  heard: FlightNews | undefined;
  end: ReplyEnd | undefined;
  left = false;

  constructor() {
    this.reply = new Reply(this.socket as unknown as Socket, 1, true, {
      stalled: () => {},
      yielded: (reply) => setImmediate(() => reply.drained()),
      ended: (end) => {
        this.end = end;
      },
    });
    const head = new HeadScanner('request', { maxBytes: 4096, maxFields: 10 });
    head.scan(REQUEST, 0, REQUEST.length);
    this.#request = { x: { head, reply: this.reply }, id: 'id', isHead: false, peer: false } as unknown as NodeRequest;
  }

  news(news: FlightNews): void {
    this.heard = news;
    if (news.kind !== 'body') return;
    new FlightDelivery(this.#request, this.flight!).begin('n1', { result: 'miss', status: 'fwd=uri-miss', reason: undefined });
  }

  drain(): void {
    this.socket.queued = 0;
    this.reply.drained();
  }

  leave(): void {
    this.left = true;
    if (this.heard === undefined) this.flight?.abandon(this);
    this.reply.gone();
  }

  /** The body as its framing says, as far as it came. */
  body(): Buffer {
    const raw = Buffer.concat(this.socket.written);
    const start = raw.indexOf('\r\n\r\n') + 4;
    if (!/transfer-encoding: chunked/i.test(raw.toString('latin1', 0, start))) return raw.subarray(start);
    const parts: Buffer[] = [];
    for (let at = start; at < raw.length; ) {
      const line = raw.indexOf('\r\n', at);
      const size = Number.parseInt(raw.toString('latin1', at, line), 16);
      parts.push(raw.subarray(line + 2, line + 2 + size));
      at = line + 4 + size;
    }
    return Buffer.concat(parts);
  }
}

const RULES: CacheSiteRules = {
  ttl: { default: 60_000, min: 0, max: 1e9, status: {} },
  grace: { healthy: 0, sick: 0 },
  stale_wait: 0,
  store: ['image/*'],
  max_object: 8 * 1024 * KB,
  request_headers: [],
  response_headers: { add: {}, remove: [] },
};

function stage(options: { readonly fillMemory?: number; readonly maxObject?: number } = {}) {
  const clock = new HandClock();
  const origin = new ScriptedOrigin();
  const budget = new FillBudget(options.fillMemory ?? 8 * 1024 * KB);
  const flights = new Flights();
  const store = new MemoryTier<AnswerFacts>({ maxBytes: 32 * 1024 * KB, maxVariants: 4, variantKeyOf: variantKey });
  const house: FlightHouse = {
    clock,
    store,
    maxKeep: 32 * 1024 * KB,
    budget,
    passes: new Passes(),
    position: () => ({ epoch: '0123456789abcdef', high: 0n, low: 0n }),
    originAnswered: () => {},
    originBytes: () => {},
    passed: () => {},
    landed: (flight) => flights.landed(flight),
  };
  const order: FlightOrder = {
    sourceKey: 'all /a.jpg',
    origin,
    rules: { ...RULES, max_object: options.maxObject ?? RULES.max_object },
    request: { method: 'GET', target: '/a.jpg', clientHost: 'a', headers: [] },
    unconditional: [],
    fields: [],
    previous: undefined,
    sickUsable: false,
    personal: false,
    alone: false,
  };
  return {
    clock,
    origin,
    budget,
    flights,
    store,
    /** Joins the flight that takes it, else starts one. */
    enter(): PlayedClient {
      const client = new PlayedClient();
      const joined = flights.find(order.sourceKey, []);
      if (joined === undefined) client.flight = flights.start(order, house, client);
      else {
        client.flight = joined;
        joined.wait(client);
      }
      return client;
    },
  };
}

async function settle(): Promise<void> {
  for (let at = 0; at < 4; at += 1) await new Promise((resolve) => setImmediate(resolve));
}

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('chunk' as const), size: fc.integer({ min: 1, max: 150 * KB }) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('drain' as const), who: fc.nat(7) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('join' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('leave' as const), who: fc.nat(7) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('purge' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('fail' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('end' as const) }) },
);

test('in any interleaving a client has a prefix of the right bytes, the whole if and only if it ended cleanly', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40 }),
      fc.constantFrom(null, 400 * KB, 1024 * KB),
      fc.constantFrom(100 * KB, 500 * KB, 8 * 1024 * KB),
      fc.constantFrom(0, 300 * KB, 8 * 1024 * KB),
      async (steps, length, maxObject, fillMemory) => {
        const s = stage({ maxObject, fillMemory });
        // What each request at the origin was answered with, in order; its bodies differ from those of the others.
        const sent: { readonly body: Buffer; at: number; open: boolean; readonly feed: ReturnType<Ask['answer']> }[] = [];
        let serial = 0;
        s.origin.always = (ask) => {
          serial += 1;
          const body = jpeg(length ?? 700 * KB, serial);
          sent.push({ body, at: 0, open: true, feed: ask.answer({ length }) });
        };
        const clients = [s.enter()];
        for (const each of steps) {
          const now = sent.at(-1);
          const who = 'who' in each ? clients[each.who % clients.length] : undefined;
          if (each.kind === 'join') clients.push(s.enter());
          else if (each.kind === 'drain') who?.drain();
          else if (each.kind === 'leave') who?.leave();
          else if (each.kind === 'purge') s.flights.overtake('all /a.jpg');
          else if (now?.open === true) {
            if (each.kind === 'chunk') {
              const end = Math.min(now.body.length, now.at + each.size);
              if (end > now.at) now.feed.push(now.body.subarray(now.at, end));
              now.at = end;
            } else {
              now.open = false;
              if (each.kind === 'end' && now.at === now.body.length) now.feed.end();
              else now.feed.fail();
            }
          }
          await settle();
          assert(s.budget.used >= 0 && s.budget.used <= fillMemory);
          for (const client of clients)
            assert(client.socket.queued <= SOCKET_ROOM + 65 * KB, 'a socket holds no more than a slice');
        }
        for (const each of sent) if (each.open) each.feed.push(each.body.subarray(each.at)).end();
        for (let round = 0; round < 100 && clients.some((client) => client.end === undefined); round += 1) {
          for (const client of clients) client.drain();
          await settle();
        }
        for (const client of clients) {
          assert(client.end !== undefined, 'every client has learned how it ended');
          const body = client.body();
          const wanted = sent.find((each) => each.body.subarray(0, body.length).equals(body));
          assert(wanted !== undefined, 'a prefix of what one answer holds');
          if (client.end.clean) assert.equal(body.length, wanted.body.length, 'a clean end is a whole body');
        }
        await until('no flight is left', () => s.flights.count === 0);
        assert.equal(s.budget.used, 0);
        const stored = s.store.find('all /a.jpg', () => undefined);
        if (stored !== undefined) assert(sent.some((each) => each.body.equals(stored.body)));
      },
    ),
    { numRuns: 120 },
  );
});

test('a client that reads nothing holds two slices, not the body', async () => {
  const s = stage();
  const client = s.enter();
  const feed = (await s.origin.next()).answer({ length: 4_000 * KB });
  for (let at = 0; at < 40; at += 1) feed.push(jpeg(100 * KB, at));
  feed.end();
  await until('the fill has landed', () => s.flights.count === 0);
  assert(client.socket.queued < 65 * KB, `${client.socket.queued} bytes are queued`);
  assert.equal(s.store.counts().objects, 1);
});

test('a pass goes at the pace of its readers: what the origin sent stays at the origin', async () => {
  const s = stage({ fillMemory: 0 });
  const client = s.enter();
  const feed = (await s.origin.next()).answer({ length: 4_000 * KB });
  for (let at = 0; at < 40; at += 1) feed.push(jpeg(100 * KB, at));
  await settle();
  assert(feed.taken <= Math.ceil((PASS_WINDOW + 65 * KB) / (100 * KB)) + 1, `${feed.taken} parts were taken`);
  client.leave();
  await until('the origin is told', () => feed.aborted);
  await until('the flight has landed', () => s.flights.count === 0);
});

test('a reader that crawls is cut when others wait for it; the others get everything', async () => {
  const s = stage({ fillMemory: 0 });
  const [quick, slow] = [s.enter(), s.enter()];
  const body = jpeg(2_000 * KB);
  (await s.origin.next()).answer({ body, length: body.length });
  for (let second = 0; second < 120 && quick.end === undefined; second += 1) {
    for (let round = 0; round < 20; round += 1) {
      quick.drain();
      await settle();
    }
    s.clock.advance(10_000);
    slow.drain();
    await settle();
  }
  assert.equal(slow.end?.clean, false);
  assert.equal(quick.end?.clean, true);
  assert(quick.body().equals(body));
  await until('the flight has landed', () => s.flights.count === 0);
});

test('a lone reader may be as slow as its socket lets it', async () => {
  const s = stage({ fillMemory: 0 });
  const slow = s.enter();
  const body = jpeg(700 * KB);
  (await s.origin.next()).answer({ body });
  for (let round = 0; round < 200 && slow.end === undefined; round += 1) {
    s.clock.advance(20_000);
    slow.drain();
    await settle();
  }
  assert.equal(slow.end?.clean, true);
  assert(slow.body().equals(body));
});

test('a reader that crawls does not hold the memory of all fills', async () => {
  const s = stage({ maxObject: 1_000 * KB });
  const slow = s.enter();
  const feed = (await s.origin.next()).answer({ length: null });
  for (let at = 0; at < 20; at += 1) feed.push(jpeg(100 * KB));
  await settle();
  assert(s.budget.used > 900 * KB);
  for (let round = 0; round < 50 && slow.end === undefined; round += 1) {
    s.clock.advance(20_000);
    slow.drain();
    await settle();
  }
  assert.equal(slow.end?.clean, false);
  await until('the flight has landed', () => s.flights.count === 0);
  assert.equal(s.budget.used, 0);
});

test('cancel ends what waits for the origin and what waits for readers', async () => {
  const s = stage({ fillMemory: 0 });
  const waiting = s.enter();
  const ask = await s.origin.next();
  s.flights.cancel();
  await until('the flight has landed', () => s.flights.count === 0);
  assert(ask.signal.aborted);
  assert.equal(waiting.heard?.kind, 'failed');
  const reading = s.enter();
  (await s.origin.next()).answer({ body: jpeg(4_000 * KB) });
  await settle();
  s.flights.cancel();
  await until('the flight has landed', () => s.flights.count === 0);
  assert.equal(reading.end?.clean, false);
});
