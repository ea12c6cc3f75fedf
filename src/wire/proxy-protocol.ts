// The header with which a balancer says whom it speaks for: PROXY protocol, versions 1 (a line) and 2 (binary), as in HAProxy's
// proxy-protocol.txt. Read before anything else of a connection.
// Promises: the same verdict wherever the bytes are split; no more than the addresses is kept, TLVs are counted and dropped.
// Refuses: anything that is not exactly such a header, at the first byte that cannot belong to one.

import { isIPv4, isIPv6, SocketAddress } from 'node:net';
import type { Bytes } from '../base/units.ts';

export type ProxyRead =
  | { readonly kind: 'more' }
  | { readonly kind: 'bad' }
  /** `source` undefined: the balancer speaks for itself (LOCAL) or cannot say (UNKNOWN): the socket's own address holds. */
  | { readonly kind: 'done'; readonly source: string | undefined; readonly rest: Buffer };

const MORE: ProxyRead = { kind: 'more' };
const BAD: ProxyRead = { kind: 'bad' };

const START_1 = Buffer.from('PROXY ');
const START_2 = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** "a 108-byte buffer is always enough to store all the line and a trailing zero" */
const LONGEST_LINE: Bytes = 107;
/** Signature, version and command, family and protocol, length. */
const FIXED_2: Bytes = 16;
/** Two IPv6 addresses and two ports: nothing behind them is looked at. */
const ADDRESSES_2: Bytes = 36;

const LF = 10;
const UNKNOWN = 'UNKNOWN';
/** "heading zeroes are not permitted" */
const PORT = /^(?:0|[1-9]\d{0,4})$/;

export class ProxyHeader {
  readonly #held = Buffer.alloc(Math.max(LONGEST_LINE, FIXED_2 + ADDRESSES_2));
  #have: Bytes = 0;
  /** Of version 2: bytes behind those that are kept. */
  #skip: Bytes = 0;
  #done: { readonly source: string | undefined } | undefined;

  /** The next bytes of the connection. Not to be called again after `done` or `bad`. */
  read(chunk: Buffer): ProxyRead {
    let at = 0;
    while (this.#done === undefined) {
      if (at === chunk.length) return MORE;
      this.#held[this.#have] = chunk[at]!;
      this.#have += 1;
      at += 1;
      if (!this.#look()) return BAD;
    }
    const skipped = Math.min(this.#skip, chunk.length - at);
    this.#skip -= skipped;
    if (this.#skip > 0) return MORE;
    return { kind: 'done', source: this.#done.source, rest: chunk.subarray(at + skipped) };
  }

  /** At each byte: false when no header begins like this. */
  #look(): boolean {
    const last = this.#have - 1;
    const start = this.#held[0] === START_1[0] ? START_1 : START_2;
    if (last < start.length) return this.#held[last] === start[last];
    return start === START_1 ? this.#lookAtLine(last) : this.#lookAtBinary();
  }

  #lookAtLine(last: number): boolean {
    if (this.#held[last] !== LF) return this.#have < LONGEST_LINE;
    const line = this.#held.toString('latin1', START_1.length, last);
    if (!line.endsWith('\r')) return line.startsWith(UNKNOWN);
    const source = sourceOfLine(line.slice(0, -1));
    if (source !== undefined) this.#done = { source: source === '' ? undefined : source };
    return source !== undefined;
  }

  #lookAtBinary(): boolean {
    if (this.#have < FIXED_2) return true;
    const command = this.#held[12]!;
    const family = this.#held[13]!;
    const length = this.#held.readUInt16BE(14);
    // "the highest four bits contain the version. ... must always be sent as \x2"; "other values are unassigned and must not be
    // emitted by senders. Receivers must drop connections presenting unexpected values here".
    if (command !== 0x20 && command !== 0x21) return false;
    // LOCAL: "discard the protocol block including the family which is ignored".
    const isLocal = command === 0x20;
    // "other values are unspecified and must not be emitted in version 2 of this protocol and must be rejected as invalid".
    if (!isLocal && (family >> 4 > 3 || (family & 15) > 2)) return false;
    const need = isLocal ? 0 : addressBytes(family);
    if (length < need) return false;
    const kept = Math.min(length, need === TCP6 || need === TCP4 ? need : 0);
    if (this.#have < FIXED_2 + kept) return true;
    this.#skip = length - kept;
    this.#done = { source: kept === 0 ? undefined : this.#sourceOfBinary(kept) };
    return true;
  }

  #sourceOfBinary(kept: Bytes): string {
    const of = this.#held.subarray(FIXED_2);
    if (kept === TCP4) return of.subarray(0, 4).join('.');
    const groups = Array.from({ length: 8 }, (_, at) => of.readUInt16BE(at * 2).toString(16));
    return canonical(groups.join(':'));
  }
}

const TCP4: Bytes = 12;
const TCP6: Bytes = 36;
const UNIX: Bytes = 216;

/** What the address block of a family holds at least. Datagrams do not come over this socket: they name nobody. */
function addressBytes(family: number): Bytes {
  switch (family) {
    case 0x11:
      return TCP4;
    case 0x21:
      return TCP6;
    case 0x31:
      return UNIX;
    default:
      return 0;
  }
}

/** Behind `PROXY `, without the line end: the source, '' where none is known, undefined when the line is wrong. */
function sourceOfLine(line: string): string | undefined {
  // "the receiver must ignore anything presented before the CRLF"
  if (line === UNKNOWN || line.startsWith(`${UNKNOWN} `)) return '';
  const [family, source = '', target = '', sourcePort = '', targetPort = '', more] = line.split(' ');
  if (more !== undefined || !isPort(sourcePort) || !isPort(targetPort)) return undefined;
  if (family === 'TCP4') return isIPv4(source) && isIPv4(target) ? source : undefined;
  if (family === 'TCP6') return isPlainIPv6(source) && isPlainIPv6(target) ? canonical(source) : undefined;
  return undefined;
}

const isPort = (text: string): boolean => PORT.test(text) && Number(text) <= 65_535;

/** Without a zone: it would name an interface of another machine. */
const isPlainIPv6 = (text: string): boolean => isIPv6(text) && !text.includes('%');

/** In the one form in which sockets tell their addresses too. */
const canonical = (address: string): string => new SocketAddress({ address, family: 'ipv6' }).address;
