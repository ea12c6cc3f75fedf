// Line 8: many large fills at once, and many clients on a body that outgrows what may be kept, within the memory that the config
// allows: that of the tier, that of fills (a quarter of it, at least one image of the largest size), a window per pass.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { crowd, type Fetched } from '../../support/crowd.ts';
import { type Edge, startEdge, until } from '../../support/edge.ts';
import { atMost, exactly, type Line, type Row, type Scale } from '../line.ts';

const KB = 1024;
const MB = 1024 * KB;

interface Size {
  readonly fills: number;
  readonly fillBytes: number;
  readonly followers: number;
  /** Bodies that outgrow 1 MB. */
  readonly grown: readonly number[];
  readonly mostMs: number;
}

const SIZES: Readonly<Record<Scale, Size>> = {
  full: { fills: 64, fillBytes: 64 * MB, followers: 500, grown: [8 * MB, 64 * MB], mostMs: 600_000 },
  bounded: { fills: 8, fillBytes: 16 * MB, followers: 60, grown: [8 * MB], mostMs: 60_000 },
};

/** 64 MB of images, 64 MB of fills, 64 windows of 256 KB and two slices for each client of 500, and 120 MB for the process. */
const MOST_NODE_BYTES = (64 + 64 + 16 + 63 + 120) * MB;

export const line: Line = {
  number: 8,
  title: 'large fills at once, and bodies that outgrow max_object, in bounded memory',
  measure: async (scale) => {
    const size = SIZES[scale];
    return [...(await manyFills(size)), ...(await outgrown(size))];
  },
};

async function manyFills(size: Size): Promise<readonly Row[]> {
  const origin = await startLarge((path) => ({ bytes: size.fillBytes, declared: path !== '' }));
  const edge = await startEdge(config(origin.port, '64MB'));
  try {
    const asked = crowd(edge.frontPort, size.fills, (at) => `/${at}.jpg`, size.mostMs);
    await until('all fills are at the origin', () => origin.held() === size.fills, size.mostMs);
    origin.release();
    const answers = await asked;
    const good = answers.filter((each, at) => each.whole && each.sha256 === sha256(`/${at}.jpg`, size.fillBytes));
    const what = `${size.fills} fills of ${size.fillBytes / MB} MB`;
    return [
      exactly(`${what}: whole bodies, equal by hash`, good.length, size.fills),
      atMost(`${what}: peak memory of the node`, await peakMB(edge), MOST_NODE_BYTES / MB, ' MB'),
      exactly(`${what}: fill memory given back`, await edge.metric('deckle_fill_bytes'), 0),
    ];
  } finally {
    await edge.close();
    await origin.close();
  }
}

async function outgrown(size: Size): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const bytes of size.grown) {
    const origin = await startLarge(() => ({ bytes, declared: false }));
    const edge = await startEdge(config(origin.port, '1MB'));
    try {
      const asked = crowd(edge.nodePorts['n1']!, size.followers, () => '/grown.jpg', size.mostMs);
      await until(
        'all clients are at the node',
        async () => (await edge.metric('deckle_connections', { role: 'node' })) >= size.followers && origin.held() > 0,
        size.mostMs,
      );
      origin.release();
      const answers = await asked;
      const wanted = sha256('/grown.jpg', bytes);
      const whole = answers.filter((each) => each.whole);
      const wrong = whole.filter((each) => each.sha256 !== wanted || each.status !== 200);
      const what = `${size.followers} clients of ${bytes / MB} MB that outgrow 1 MB`;
      rows.push(
        exactly(`${what}: wrong bytes behind a clean end`, wrong.length, 0),
        exactly(`${what}: whole + cut`, `${whole.length} + ${cut(answers).length}`, `${size.followers} + 0`),
        exactly(`${what}: origin requests`, origin.requests(), 1),
        atMost(`${what}: peak memory of the node`, await peakMB(edge), MOST_NODE_BYTES / MB, ' MB'),
        exactly(`${what}: fill memory given back`, await edge.metric('deckle_fill_bytes'), 0),
      );
    } finally {
      await edge.close();
      await origin.close();
    }
  }
  return rows;
}

function cut(answers: readonly Fetched[]): readonly Fetched[] {
  return answers.filter((each) => !each.whole);
}

function config(port: number, maxObject: string) {
  return {
    nodes: 1,
    config: {
      origins: { store: { urls: [`http://127.0.0.1:${port}`], timeouts: { first_byte: '60s', between_bytes: '60s' } } },
      sites: [{ hosts: ['*'], origin: 'store', max_object: maxObject }],
    },
  };
}

/** Peak of the resident memory of the node, in MB. */
async function peakMB(edge: Edge): Promise<number> {
  const status = readFileSync(`/proc/${await edge.pid('n1')}/status`, 'utf8');
  return Math.round(Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / KB);
}

/** The same block again and again, but for the first, which is of the path: no body has to be held whole. */
function block(path: string, at: number): Buffer {
  const seed = at === 0 ? path : 'rest';
  const bytes = createHash('shake256', { outputLength: 64 * KB })
    .update(seed)
    .digest();
  if (at === 0) Buffer.from('ffd8ffe0', 'hex').copy(bytes);
  return bytes;
}

const REST = block('', 1);

function sha256(path: string, length: number): string {
  const hash = createHash('sha256').update(block(path, 0));
  for (let sent = REST.length; sent < length; sent += REST.length) hash.update(REST);
  return hash.digest('hex');
}

interface LargeOrigin {
  readonly port: number;
  requests(): number;
  /** Requests that wait for `release`. */
  held(): number;
  release(): void;
  close(): Promise<void>;
}

async function startLarge(
  sizeOf: (path: string) => { readonly bytes: number; readonly declared: boolean },
): Promise<LargeOrigin> {
  let requests = 0;
  let held = 0;
  const open = Promise.withResolvers<void>();
  const server: Server = createServer(async (request, response) => {
    const path = request.url ?? '';
    requests += 1;
    held += 1;
    await open.promise;
    const { bytes, declared } = sizeOf(path);
    response.setHeader('content-type', 'image/jpeg');
    if (declared) response.setHeader('content-length', bytes);
    await send(response, path, bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    requests: () => requests,
    held: () => held,
    release: open.resolve,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function send(response: ServerResponse, path: string, length: number): Promise<void> {
  for (let sent = 0; sent < length && !response.destroyed; sent += REST.length) {
    if (response.write(sent === 0 ? block(path, 0) : REST)) continue;
    await new Promise<void>((resolve) => {
      const go = (): void => {
        response.off('drain', go);
        response.off('close', go);
        resolve();
      };
      response.on('drain', go);
      response.on('close', go);
    });
  }
  response.end();
}
