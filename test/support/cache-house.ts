// A cache node without its process: the real story, flights, tier and listener, before an origin that does what the test says
// and under a clock that the test moves. One site, `all`, at `/`.
// Promises: nothing here waits for time; `close` fails when the house still holds flights or fill memory.

import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { variantKey } from '../../src/answer/variant.ts';
import { SiteTable } from '../../src/asset/site.ts';
import type { Clock } from '../../src/base/clock.ts';
import { Fault, type FaultCode } from '../../src/base/fault.ts';
import type { Reason } from '../../src/base/reasons.ts';
import { FillBudget } from '../../src/cache/fill-body.ts';
import type { FlightHouse } from '../../src/cache/flight-contract.ts';
import { Flights } from '../../src/cache/flights.ts';
import { type NodeNote, NodeStory } from '../../src/cache/handle.ts';
import { Passes } from '../../src/cache/passes.ts';
import type { AnswerFacts, CacheSiteRules, NodeSite } from '../../src/cache/request.ts';
import { compileReferers } from '../../src/guard/referer.ts';
import type { BodyPart, Origin, OriginAnswer, OriginBody, OriginRequest } from '../../src/origin/origin.ts';
import { MemoryTier } from '../../src/store/memory.ts';
import type { HeaderList } from '../../src/wire/headers.ts';
import { Listener } from '../../src/wire/listener.ts';

const LONGEST_WAIT_MS = 10_000;

/** Rejects when the promise takes longer than any test of this house should. */
export async function soon<T>(what: string, promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`never came: ${what}`)), LONGEST_WAIT_MS);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Goes round the event loop until the condition holds. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + LONGEST_WAIT_MS;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`never so: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

export class HandClock implements Clock {
  #wallMs = Date.UTC(2030, 0, 1);
  #monoMs = 1_000;

  wallMs(): number {
    return this.#wallMs;
  }

  monoMs(): number {
    return this.#monoMs;
  }

  advance(ms: number): void {
    this.#wallMs += ms;
    this.#monoMs += ms;
  }
}

/** A body that the test feeds. */
export class Feed implements OriginBody {
  readonly #parts: BodyPart[] = [];
  #reading: ((part: BodyPart) => void) | undefined;
  aborted = false;
  /** Parts that the cache has taken. */
  taken = 0;

  push(...parts: readonly Buffer[]): this {
    for (const bytes of parts) this.#add({ kind: 'data', bytes });
    return this;
  }

  end(): void {
    this.#add({ kind: 'end' });
  }

  fail(code: FaultCode = 'DECKLE_ORIGIN_RESET'): void {
    this.#add({ kind: 'failed', fault: new Fault(code) });
  }

  get waiting(): boolean {
    return this.#reading !== undefined;
  }

  read(): Promise<BodyPart> {
    assert.equal(this.#reading, undefined, 'one read at a time');
    return new Promise((resolve) => {
      this.#reading = resolve;
      this.#give();
    });
  }

  abort(): void {
    this.aborted = true;
    this.#parts.length = 0;
    this.fail();
  }

  #add(part: BodyPart): void {
    this.#parts.push(part);
    this.#give();
  }

  #give(): void {
    const part = this.#parts[0];
    const reading = this.#reading;
    if (part === undefined || reading === undefined) return;
    this.#reading = undefined;
    if (part.kind === 'data') this.#parts.shift();
    this.taken += 1;
    reading(part);
  }
}

export interface Told {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** The declared length; the length of `body` when that is given and this is left out; null for none. */
  readonly length?: number | null;
  /** Sent whole, then the end. Without it the test feeds what comes. */
  readonly body?: Buffer | string;
}

/** One request at the origin. */
export class Ask {
  readonly request: OriginRequest;
  readonly signal: AbortSignal;
  readonly #resolve: (answer: OriginAnswer) => void;

  constructor(request: OriginRequest, signal: AbortSignal, resolve: (answer: OriginAnswer) => void) {
    this.request = request;
    this.signal = signal;
    this.#resolve = resolve;
    signal.addEventListener('abort', () => this.fail('DECKLE_ORIGIN_RESET'));
  }

  header(name: string): string | undefined {
    return this.request.headers.find((pair) => pair[0] === name)?.[1];
  }

  answer(told: Told = {}): Feed {
    const feed = new Feed();
    const { body } = told;
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    const headers: HeaderList = Object.entries({ 'content-type': 'image/jpeg', ...told.headers });
    const length = told.length === null ? undefined : (told.length ?? bytes?.length);
    this.#resolve({ kind: 'answer', head: { status: told.status ?? 200, headers, length }, body: feed });
    if (bytes !== undefined) {
      if (bytes.length > 0) feed.push(bytes);
      feed.end();
    }
    return feed;
  }

  fail(code: FaultCode): void {
    this.#resolve({ kind: 'failed', fault: new Fault(code) });
  }
}

export class ScriptedOrigin implements Origin {
  readonly name = 'scripted';
  readonly #asks: Ask[] = [];
  readonly #waiting: ((ask: Ask) => void)[] = [];
  /** Answers at once when set; else `next` gives the request to the test. */
  always: ((ask: Ask) => void) | undefined;
  asked = 0;

  fetch(request: OriginRequest, signal: AbortSignal): Promise<OriginAnswer> {
    this.asked += 1;
    return new Promise((resolve) => {
      const ask = new Ask(request, signal, resolve);
      if (this.always !== undefined) this.always(ask);
      else {
        const waiting = this.#waiting.shift();
        if (waiting === undefined) this.#asks.push(ask);
        else waiting(ask);
      }
    });
  }

  /** The oldest request that no test has taken yet. */
  next(): Promise<Ask> {
    const ask = this.#asks.shift();
    if (ask !== undefined) return Promise.resolve(ask);
    return soon('a request at the origin', new Promise((resolve) => this.#waiting.push(resolve)));
  }

  /** Requests that no test has taken. */
  get untaken(): number {
    return this.#asks.length;
  }

  counts() {
    return { busy: 0, waiting: 0 };
  }

  async close(): Promise<void> {}
}

export interface Answered {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  /** The message ended as its framing says. */
  readonly whole: boolean;
}

export interface AskOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly version?: '1.0' | '1.1';
}

/** A client on a socket of its own, one request. */
export class Client {
  readonly socket: Socket;
  readonly #isHead: boolean;
  readonly #changed: (() => void)[] = [];
  #chunks: Buffer[] = [];
  #total = 0;
  #headEnd = 0;
  #ended: 'fin' | 'reset' | undefined;

  constructor(port: number, path: string, options: AskOptions) {
    const { method = 'GET', headers = {}, version = '1.1' } = options;
    this.#isHead = method === 'HEAD';
    const lines = Object.entries({ Host: 'img.test', Connection: 'close', ...headers }).map(
      ([name, value]) => `${name}: ${value}\r\n`,
    );
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('error', () => {
      this.#ended ??= 'reset';
    });
    this.socket.on('end', () => {
      this.#ended ??= 'fin';
    });
    this.socket.on('close', () => {
      this.#ended ??= 'reset';
      this.#tell();
    });
    this.socket.on('data', (bytes: Buffer) => {
      this.#chunks.push(bytes);
      this.#total += bytes.length;
      if (this.#headEnd === 0) {
        const end = this.#bytes().indexOf('\r\n\r\n');
        if (end >= 0) this.#headEnd = end + 4;
      }
      this.#tell();
    });
    this.socket.write(`${method} ${path} HTTP/${version}\r\n${lines.join('')}\r\n`, 'latin1');
  }

  /** Body bytes, framing included, that have come so far. */
  get received(): number {
    return this.#headEnd === 0 ? 0 : this.#total - this.#headEnd;
  }

  get ended(): boolean {
    return this.#ended !== undefined;
  }

  /** Until so many bytes of the body (framing included) are here. */
  async receives(bytes: number): Promise<void> {
    await this.#until(`${bytes} bytes of a body`, () => this.received >= bytes);
  }

  async head(): Promise<Pick<Answered, 'status' | 'headers'>> {
    await this.#until('a head', () => this.#headEnd > 0);
    const [statusLine = '', ...lines] = this.#bytes()
      .toString('latin1', 0, this.#headEnd - 4)
      .split('\r\n');
    const headers = new Map<string, string>();
    for (const line of lines) {
      const colon = line.indexOf(':');
      const name = line.slice(0, colon).toLowerCase();
      const value = line.slice(colon + 1).trim();
      headers.set(name, headers.has(name) ? `${headers.get(name)}, ${value}` : value);
    }
    return { status: Number(statusLine.split(' ')[1]), headers };
  }

  /** The answer, once the connection has ended. */
  async done(): Promise<Answered> {
    await this.#until('the end of an answer', () => this.ended && this.socket.closed);
    const { status, headers } = await this.head();
    const rest = this.#bytes().subarray(this.#headEnd);
    const length = headers.get('content-length');
    const bodiless = this.#isHead || status === 304 || status === 204;
    if (bodiless) return { status, headers, body: rest, whole: rest.length === 0 && this.#ended === 'fin' };
    if (length !== undefined) return { status, headers, body: rest, whole: rest.length === Number(length) };
    if (headers.get('transfer-encoding') !== 'chunked') return { status, headers, body: rest, whole: this.#ended === 'fin' };
    return { status, headers, ...unchunked(rest) };
  }

  /** The client goes away, and does not merely stop sending. */
  leave(): void {
    this.socket.resetAndDestroy();
  }

  #bytes(): Buffer {
    const bytes = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    this.#chunks = [bytes];
    return bytes;
  }

  #tell(): void {
    for (const tell of this.#changed.splice(0)) tell();
  }

  async #until(what: string, condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.#ended !== undefined && this.socket.closed) throw new Error(`the connection ended before ${what}`);
      await soon(what, new Promise<void>((resolve) => this.#changed.push(resolve)));
    }
  }
}

function unchunked(coded: Buffer): { readonly body: Buffer; readonly whole: boolean } {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const line = coded.indexOf('\r\n', at);
    if (line < 0) return { body: Buffer.concat(parts), whole: false };
    const size = Number.parseInt(coded.toString('latin1', at, line), 16);
    if (size === 0) return { body: Buffer.concat(parts), whole: coded.length === line + 4 };
    parts.push(coded.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
}

export interface HouseOptions {
  readonly rules?: Partial<CacheSiteRules>;
  /** Bytes of the memory tier; 0 turns it off. */
  readonly memory?: number;
  readonly fillMemory?: number;
  readonly sendMs?: number;
  /** Requests come from a front of ours. */
  readonly peer?: boolean;
  /** By default no answer is quick. */
  readonly answerToken?: string;
}

const RULES: CacheSiteRules = {
  ttl: { default: 60_000, min: 0, max: 31_536_000_000, status: { 404: 10_000 } },
  grace: { healthy: 10_000, sick: 3_600_000 },
  stale_wait: 3_600_000,
  store: ['image/*'],
  max_object: 8 * 1024 * 1024,
  request_headers: ['accept', 'accept-language', 'user-agent'],
  response_headers: { add: {}, remove: [] },
};

export interface House {
  readonly origin: ScriptedOrigin;
  readonly clock: HandClock;
  readonly flights: Flights;
  readonly passes: Passes;
  readonly budget: FillBudget;
  readonly store: MemoryTier<AnswerFacts> | undefined;
  /** Of every request that has ended, in that order. */
  readonly notes: readonly (NodeNote & { readonly clean: boolean })[];
  /** Why answers were not kept, in order. */
  readonly passed: readonly Reason[];
  ask(path: string, options?: AskOptions): Client;
  /** Asks, and waits for the end of the answer. */
  get(path: string, options?: AskOptions): Promise<Answered>;
  /** Asks, lets the origin answer, waits for the end. */
  fill(path: string, told: Told, options?: AskOptions): Promise<Answered>;
  /** As a purge of the log does. */
  purge(path: string): void;
  close(): Promise<void>;
}

export async function startHouse(options: HouseOptions = {}): Promise<House> {
  const clock = new HandClock();
  const origin = new ScriptedOrigin();
  const memory = options.memory ?? 64 * 1024 * 1024;
  const store =
    memory === 0 ? undefined : new MemoryTier<AnswerFacts>({ maxBytes: memory, maxVariants: 16, variantKeyOf: variantKey });
  const budget = new FillBudget(options.fillMemory ?? 16 * 1024 * 1024);
  const flights = new Flights();
  const passes = new Passes();
  const passed: Reason[] = [];
  const notes: (NodeNote & { readonly clean: boolean })[] = [];
  let purges = 0n;
  const house: FlightHouse = {
    clock,
    store,
    maxKeep: memory,
    budget,
    passes,
    position: () => ({ epoch: '0123456789abcdef', high: 0n, low: purges }),
    originAnswered: () => {},
    originBytes: () => {},
    passed: (reason) => passed.push(reason),
    landed: (flight) => flights.landed(flight),
  };
  const referers = compileReferers({ allow: [], serverNames: [] });
  assert(referers.ok);
  const site: NodeSite = {
    name: 'all',
    hosts: ['*'],
    path: '/',
    index: 0,
    rules: { ...RULES, ...options.rules },
    origin,
    hostInKey: false,
    query: 'ignore',
    guard: referers.guard,
    deny: { status: 403, redirect: undefined },
  };
  const story = new NodeStory({
    name: 'n1',
    clock,
    sites: new SiteTable([site]),
    store,
    flights,
    passes,
    house,
    isPeer: () => options.peer ?? false,
    answerToken: options.answerToken ?? '',
    clientHead: { maxFields: 100, maxBytes: 32 * 1024 },
    position: () => '0'.repeat(48),
    newId: () => 'id-1',
    internal: () => false,
    denied: () => {},
    record: (_x, note, clean) => notes.push({ ...note, clean }),
  });
  const defects: unknown[] = [];
  const listener = new Listener(
    {
      headBytes: 32 * 1024,
      headFields: 100,
      bodyBytes: 1024,
      headMs: 3_600_000,
      idleMs: 3_600_000,
      sendMs: options.sendMs ?? 3_600_000,
      connections: 4096,
    },
    {
      request: (x) => story.request(x),
      refused: (x, fault) => story.refused(x, fault),
      overflow: () => assert.fail('too many connections'),
      defect: (error) => defects.push(error),
    },
    clock,
    '',
  );
  const { port } = await listener.listen({ host: '127.0.0.1', port: 0 });
  const clients = new Set<Client>();
  const made: House = {
    origin,
    clock,
    flights,
    passes,
    budget,
    store,
    notes,
    passed,
    ask: (path, asked = {}) => {
      const client = new Client(port, path, asked);
      clients.add(client);
      return client;
    },
    get: (path, asked) => made.ask(path, asked).done(),
    fill: async (path, told, asked) => {
      const client = made.ask(path, asked);
      (await origin.next()).answer(told);
      return await client.done();
    },
    purge: (path) => {
      const key = `all ${path}`;
      flights.overtake(key);
      passes.forget(key);
      store?.remove(key);
      purges += 1n;
    },
    close: async () => {
      for (const client of clients) client.leave();
      listener.destroy();
      await listener.close();
      flights.cancel();
      await until('no flight is left', () => flights.count === 0);
      assert.equal(budget.used, 0, 'fill memory is given back');
      assert.deepEqual(defects, []);
    },
  };
  return made;
}

/** JPEG by its first bytes, else a pattern that differs at every place and by `seed`. */
export function jpeg(size: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(size);
  let state = seed * 2_654_435_761 + 1;
  for (let at = 0; at < size; at += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    bytes[at] = state >>> 24;
  }
  Buffer.from('ffd8ffe0', 'hex').copy(bytes);
  return bytes;
}
