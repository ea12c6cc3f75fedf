// Composition of a front: guard, ring, links, story, listener. Built in straight lines, stopped in reverse.

import { randomBytes } from 'node:crypto';
import { SiteTable } from '../asset/site.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import { ClientReader } from '../front/client.ts';
import { FrontStory } from '../front/handle.ts';
import { Joins } from '../front/joins.ts';
import { NodeLink } from '../front/link.ts';
import { Ring } from '../front/ring.ts';
import { RequestMeter } from '../metrics/meter.ts';
import { cellsBy, Registry } from '../metrics/registry.ts';
import { Listener } from '../wire/listener.ts';
import { createAccessWriter } from './access.ts';
import { connectionsWithin, descriptorLimit } from './descriptors.ts';
import { answerHealth, fullHouse, listenerEvents, listenerLimits } from './doors.ts';
import { watchLoop } from './loop.ts';
import { frontSites } from './sites.ts';
import { idMaker, type Worker } from './worker.ts';

/** Kept sockets leave before the node closes them. */
const IDLE_SHARE = 0.5;

export function createFront(config: Config, name: string, clock: Clock, log: Log): Worker {
  const registry = new Registry(20_000 + config.sites.length * 100);
  const sites = frontSites(config);
  const ring = new Ring(config.nodes, config.front.balance.points);
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
  const story = new FrontStory({
    name,
    clock,
    sites: new SiteTable(sites),
    clients: new ClientReader(config.front.trusted_proxies, config.front.client_ip_header),
    ring,
    links,
    joins: new Joins(),
    retries: config.front.retries,
    timeouts: { firstByteMs: config.front.timeouts.first_byte, betweenBytesMs: config.front.timeouts.between_bytes },
    peerLine: config.peers.secret === '' ? '' : `X-Deckle-Peer: ${config.peers.secret}\r\n`,
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
  const newListener = () =>
    new Listener(
      listenerLimits({ ...config.front.limits, connections }, config.front.timeouts.send),
      listenerEvents(story, meter, log),
      clock,
      fullHouse('front'),
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
  watchLoop(registry, name, clock);

  return {
    name,
    role: 'front',
    listen: async (handles) => {
      if (handles.length > 0) {
        for (const handle of handles) {
          const listener = newListener();
          listeners.push(listener);
          await listener.listen({ handle });
        }
        return;
      }
      for (const { address } of config.front.listen) {
        const listener = newListener();
        listeners.push(listener);
        await listener.listen({ host: address.host, port: address.port });
      }
    },
    ready,
    // Fronts keep no images yet: a record is applied by knowing of it.
    apply: () => 0,
    snapshot: () => registry.snapshot(),
    reopenLogs: () => access.reopen(),
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
