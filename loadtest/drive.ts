// Drives an edge with autocannon (its only importer) and watches every answer: status, declared length, whether it came whole.
// Promises: kept-alive connections with the heads of four browsers, one request at a time on each; a run ends after `seconds`,
// or a second after MAX_ERRORS errors. An answer that breaks off is an error, also where autocannon only opens a new connection.

import type { EventEmitter } from 'node:events';
import autocannon, { type Client, type Request } from 'autocannon';
import { Latencies } from './latencies.ts';
import type { Target } from './targets.ts';

export interface DriveOptions {
  readonly url: string;
  readonly seconds: number;
  readonly connections: number;
  /** The targets in the order in which connection `index` asks for them, over and over; `length` of them or fewer. */
  readonly sequence: (index: number, length: number) => readonly Target[];
}

export interface DriveResult {
  readonly requests: number;
  readonly seconds: number;
  readonly requestsPerSecond: number;
  readonly bytesPerSecond: number;
  readonly latencies: Latencies;
  /** Requests that got no whole answer: refused, reset, timed out, broken off. */
  readonly errors: number;
  readonly non2xx: number;
  /** Whole answers with 200 and another length than the picture has. */
  readonly wrongLength: number;
}

const MAX_ERRORS = 1_000;
const MAX_REQUESTS_BUILT = 65_536;
const MAX_SEQUENCE = 4_096;

const BROWSERS = [
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36',
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0',
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Safari/605.1.15',
  'Mozilla/5.0 (Linux; Android 16; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36',
];
const ACCEPT = 'image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8';

/** What autocannon hands to `headers` listeners; its types say otherwise. */
interface AnswerHead {
  readonly statusCode: number;
  /** Names and values in turn. */
  readonly headers: readonly string[];
}

interface Tally {
  readonly latencies: Latencies;
  /** Path to the length its answers have. */
  readonly lengths: Map<string, number>;
  errors: number;
  non2xx: number;
  wrongLength: number;
  bytes: number;
}

export async function drive(options: DriveOptions): Promise<DriveResult> {
  const tally: Tally = { latencies: new Latencies(), lengths: new Map(), errors: 0, non2xx: 0, wrongLength: 0, bytes: 0 };
  const requestOf = requestTable(options.url);
  const length = Math.max(1, Math.min(MAX_SEQUENCE, Math.floor(MAX_REQUESTS_BUILT / options.connections)));
  let clients = 0;
  const beganMs = performance.now();
  const run = autocannon({
    url: options.url,
    connections: options.connections,
    duration: options.seconds,
    bailout: MAX_ERRORS,
    setupClient: (client) => {
      const index = clients++;
      const sequence = options.sequence(index, length).slice(0, length);
      client.setRequests(sequence.map((target) => requestOf(index % BROWSERS.length, target.path)));
      keepNoBodies(client);
      watch(client, sequence, tally);
    },
  });
  await run;
  const seconds = (performance.now() - beganMs) / 1000;
  const { latencies, errors, non2xx, wrongLength } = tally;
  const requests = latencies.count;
  return {
    requests,
    seconds,
    requestsPerSecond: requests / seconds,
    bytesPerSecond: tally.bytes / seconds,
    latencies,
    errors,
    non2xx,
    wrongLength,
  };
}

/** One request object for each browser and path: connections share them, so that their bytes are kept once. */
function requestTable(url: string): (browser: number, path: string) => Request {
  const table = new Map<string, Request>();
  return (browser, path) => {
    const key = `${browser} ${path}`;
    const known = table.get(key);
    if (known !== undefined) return known;
    const request: Request = { method: 'GET', path, headers: browserHeaders(BROWSERS[browser]!, url) };
    table.set(key, request);
    return request;
  };
}

function browserHeaders(agent: string, url: string): Record<string, string> {
  return {
    'User-Agent': agent,
    Accept: ACCEPT,
    'Accept-Language': 'en-GB,en;q=0.9,de;q=0.7',
    'Accept-Encoding': 'gzip, deflate, br, zstd',
    Referer: `${url}/`,
    'Sec-Fetch-Dest': 'image',
    'Sec-Fetch-Mode': 'no-cors',
    'Sec-Fetch-Site': 'same-origin',
  };
}

/**
 * autocannon gathers every body as text for checks that are not made here; for pictures that is most of its work.
 * Reaches into the client: where a later version looks otherwise inside, nothing changes but the speed.
 */
function keepNoBodies(client: Client): void {
  const queue = (client as { pipelinedRequests?: { addBody?: (data: Buffer) => void } }).pipelinedRequests;
  if (queue?.addBody !== undefined) queue.addBody = () => {};
}

/** A connection asks for its sequence in order, so the number of requests it has begun names the target of the answer. */
function watch(client: Client, sequence: readonly Target[], tally: Tally): void {
  let begun = 0;
  let waiting = false;
  let declared = -1;
  const events: EventEmitter = client; // its types do not know of `request`
  events.on('request', () => {
    if (waiting) tally.errors += 1; // it begins another one although the last got no whole answer
    waiting = true;
    declared = -1;
    begun += 1;
  });
  client.on('headers', (head) => {
    declared = declaredLength(head as unknown as AnswerHead);
  });
  client.on('response', (status, _headAndBodyBytes, responseMs) => {
    waiting = false;
    tally.latencies.add(responseMs);
    const target = sequence[(begun - 1) % sequence.length];
    if (status < 200 || status > 299) tally.non2xx += 1;
    else if (target !== undefined && !rightLength(target, declared, tally.lengths)) tally.wrongLength += 1;
    tally.bytes += Math.max(0, declared);
  });
}

/** The parser holds an answer to its Content-Length, so the declared length of a whole answer is its length. */
function declaredLength({ headers }: AnswerHead): number {
  for (let i = 0; i + 1 < headers.length; i += 2) {
    if (headers[i]!.toLowerCase() === 'content-length') return Number(headers[i + 1]);
  }
  return -1;
}

function rightLength(target: Target, declared: number, lengths: Map<string, number>): boolean {
  const expected = target.bytes ?? lengths.get(target.path);
  if (expected !== undefined) return declared === expected;
  lengths.set(target.path, declared);
  return true;
}
