// What the fuzz feeds: heads as they are written by hand, by known agents and by attackers, and changes of these.
// Promises: the same seed gives the same inputs.

import { readFileSync } from 'node:fs';
import { CASES } from '../accept/end-to-end/07-malformed.ts';

/** A head as an agent sends it, and what an edge owes it. */
export interface RecordedHead {
  readonly name: string;
  readonly status: number;
  /** Without line ends. */
  readonly lines: readonly string[];
}

export const RECORDED: readonly RecordedHead[] = JSON.parse(
  readFileSync(new URL('../fixtures/recorded-heads.json', import.meta.url), 'utf8'),
);

export function headText({ lines }: RecordedHead): string {
  return `${lines.join('\r\n')}\r\n\r\n`;
}

const GOOD = [
  'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /p/a.jpg?w=1&h=%20 HTTP/1.1\r\nHost: www.example.com:8080\r\nAccept: image/avif,*/*;q=0.8\r\nUser-Agent: x (y; z)\r\n\r\n',
  'HEAD /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
  'POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n',
  'PUT /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, close\r\nUpgrade: h2c\r\nExpect: 100-continue\r\n\r\n',
  'DELETE /x HTTP/1.1\r\nhost:a\r\nX:\t\xe9 \t\r\nX: \r\nIf-None-Match: "a", W/"b"\r\nCookie: a=b; c=d\r\n\r\n',
  'OPTIONS * HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1\r\nReferer: http://b/\r\n\r\n',
  'GET http://a/b HTTP/1.1\r\nHost: a\r\nProxy-Connection: x\r\n\r\n',
];
/** More than one message: where one ends and the next begins is what smuggling is about. */
const PIPELINES = [
  'GET /1 HTTP/1.1\r\nHost: a\r\n\r\nHEAD /2 HTTP/1.1\r\nHost: b\r\n\r\nGET /3 HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n',
  'GET /1 HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET /2 HTTP/1.1\r\nHost: b\r\n\r\n',
  'GET /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 35\r\n\r\nGET /inside HTTP/1.1\r\nHost: inside\r\n\r\nGET /2 HTTP/1.1\r\nHost: b\r\n\r\n',
  'POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET /2 HTTP/1.1\r\nHost: b\r\n\r\n',
  'GET /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\nGET /2 HTTP/1.1\r\nHost: b\r\n\r\n',
  'GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /2 HTTP/1.0\r\n\r\n',
];
const PIECES = [
  ...['\r\n', '\r', '\n', ' ', '\t', ':', ',', ';', '\0', '\x0b', '\x7f', '\x80', '\xff', '"', '#', '%', '\\', '/', '?', '*'],
  ...['HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', 'GET ', 'POST ', 'PURGE ', 'Host: b\r\n', 'Host:', 'X: y\r\n', ' folded\r\n'],
  ...['Content-Length: 3\r\n', 'content-length: 0\r\n', 'Content-Length:', '1', '007', '+1', '0x1', '1e1', '1, 1', '-'],
  ...['Transfer-Encoding: chunked\r\n', 'Transfer-Encoding: identity\r\n', 'transfer-encoding:', 'chunked', ', chunked', 'gzip'],
  ...['Connection: close\r\n', 'Connection: keep-alive\r\n', 'Upgrade: websocket\r\nConnection: upgrade\r\n', 'Expect: x\r\n'],
];
/** Longer ones are limits, which have tests of their own. */
const LONGEST_SEED = 4000;

const OWN: readonly string[] = [
  ...GOOD,
  ...GOOD,
  ...PIPELINES,
  ...CASES.map(({ bytes }) => bytes.toString('latin1')).filter((text) => text.length < 2000),
];
const AGENTS: readonly string[] = RECORDED.map(headText).filter((text) => text.length < LONGEST_SEED);
/** One input of so many comes from an agent: these heads are long, and most rules show in short ones. */
const AGENT_EVERY = 5;

export type Random = (below: number) => number;

/** mulberry32 */
export function randoms(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** The `at`th input: every seed as it stands first, then changes of them. Latin-1 text. */
export function inputAt(at: number, random: Random): string {
  if (at < OWN.length) return OWN[at]!;
  if (at < OWN.length + AGENTS.length) return AGENTS[at - OWN.length]!;
  const seeds = at % AGENT_EVERY === 0 && AGENTS.length > 0 ? AGENTS : OWN;
  return mutate(seeds[random(seeds.length)]!, random);
}

/** One to four changes: a piece put in, put over something or taken out, a byte of another value, a line moved or doubled. */
function mutate(text: string, random: Random): string {
  let changed = text;
  for (let times = 1 + random(4); times > 0; times -= 1) {
    const at = random(changed.length + 1);
    const piece = PIECES[random(PIECES.length)]!;
    const kind = random(7);
    if (kind === 0) changed = changed.slice(0, at) + piece + changed.slice(at);
    else if (kind === 1) changed = changed.slice(0, at) + piece + changed.slice(at + piece.length);
    else if (kind === 2) changed = changed.slice(0, at) + changed.slice(at + 1 + random(3));
    else if (kind === 3) changed = changed.slice(0, at) + String.fromCharCode(random(256)) + changed.slice(at + 1);
    else {
      // A whole line behind the first: fields are what most rules are about.
      const lines = changed.split('\r\n');
      const line = 1 + random(Math.max(1, lines.length - 2));
      if (kind === 4) lines.splice(line, 0, piece.trimEnd());
      else if (kind === 5) lines.splice(line, 0, lines[random(lines.length)]!);
      else lines[line] = (lines[line] ?? '') + piece.trimEnd();
      changed = lines.join('\r\n');
    }
  }
  return changed;
}

/** `bytes` in two to nine pieces, or byte by byte now and then. */
export function pieces(bytes: Buffer, random: Random): readonly Buffer[] {
  if (bytes.length < 2) return [bytes];
  if (random(8) === 0) return Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));
  const cuts = Array.from({ length: 1 + random(8) }, () => 1 + random(bytes.length - 1)).toSorted((a, b) => a - b);
  return [0, ...cuts].map((from, at) => bytes.subarray(from, cuts[at] ?? bytes.length)).filter((piece) => piece.length > 0);
}
