// Who the client is: the socket's other end, or what a trusted proxy in front says (front.trusted_proxies, client_ip_header).
// Promises: X-Forwarded-For as passed on names only addresses that a trusted hop or our own socket vouches for.
// Refuses: the word of anyone who is not in the list; a header value that is not an address.

import { isIP } from 'node:net';
import { cidrMatcher } from '../base/address.ts';
import type { HeadScanner } from '../wire/scanner.ts';

export interface Client {
  readonly address: string;
  /** The X-Forwarded-For value for the node and the origin. */
  readonly forwardedFor: string;
  /** The hop in front is one of ours: its X-Request-Id is kept. */
  readonly trusted: boolean;
}

const MAX_HOPS = 32;

export class ClientReader {
  readonly #trusted: (address: string) => boolean;
  readonly #none: boolean;
  readonly #header: string;

  /** @param header lower-case name of the field that trusted proxies write the client's address into */
  constructor(trustedProxies: readonly string[], header: string) {
    this.#trusted = cidrMatcher(trustedProxies);
    this.#none = trustedProxies.length === 0;
    this.#header = header.toLowerCase();
  }

  read(head: HeadScanner, socketAddress: string): Client {
    const peer = plainAddress(socketAddress);
    if (this.#none || !this.#trusted(peer)) return { address: peer, forwardedFor: peer, trusted: false };
    if (this.#header !== 'x-forwarded-for') {
      const said = plainAddress((head.find(this.#header) ?? '').trim());
      if (isIP(said) === 0) return { address: peer, forwardedFor: peer, trusted: true };
      return { address: said, forwardedFor: `${said}, ${peer}`, trusted: true };
    }
    const hops = this.#vouchedFor(head.list('x-forwarded-for'), peer);
    return { address: hops[0]!, forwardedFor: hops.join(', '), trusted: true };
  }

  // From the right: each hop vouches for the one before it, as long as it is trusted itself. The first is the client.
  #vouchedFor(chain: string | undefined, peer: string): readonly string[] {
    const said = (chain ?? '').split(',').slice(-MAX_HOPS);
    const hops = [peer];
    for (let at = said.length - 1; at >= 0; at -= 1) {
      const hop = plainAddress(said[at]!.trim());
      if (isIP(hop) === 0) break;
      hops.unshift(hop);
      if (!this.#trusted(hop)) break;
    }
    return hops;
  }
}

/** `::ffff:10.0.0.1`, as dual-stack sockets write it, is 10.0.0.1. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && isIP(address.slice(7)) === 4 ? address.slice(7) : address;
}
