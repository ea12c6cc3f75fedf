import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ProxyHeader, type ProxyRead } from './proxy-protocol.ts';

const SIGNATURE = '0d0a0d0a000d0a515549540a';
const REST = Buffer.from('GET / HTTP/1.1\r\n');

/** Version 2: command, family, what follows. */
function binary(command: number, family: number, block: Buffer, length = block.length): Buffer {
  return Buffer.concat([Buffer.from(SIGNATURE, 'hex'), Buffer.from([command, family, length >> 8, length & 255]), block]);
}

const V4 = Buffer.from('c0000201c63364010fa01f90', 'hex');
const V6 = Buffer.from('20010db800000000000000000000000120010db80000000000000000000000020fa01f90', 'hex');
const MAPPED = Buffer.concat([Buffer.alloc(10), Buffer.from([255, 255, 10, 1, 2, 3]), Buffer.alloc(20)]);
const TLV = Buffer.from('030004deadbeef', 'hex');

const GOOD: readonly (readonly [string, Buffer | string, string | undefined])[] = [
  ['a line of IPv4', 'PROXY TCP4 192.0.2.1 198.51.100.1 4000 8080\r\n', '192.0.2.1'],
  ['the lowest and the highest port', 'PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n', '0.0.0.0'],
  ['a line of IPv6', 'PROXY TCP6 2001:DB8::1 2001:db8::2 4000 8080\r\n', '2001:db8::1'],
  ['IPv6 in its long form', 'PROXY TCP6 2001:0db8:0:0:0:0:0:1 ::1 1 2\r\n', '2001:db8::1'],
  ['IPv4 in IPv6', 'PROXY TCP6 ::ffff:0a01:0203 ::1 1 2\r\n', '::ffff:10.1.2.3'],
  ['the longest line', `PROXY UNKNOWN ${'f'.repeat(39)} ${'f'.repeat(39)} 65535 65535\r\n`, undefined],
  ['a balancer that does not know', 'PROXY UNKNOWN\r\n', undefined],
  ['a balancer that says more of what it does not know', 'PROXY UNKNOWN ? \0 \n\r\n', undefined],
  ['binary IPv4', binary(0x21, 0x11, V4), '192.0.2.1'],
  ['binary IPv4 with TLVs', binary(0x21, 0x11, Buffer.concat([V4, TLV])), '192.0.2.1'],
  ['binary IPv6', binary(0x21, 0x21, V6), '2001:db8::1'],
  [
    'binary IPv6 with as much behind it as there can be',
    binary(0x21, 0x21, Buffer.concat([V6, Buffer.alloc(65_499)])),
    '2001:db8::1',
  ],
  ['binary IPv4 in IPv6', binary(0x21, 0x21, MAPPED), '::ffff:10.1.2.3'],
  ['local', binary(0x20, 0x00, Buffer.alloc(0)), undefined],
  ['local with addresses', binary(0x20, 0x11, V4), undefined],
  ['local with a family that does not exist', binary(0x20, 0xff, TLV), undefined],
  ['unspecified, with TLVs', binary(0x21, 0x00, TLV), undefined],
  ['datagrams', binary(0x21, 0x12, V4), undefined],
  ['a unix socket', binary(0x21, 0x31, Buffer.alloc(216, 'a')), undefined],
];

const BAD: readonly (readonly [string, Buffer | string])[] = [
  ['HTTP', 'GET / HTTP/1.1\r\n'],
  ['TLS', Buffer.from('160301', 'hex')],
  ['lower case', 'proxy TCP4'],
  ['another word', 'PROXYTCP4 1.2.3.4 1.2.3.4 1 2\r\n'],
  ['another family', 'PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n'],
  ['nothing', 'PROXY \r\n'],
  ['two spaces', 'PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n'],
  ['a space at the end', 'PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n'],
  ['a tab', 'PROXY TCP4\t1.2.3.4 1.2.3.4 1 2\r\n'],
  ['a missing port', 'PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n'],
  ['a port too many', 'PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n'],
  ['a port beyond', 'PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n'],
  ['a port with a zero in front', 'PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n'],
  ['a negative port', 'PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n'],
  ['an octet beyond', 'PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n'],
  ['an octet with a zero in front', 'PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n'],
  ['three octets', 'PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n'],
  ['a name', 'PROXY TCP4 localhost 1.2.3.4 1 2\r\n'],
  ['IPv6 as TCP4', 'PROXY TCP4 ::1 ::1 1 2\r\n'],
  ['IPv4 as TCP6', 'PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n'],
  ['a zone', 'PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n'],
  ['a wrong target', 'PROXY TCP4 1.2.3.4 1.2.3 1 2\r\n'],
  ['a line end without CR', 'PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n'],
  ['unknown in lower case', 'PROXY unknown\r\n'],
  ['unknown and more', 'PROXY UNKNOWNS\r\n'],
  ['a line without an end', `PROXY UNKNOWN ${'x'.repeat(93)}`],
  ['a signature with a fault', Buffer.from('0d0a0d0a000d0a515549540b', 'hex')],
  ['version 1 in binary', binary(0x11, 0x11, V4)],
  ['version 3', binary(0x31, 0x11, V4)],
  ['a command that does not exist', binary(0x22, 0x11, V4)],
  ['a family that does not exist', binary(0x21, 0x41, V4)],
  ['a protocol that does not exist', binary(0x21, 0x13, V4)],
  ['IPv4 cut short', binary(0x21, 0x11, V4.subarray(1))],
  ['IPv6 cut short', binary(0x21, 0x21, V6.subarray(1))],
  ['a unix socket cut short', binary(0x21, 0x31, Buffer.alloc(215))],
];

/** Fed in pieces that end at `cuts`; how it ended, and how many bytes behind it were left alone. */
function feed(bytes: Buffer, cuts: readonly number[]): { readonly read: ProxyRead; readonly rest: Buffer } {
  const header = new ProxyHeader();
  let read: ProxyRead = { kind: 'more' };
  let from = 0;
  for (const to of [...cuts, bytes.length]) {
    read = header.read(bytes.subarray(from, to));
    from = to;
    if (read.kind !== 'more') break;
  }
  return { read, rest: Buffer.concat([read.kind === 'done' ? read.rest : Buffer.alloc(0), bytes.subarray(from)]) };
}

const bytesOf = (text: Buffer | string) => (typeof text === 'string' ? Buffer.from(text, 'latin1') : text);

describe('headers', () => {
  for (const [name, header, source] of GOOD) {
    test(name, () => {
      const bytes = Buffer.concat([bytesOf(header), REST]);
      const at = Array.from({ length: Math.min(bytes.length, 300) }, (_, cut) => [cut]);
      for (const cuts of [[], ...at, [...bytes.keys()]]) {
        const { read, rest } = feed(bytes, cuts);
        assert.equal(read.kind, 'done', `cut at ${cuts[0]}`);
        assert.equal(read.kind === 'done' ? read.source : '', source);
        assert.deepEqual(rest, REST);
      }
      assert.equal(feed(bytesOf(header).subarray(0, -1), []).read.kind, 'more');
    });
  }
});

describe('refused', () => {
  for (const [name, header] of BAD) {
    test(name, () => {
      const bytes = bytesOf(header);
      for (const cuts of [[], ...[...bytes.keys()].map((cut) => [cut]), [...bytes.keys()]])
        assert.equal(feed(bytes, cuts).read.kind, 'bad', `cut at ${cuts[0]}`);
    });
  }

  test('at the first byte that cannot belong to a header', () => {
    for (const start of ['G', 'PR0', 'PROXY_', '\r\r', '\r\n\r\n\0\r\nQUIT\r'])
      assert.deepEqual([feed(bytesOf(start.slice(0, -1)), []).read.kind, feed(bytesOf(start), []).read.kind], ['more', 'bad']);
  });
});

test('a header that was changed in one byte is refused, or ends where it says itself', () => {
  const headers = GOOD.map(([, header]) => bytesOf(header)).filter((header) => header.length < 400);
  fc.assert(
    fc.property(
      fc.constantFrom(...headers),
      fc.nat(),
      fc.nat(255),
      fc.array(fc.nat(500), { maxLength: 4 }),
      (header, place, byte, cuts) => {
        const changed = Buffer.concat([header, REST]);
        changed[place % header.length] = byte;
        const whole = feed(changed, []);
        const split = feed(
          changed,
          cuts.filter((cut) => cut < changed.length).toSorted((one, two) => one - two),
        );
        assert.equal(split.read.kind, whole.read.kind);
        if (whole.read.kind !== 'done' || split.read.kind !== 'done') return;
        assert.equal(split.read.source, whole.read.source);
        assert.deepEqual(split.rest, whole.rest);
        assert.ok(changed.subarray(changed.length - whole.rest.length).equals(whole.rest));
      },
    ),
    { numRuns: 3_000 },
  );
});
