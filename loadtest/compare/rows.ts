// What is compared: the rows of the table, the servers of each, and how much more than a peer deckle may take.

import type { SetName } from './images.ts';
import type { Traffic } from './plan.ts';
import {
  type Place,
  type Server,
  type ServerName,
  startDeckleFront,
  startDeckleNode,
  startHaproxyCache,
  startHaproxyVarnish,
  startNginxCache,
  startVarnish,
} from './servers.ts';

export interface Row {
  readonly number: number;
  readonly title: string;
  readonly set: SetName;
  /** The first one is what the bounds speak of. */
  readonly traffic: readonly Traffic[];
  readonly subjects: readonly ServerName[];
  /** The most that a subject's processor time per request may be of this peer's. */
  readonly bounds: ReadonlyMap<ServerName, number>;
  /** In the order in which they are started and asked in the first round. */
  readonly start: Starts;
}

type Starts = ReadonlyMap<ServerName, (place: Place) => Promise<Server>>;

/** `front.hot.size` as it is when nobody sets it; 1,000 pictures of 16 KB fit. */
const HOT_MB = 64;

function memoryHit(hotMb: number): Pick<Row, 'traffic' | 'subjects' | 'start'> {
  return {
    traffic: ['rotation', 'repeated'],
    subjects: ['deckle-node', 'deckle-front'],
    start: new Map([
      ['deckle-node', startDeckleNode],
      ['deckle-front', (place) => startDeckleFront(place, hotMb)],
      ['nginx', startNginxCache],
      ['haproxy', startHaproxyCache],
      ['varnish', startVarnish],
    ]),
  };
}

function twoHops(hotMb: number): Pick<Row, 'subjects' | 'start'> {
  return {
    subjects: ['deckle-front'],
    start: new Map([
      ['deckle-front', (place) => startDeckleFront(place, hotMb)],
      ['haproxy-varnish', startHaproxyVarnish],
    ]),
  };
}

export const ROWS: readonly Row[] = [
  {
    ...memoryHit(HOT_MB),
    number: 1,
    title: 'memory hit, 16 KB (deckle: node asked directly; front with hot copies and guard)',
    set: '16k',
    bounds: new Map([
      ['nginx', 1],
      ['haproxy', 1.1],
      ['varnish', 0.65],
    ]),
  },
  {
    // All of them are to be hot.
    ...memoryHit(2 * HOT_MB),
    number: 2,
    title: 'memory hit, 64 KB (64,000 bytes) (deckle: node asked directly; front with hot copies and guard)',
    set: '64k',
    bounds: new Map([
      ['nginx', 1.25],
      ['haproxy', 0.8],
      ['varnish', 0.7],
    ]),
  },
  {
    ...twoHops(0),
    number: 3,
    title: 'two hops, 16 KB, no hot copies (deckle: front and node)',
    set: '16k',
    traffic: ['rotation', 'repeated'],
    bounds: new Map([['haproxy-varnish', 0.85]]),
  },
  {
    ...twoHops(HOT_MB),
    number: 4,
    title: 'two hops, Zipf 0.9 over 2,000 pictures of 4-256 KB, hot copies (deckle: front and node)',
    set: 'zipf',
    traffic: ['zipf'],
    bounds: new Map([['haproxy-varnish', 0.5]]),
  },
];

/** The servers of a row that `wanted` lets in; what was started is closed when one of them fails. */
export async function startServers(row: Row, place: Place, wanted: (name: ServerName) => boolean): Promise<readonly Server[]> {
  const servers: Server[] = [];
  try {
    for (const [name, start] of row.start) if (wanted(name)) servers.push(await start(place));
    return servers;
  } catch (error) {
    await closeServers(servers);
    throw error;
  }
}

export async function closeServers(servers: readonly Server[]): Promise<void> {
  for (const server of servers) await server.close();
}
