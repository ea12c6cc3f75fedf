// Line 2: one image, one node. What the cluster fetches, and what moves when a node leaves.

import { Agent } from 'node:http';
import { Ring, type RingMember } from '../../../src/front/ring.ts';
import { startOrigin, type TestOrigin } from '../../support/bad-origin.ts';
import { decidedBy, inParallel, take } from '../../support/client.ts';
import { type Edge, freePorts, startEdge } from '../../support/edge.ts';
import { exactly, type Line, type Row, type Scale } from '../line.ts';

const URLS = { full: 10_000, bounded: 600 } as const;
const WIDTH = 32;
const BODY = 2_048;

const WEIGHTS: readonly (readonly number[])[] = [
  [100, 100, 100],
  [100, 50, 200],
];

export const line: Line = {
  number: 2,
  title: 'each image is fetched once in the whole cluster; a node that leaves moves only its keys',
  measure,
};

async function measure(scale: Scale): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const weights of WEIGHTS) rows.push(...(await cluster(weights, URLS[scale])));
  return rows;
}

function path(at: number): string {
  return `/album-${at % 17}/${at}.jpg`;
}

async function cluster(weights: readonly number[], urls: number): Promise<readonly Row[]> {
  const origin = await startOrigin({ size: () => BODY, headers: { 'cache-control': 'max-age=3600' } });
  const ports = await freePorts(weights.length);
  const nodes = weights.map((weight, at) => ({
    name: `n${at + 1}`,
    address: `127.0.0.1:${ports[at]}`,
    weight,
    memory: '256MB',
  }));
  const label = `weights ${weights.join(' ')}`;
  try {
    const three = await withEdge(origin, nodes, async (edge) => {
      const first = await askAll(edge, origin, urls);
      const fetched = origin.total();
      const most = Math.max(...origin.counts.values());
      const second = await askAll(edge, origin, urls);
      return { first, fetched, most, second, again: origin.total() - fetched };
    });
    const two = await withEdge(origin, nodes.slice(0, 2), (edge) => askAll(edge, origin, urls));

    const owners = three.first.owners;
    const moved = owners.filter((owner, at) => owner !== 'n3' && two.owners[at] !== owner).length;
    return [
      exactly(`${label}: wrong answers to ${2 * urls} requests`, three.first.wrong + three.second.wrong, 0),
      exactly(`${label}: fetches of ${urls} images`, three.fetched, urls),
      exactly(`${label}: most fetches of one image`, three.most, 1),
      exactly(`${label}: fetches when all are asked for again`, three.again, 0),
      exactly(`${label}: images that came from another node than the ring names`, differing(nodes, owners), 0),
      exactly(`${label}: images that another node answered the second time`, differences(owners, three.second.owners), 0),
      exactly(`${label}: wrong answers of the two nodes that stay`, two.wrong, 0),
      exactly(`${label}: images of n1 and n2 that moved when n3 left`, moved, 0),
      {
        asked: `${label}: images of n3, by its share of the weights: ${percent(weights[2]! / sum(weights))}`,
        reached: percent(owners.filter((owner) => owner === 'n3').length / urls),
        ok: Math.abs(owners.filter((owner) => owner === 'n3').length / urls - weights[2]! / sum(weights)) < 0.06,
      },
    ];
  } finally {
    await origin.close();
  }
}

async function withEdge<T>(
  origin: TestOrigin,
  nodes: readonly { readonly [key: string]: string | number }[],
  work: (edge: Edge) => Promise<T>,
): Promise<T> {
  const edge = await startEdge({
    nodes: 0,
    config: {
      nodes,
      // Every request is to reach the node that the ring names.
      front: { hot: { size: 0 } },
      origins: { store: { urls: [origin.url] } },
      sites: [{ name: 'all', hosts: ['*'], path: '/', origin: 'store' }],
    },
  });
  try {
    return await work(edge);
  } finally {
    await edge.close();
  }
}

interface Answers {
  readonly owners: readonly string[];
  readonly wrong: number;
}

async function askAll(edge: Edge, origin: TestOrigin, urls: number): Promise<Answers> {
  const agent = new Agent({ keepAlive: true, maxSockets: WIDTH });
  try {
    const answers = await inParallel(urls, WIDTH, async (at) => {
      const answer = await take(`${edge.front}${path(at)}`, { agent });
      const right = answer.fate === 'whole' && answer.status === 200 && answer.sha256 === origin.sha256(path(at));
      return { owner: decidedBy(answer.headers), right };
    });
    return { owners: answers.map(({ owner }) => owner), wrong: answers.filter(({ right }) => !right).length };
  } finally {
    agent.destroy();
  }
}

/** Against the ring itself, made of the same list. */
function differing(nodes: readonly RingMember[], owners: readonly string[]): number {
  const ring = new Ring(nodes, 1024);
  return owners.filter((owner, at) => nodes[ring.owner(`all ${path(at)}`)]!.name !== owner).length;
}

function differences(one: readonly string[], two: readonly string[]): number {
  return one.filter((owner, at) => owner !== two[at]).length;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
