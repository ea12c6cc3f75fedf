// Composition of a cache node: origins, memory tier, flights, story, listener. Built in straight lines, stopped in reverse.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { variantKey } from '../answer/variant.ts';
import { SiteTable } from '../asset/site.ts';
import { isLoopback } from '../base/address.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { formatPosition, type Position } from '../base/position.ts';
import type { Reason } from '../base/reasons.ts';
import type { Bytes } from '../base/units.ts';
import { FillBudget } from '../cache/fill-body.ts';
import type { FlightHouse } from '../cache/flight-contract.ts';
import { Flights } from '../cache/flights.ts';
import { ageSeconds } from '../cache/freshness.ts';
import { NodeStory } from '../cache/handle.ts';
import { Passes } from '../cache/passes.ts';
import type { AnswerFacts } from '../cache/request.ts';
import type { Config } from '../config/schema.ts';
import { STATUS_CLASSES } from '../metrics/catalogue.ts';
import { RequestMeter } from '../metrics/meter.ts';
import { cellsBy, Registry } from '../metrics/registry.ts';
import { MemoryTier } from '../store/memory.ts';
import type { Exchange } from '../wire/connection.ts';
import { Listener } from '../wire/listener.ts';
import type { HeadScanner } from '../wire/scanner.ts';
import { createAccessWriter } from './access.ts';
import { connectionsWithin, descriptorLimit } from './descriptors.ts';
import { answerHealth, fullHouse, listenerEvents, listenerLimits, sendText } from './doors.ts';
import { watchLoop } from './loop.ts';
import { createOrigin } from './origins.ts';
import { nodeSites } from './sites.ts';
import { idMaker, type Worker } from './worker.ts';

/** Variants kept of one source: more than any origin that negotiates sanely has. */
const MAX_VARIANTS = 16;
/** What a front writes into a head beside the peers' secret, so that a head it takes is not too much for us. */
const FRONT_LINES = 4;
const FRONT_BYTES: Bytes = 4 * 1024;
/** Files that a directory has open for bodies in flight: an estimate, they have no limit of their own. */
const MOST_FILES = 256;

/**
 * @param name     of a node in the config
 * @param position where the purge log stands: what is fetched from now on is newer
 * @param answerToken see app/answer-token.ts
 */
export function createNode(
  config: Config,
  name: string,
  position: Position,
  answerToken: string,
  clock: Clock,
  log: Log,
): Worker {
  const options = config.nodes.find((node) => node.name === name);
  if (options === undefined) throw new Error(`no node is called ${name}`);
  const registry = new Registry(20_000 + config.sites.length * 100);
  const origins = new Map(config.origins.map((origin) => [origin.name, createOrigin(origin, clock)]));
  const sites = nodeSites(config, origins);
  const store =
    options.memory === 0
      ? undefined
      : new MemoryTier<AnswerFacts>({ maxBytes: options.memory, maxVariants: MAX_VARIANTS, variantKeyOf: variantKey });
  // A quarter of the memory tier, and never too little for one image of the largest size that is kept.
  const largest = Math.max(...config.sites.map((site) => site.max_object));
  const budget = new FillBudget(Math.max(Math.floor(options.memory / 4), largest));
  const flights = new Flights();
  const passes = new Passes();
  const access = createAccessWriter(config.log, name, Math.random, log);
  const meter = new RequestMeter(
    registry,
    'node',
    name,
    sites.map((site) => site.name),
  );
  const passed = cellsBy((reason: Reason) => registry.cell('deckle_pass_total', { node: name, reason }));
  const denied = cellsBy((site) => registry.cell('deckle_denied_total', { site, reason: 'referer' }));
  const originBytes = cellsBy((origin) => registry.cell('deckle_origin_bytes_total', { origin }));
  let applied = position;
  let appliedText = formatPosition(position);
  let stopping = false;

  const house: FlightHouse = {
    clock,
    store,
    maxKeep: options.memory,
    budget,
    passes,
    position: () => applied,
    originAnswered: (origin, status) => {
      const status_class = STATUS_CLASSES[status === undefined ? 4 : Math.min(4, Math.floor(status / 100) - 1)]!;
      registry.cell('deckle_origin_requests_total', { origin, status_class }).value += 1;
    },
    originBytes: (origin, bytes) => {
      originBytes(origin).value += bytes;
    },
    passed: (reason) => {
      passed(reason).value += 1;
    },
    landed: (flight) => flights.landed(flight),
  };

  const isPeer = peerCheck(config.peers.secret);
  const ready = () => (stopping ? { ready: false, why: 'stopping' } : { ready: true, why: '' });
  const story = new NodeStory({
    name,
    clock,
    sites: new SiteTable(sites),
    store,
    flights,
    passes,
    house,
    isPeer,
    answerToken,
    clientHead: { maxFields: config.front.limits.headers, maxBytes: config.front.limits.header_size },
    position: () => appliedText,
    newId: idMaker(`${name}-${randomBytes(4).toString('hex')}`),
    internal: (x, path, peer) => {
      if (answerHealth(x, path, ready)) return true;
      if (path !== '/-/object' || !peer) return false;
      sendText(x, 200, JSON.stringify(describe(x.head.target)), 'application/json; charset=utf-8');
      return true;
    },
    denied: (site) => {
      denied(sites[site]!.name).value += 1;
    },
    record: (x, note, clean) => {
      const ms = clock.monoMs() - x.startMs;
      meter.count(note.site, note.result, x.reply.status, x.reply.bytes, ms / 1000);
      access.line(x, note, ms, clean, { site: sites[note.site]?.name ?? '' });
    },
  });
  const { headers, header_size, connections } = config.front.limits;
  const roomier = {
    ...config.front.limits,
    connections: connectionsWithin(connections, descriptorsOf(config.origins), descriptorLimit()),
    headers: headers + FRONT_LINES,
    // A space behind each colon too.
    header_size: header_size + FRONT_BYTES + config.peers.secret.length + headers,
  };
  const listener = new Listener(
    listenerLimits(roomier, config.front.timeouts.send),
    listenerEvents(story, meter, log),
    clock,
    fullHouse(name),
  );

  // What is stored under a source key: for `deckle where`.
  function describe(target: string): object {
    const key = new URLSearchParams(target.slice(target.indexOf('?') + 1)).get('key') ?? '';
    const answer = store?.find(key, () => undefined);
    if (answer === undefined) return { tier: null, variants: store?.variants(key) ?? 0 };
    const { freshness } = answer.facts;
    const age = ageSeconds(freshness, clock.wallMs());
    return {
      tier: 'memory',
      variants: store?.variants(key) ?? 0,
      status: answer.status,
      bytes: answer.body.length,
      age,
      ttl: Math.floor(freshness.lifetimeMs / 1000) - age,
    };
  }

  registry.gauge('deckle_connections', { role: 'node' }, () => listener.connections);
  registry.gauge('deckle_fills', { node: name }, () => flights.count);
  registry.gauge('deckle_fill_bytes', { node: name }, () => budget.used);
  registry.gauge('deckle_cache_bytes', { node: name, tier: 'memory' }, () => store?.counts().bytes ?? 0);
  registry.gauge('deckle_cache_objects', { node: name, tier: 'memory' }, () => store?.counts().objects ?? 0);
  const evictions = registry.cell('deckle_evictions_total', { node: name, tier: 'memory' });
  for (const [origin, made] of origins) registry.gauge('deckle_origin_busy', { origin }, () => made.counts().busy);
  watchLoop(registry, name, clock);

  return {
    name,
    role: 'node',
    listen: async () => {
      await listener.listen({ host: options.listen.host, port: options.listen.port });
    },
    ready,
    apply: (record) => {
      const { target } = record.entry;
      flights.overtake(target.key);
      passes.forget(target.key);
      const removed = store?.remove(target.key) ?? 0;
      applied = record.position;
      appliedText = formatPosition(applied);
      return removed;
    },
    snapshot: () => {
      evictions.value = store?.counts().evictions ?? 0;
      return registry.snapshot();
    },
    reopenLogs: () => access.reopen(),
    certify: () => {},
    stop: async () => {
      stopping = true;
      await listener.close();
      flights.cancel();
      await Promise.all([...origins.values()].map((origin) => origin.close()));
      await access.close();
    },
    kill: () => listener.destroy(),
  };
}

/** What origins may hold open at a time. */
function descriptorsOf(origins: Config['origins']): number {
  return origins.reduce(
    (sum, origin) => sum + (origin.kind === 'http' ? origin.connections * origin.urls.length : MOST_FILES),
    0,
  );
}

/**
 * Whether a request comes from a front of ours: it has the right secret; where none is set, it comes from loopback and says so.
 * Whoever does not say so is a client, even on loopback, so that another proxy on this machine opens no door.
 */
function peerCheck(secret: string): (x: Exchange) => boolean {
  // A front asks again and again over one connection: what was found out about it stands for as long as that.
  const known = new WeakSet<HeadScanner>();
  if (secret === '') {
    return (x) => {
      if (x.head.get('x-deckle-from') === undefined) return false;
      if (!known.has(x.head) && isLoopback(x.peerAddress)) known.add(x.head);
      return known.has(x.head);
    };
  }
  const expected = digest(secret);
  return (x) => {
    const given = x.head.get('x-deckle-peer');
    if (given === undefined || x.head.lines('x-deckle-peer') !== 1) return false;
    // Who has said the secret before learns nothing from how long this takes.
    if (known.has(x.head)) return given === secret;
    if (!timingSafeEqual(digest(given), expected)) return false;
    known.add(x.head);
    return true;
  };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
