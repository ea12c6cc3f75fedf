// Addresses: what listeners bind and peers dial (`host:port`, IPv6 in brackets), and ranges of them (CIDR). Owner of ipaddr.js.
// Promises: an IPv4 address that came as an IPv6 one (`::ffff:10.0.0.1`, as sockets of a dual listener tell it) is the IPv4 one;
// `addressText` gives back what `parseAddress` reads. Refuses: octal and shortened IPv4 forms, ports beyond 65535, bare IPv6.

import { isIP, isIPv4 } from 'node:net';
import ipaddr from 'ipaddr.js';

export interface Address {
  /** A name or an address, without brackets. */
  readonly host: string;
  /** 0 in a listener: any free port. */
  readonly port: number;
}

const NAME = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/i;
const DIGITS_AND_DOTS = /^[\d.]+$/;

/** A host name in ASCII or a literal address (IPv6 without brackets); `1.2.3` and `010.0.0.1` are neither. */
export function isHost(text: string): boolean {
  return isIP(text) !== 0 || (NAME.test(text) && !DIGITS_AND_DOTS.test(text));
}

/** `host:port`; with `any`, `*:port` and `:port` mean every IPv4 address of the machine. A string says what is wrong. */
export function parseAddress(text: string, { any = false }: { readonly any?: boolean } = {}): Address | string {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  if (match === null) {
    if (isIP(text) === 6) return `an IPv6 address stands in brackets, with a port: [${text}]:8080`;
    if (/^\d+$/.test(text)) return `expected host:port, found ${text} alone (127.0.0.1:${text}${any ? ` or :${text}` : ''})`;
    return isHost(text)
      ? `expected host:port, found no port (${text}:8080)`
      : `expected host:port, found ${JSON.stringify(text.slice(0, 60))}`;
  }
  const [, six, other = '', digits = ''] = match;
  const port = Number(digits);
  if (port > 65535) return `port ${port} is beyond 65535`;
  if (six !== undefined) return isIP(six) === 6 ? { host: six.toLowerCase(), port } : `[${six}] is not an IPv6 address`;
  if (other === '' || other === '*')
    return any ? { host: '0.0.0.0', port } : `expected host:port, found ${JSON.stringify(text)} without a host`;
  return isHost(other)
    ? { host: other.toLowerCase(), port }
    : `${JSON.stringify(other.slice(0, 60))} is not a host name or address`;
}

export function addressText({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Only this machine can reach it: 127.0.0.0/8, ::1, localhost. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost' || host.endsWith('.localhost')) return true;
  return isIP(host) !== 0 && ipaddr.process(host).range() === 'loopback';
}

/** Stands for every address of the machine: 0.0.0.0 or ::. */
export function isWildcard(host: string): boolean {
  return isIP(host) !== 0 && ipaddr.process(host).range() === 'unspecified';
}

export interface Cidr {
  readonly network: ipaddr.IPv4 | ipaddr.IPv6;
  readonly bits: number;
}

/** `10.0.0.0/8`, `2001:db8::/32`, or one address. A string says what is wrong. */
export function parseCidr(text: string): Cidr | string {
  const [host = '', bits, more] = text.split('/');
  const family = isIP(host);
  if (family === 0 || host.includes('%') || more !== undefined)
    return `expected a range of addresses such as 10.0.0.0/8, found ${JSON.stringify(text.slice(0, 60))}`;
  const most = family === 4 ? 32 : 128;
  if (bits !== undefined && (!/^\d{1,3}$/.test(bits) || Number(bits) > most))
    return `the prefix length of ${host} is 0 to ${most}, found /${bits.slice(0, 10)}`;
  const whole = ipaddr.parse(host);
  const length = bits === undefined ? most : Number(bits);
  if (!(whole instanceof ipaddr.IPv6) || !whole.isIPv4MappedAddress() || length < 96) return { network: whole, bits: length };
  return { network: whole.toIPv4Address(), bits: length - 96 };
}

/** The range with its host bits cleared: `10.0.0.1/8` is `10.0.0.0/8`. */
export function networkText({ network, bits }: Cidr): string {
  const bytes = network.toByteArray().map((byte, at) => byte & (0xff << Math.min(8, Math.max(0, 8 - (bits - at * 8)))));
  return `${ipaddr.fromByteArray(bytes).toString()}/${bits}`;
}

/** Whether an address (as a socket tells it) lies in one of the ranges. Ranges are parsed once; bad ones match nothing. */
export function cidrMatcher(ranges: readonly string[]): (ip: string) => boolean {
  const parsed = ranges.map(parseCidr).filter((range) => typeof range !== 'string');
  if (parsed.length === 0) return () => false;
  return (ip) => {
    if (isIP(ip) === 0) return false;
    const address = ipaddr.process(isIPv4(ip) ? ip : (ip.split('%')[0] ?? ip));
    return parsed.some(({ network, bits }) => network.kind() === address.kind() && address.match(network, bits));
  };
}
