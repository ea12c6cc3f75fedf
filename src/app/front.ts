// Composition of a front: guard, ring, links, story, listener. Built in straight lines, stopped in reverse.

import { randomBytes } from 'node:crypto';
import { SiteTable } from '../asset/site.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Position } from '../base/position.ts';
import type { Config } from '../config/schema.ts';
import { ClientReader } from '../front/client.ts';
import { FrontStory } from '../front/handle.ts';
import { RequestHeads } from '../front/heads.ts';
import { HotCopies } from '../front/hot.ts';
import { Joins } from '../front/joins.ts';
import { NodeLink } from '../front/link.ts';
import { QuickReader } from '../front/quick.ts';
import { Ring } from '../front/ring.ts';
import { RequestMeter } from '../metrics/meter.ts';
import { cellsBy, Registry } from '../metrics/registry.ts';
import type { Certificate } from '../wire/certificate.ts';
import { Listener } from '../wire/listener.ts';
import { CertificateTable } from '../wire/tls.ts';
import { createAccessWriter } from './access.ts';
import type { TlsMaterial } from './certificates.ts';
import { connectionsWithin, descriptorLimit } from './descriptors.ts';
import { answerHealth, fullHouse, greetingFailures, listenerEvents, listenerLimits } from './doors.ts';
import { watchLoop } from './loop.ts';
import { frontSites } from './sites.ts';
import { idMaker, type Worker } from './worker.ts';

/** Kept sockets leave before the node closes them. */
const IDLE_SHARE = 0.5;

/**
 * @param position where the purge log stands: what a node says from before it is no copy of ours
 * @param answerToken see app/answer-token.ts
 */
export function createFront(
  config: Config,
  name: string,
  position: Position,
  tls: TlsMaterial,
  answerToken: string,
  clock: Clock,
  log: Log,
): Worker {
  const registry = new Registry(20_000 + config.sites.length * 100);
  const sites = frontSites(config);
  const ring = new Ring(config.nodes, config.front.balance.points);
  const quick = answerToken === '' ? undefined : new QuickReader(answerToken);
  const links = config.nodes.map(
    (node) =>
      new NodeLink(
        node.name,
        {
          host: node.address.host,
          port: node.address.port,
          maxRequests: node.max_connections,
          queueMax: config.front.queue.max,
          queueMs: config.front.queue.timeout,
          connectMs: config.front.timeouts.connect,
          idleMs: config.front.limits.idle_timeout * IDLE_SHARE,
          check: node.check,
          quick,
        },
        clock,
      ),
  );
  const access = createAccessWriter(config.log, name, Math.random, log);
  const meter = new RequestMeter(
    registry,
    'front',
    '',
    sites.map((site) => site.name),
  );
  const retried = cellsBy((node) => registry.cell('deckle_retries_total', { node }));
  const denied = cellsBy((site) => registry.cell('deckle_denied_total', { site, reason: 'referer' }));
  let stopping = false;

  const ready = () => {
    if (stopping) return { ready: false, why: 'stopping' };
    return links.some((link) => !link.avoided) ? { ready: true, why: '' } : { ready: false, why: 'no node answers' };
  };
  const { size, ttl } = config.front.hot;
  const hot =
    size === 0 || ttl === 0 ? undefined : new HotCopies({ maxBytes: size, ttlMs: ttl, position, nowMs: clock.monoMs() });
  const story = new FrontStory({
    clock,
    sites: new SiteTable(sites),
    clients: new ClientReader(config.front.trusted_proxies, config.front.client_ip_header),
    ring,
    links,
    joins: new Joins(),
    hot,
    retries: config.front.retries,
    timeouts: { firstByteMs: config.front.timeouts.first_byte, betweenBytesMs: config.front.timeouts.between_bytes },
    heads: new RequestHeads(
      name,
      config.peers.secret === '' ? '' : `X-Deckle-Peer: ${config.peers.secret}\r\n`,
      config.log.access !== '',
    ),
    newId: idMaker(`${name}-${randomBytes(4).toString('hex')}`),
    internal: (x, path) => answerHealth(x, path, ready),
    retried: (node) => {
      retried(node).value += 1;
    },
    denied: (site) => {
      denied(sites[site]!.name).value += 1;
    },
    record: (x, note, clean) => {
      const ms = clock.monoMs() - x.startMs;
      meter.count(note.site, note.result, x.reply.status, x.reply.bytes, ms / 1000);
      access.line(x, note, ms, clean, { site: sites[note.site]?.name ?? '', node: note.node, tries: note.tries });
    },
  });
  const toNodes = config.nodes.reduce((sum, node) => sum + node.max_connections, 0);
  const connections = connectionsWithin(config.front.limits.connections, toNodes, descriptorLimit());
  const unwelcome = greetingFailures(registry, 'front', log);
  const ticketKeys = Buffer.from(tls.ticketKeys, 'base64');
  let certificates = tls.certificates;
  const tableOf = (of: readonly Certificate[] = []) => (of.length === 0 ? undefined : new CertificateTable(of, ticketKeys));
  const newListener = (at: number) =>
    new Listener(
      listenerLimits({ ...config.front.limits, connections }, config.front.timeouts.send),
      { ...listenerEvents(story, meter, log), unwelcome },
      clock,
      fullHouse('front'),
      { proxyProtocol: config.front.listen[at]!.proxy_protocol, certificates: tableOf(certificates[at]) },
    );
  const listeners: Listener[] = [];

  const shares = ring.shares(links.length);
  registry.gauge('deckle_connections', { role: 'front' }, () =>
    listeners.reduce((sum, listener) => sum + listener.connections, 0),
  );
  for (const [at, link] of links.entries()) {
    registry.gauge('deckle_node_up', { node: link.name }, () => (link.avoided ? 0 : 1));
    registry.gauge('deckle_node_keys_share', { node: link.name }, () => shares[at]!);
  }
  registry.gauge('deckle_cache_bytes', { node: name, tier: 'hot' }, () => hot?.counts().bytes ?? 0);
  registry.gauge('deckle_cache_objects', { node: name, tier: 'hot' }, () => hot?.counts().objects ?? 0);
  const evictions = registry.cell('deckle_evictions_total', { node: name, tier: 'hot' });
  watchLoop(registry, name, clock);

  return {
    name,
    role: 'front',
    listen: async (handles) => {
      if (handles.length > 0) {
        for (const [at, handle] of handles.entries()) {
          const listener = newListener(at);
          listeners.push(listener);
          await listener.listen({ handle });
        }
        return;
      }
      for (const [at, { address }] of config.front.listen.entries()) {
        const listener = newListener(at);
        listeners.push(listener);
        await listener.listen({ host: address.host, port: address.port });
      }
    },
    ready,
    apply: ({ entry, position }) => hot?.apply(entry.target.key, position) ?? 0,
    snapshot: () => {
      evictions.value = hot?.counts().evictions ?? 0;
      return registry.snapshot();
    },
    reopenLogs: () => access.reopen(),
    certify: (renewed) => {
      certificates = renewed;
      for (const [at, listener] of listeners.entries()) {
        const table = tableOf(certificates[at]);
        if (table !== undefined) listener.certify(table);
      }
    },
    stop: async () => {
      stopping = true;
      await Promise.all(listeners.map((listener) => listener.close()));
      for (const link of links) link.close();
      await access.close();
    },
    kill: () => {
      for (const listener of listeners) listener.destroy();
    },
  };
}
