// What the front listens on and how it spreads requests over the nodes; the nodes themselves; how they are watched.

import type { Address } from '../base/address.ts';
import { derived, type Knob, leaf, list, required, section, shorthand, type Value } from '../base/knobs.ts';
import { decimal, duration, file, flag, size, text, whole } from '../base/leaves.ts';
import { cidr, headerName, listenAddress, peerAddress } from '../base/options.ts';
import type { LeafShape } from '../base/shapes.ts';
import { type TierOptions, tiers } from '../store/options.ts';

const NOWHERE: Address = { host: '127.0.0.1', port: 0 };
const timer = { min: '1ms', max: '1h' } as const;

const listen = shorthand(
  section(
    {
      address: listenAddress(required(NOWHERE), 'host:port; :8080 is every IPv4 address, port 0 any free port'),
      tls: list(
        section({
          cert: file(required(''), 'the certificate and its chain, PEM'),
          key: file(required(''), 'its key, PEM'),
          hosts: list(
            text(required(''), ''),
            [],
            'host names it is shown for, `*.` for any first label; []: those in the certificate',
          ),
        }),
        [],
        'certificates; the first is shown where none fits',
      ),
      proxy_protocol: flag(false, 'whether every connection begins with a PROXY line (v1 or v2)'),
    },
    'Where clients are accepted.',
  ),
  'address',
);
export type ListenOptions = Value<typeof listen>;

/** A count, or auto: one per core. */
function processes(): Knob<number | 'auto', LeafShape> {
  return leaf<number | 'auto'>({
    type: '0 to 256, auto',
    expects: 'a whole number from 0 to 256, or auto',
    default: 1,
    doc: 'front processes on this machine; auto: one per core; 0: none here',
    json: { anyOf: [{ const: 'auto' }, { type: 'integer', minimum: 0, maximum: 256 }] },
    parse: (given) => {
      if (given === 'auto') return { value: 'auto' };
      const count = typeof given === 'string' && /^\d{1,3}$/.test(given) ? Number(given) : given;
      return typeof count === 'number' && Number.isInteger(count) && count >= 0 && count <= 256 ? { value: count } : undefined;
    },
  });
}

export const front = section(
  {
    listen: list(listen, ['127.0.0.1:8080'], 'where clients are accepted: one address or a list of them', {
      lone: true,
      least: 1,
      most: 64,
    }),
    processes: processes(),
    hot: section(
      {
        size: size('64MB', 'bytes in each front process; 0 turns it off'),
        ttl: duration('10s', 'the longest time a copy is used without asking its node'),
      },
      "Copies of the hottest images in the front's own memory.",
    ),
    balance: section(
      {
        points: whole(1, 4096, 1024, 'points of a node of weight 100 on the ring'),
        load_factor: decimal(
          0,
          100,
          1.5,
          'a node with more than this many times the mean load is passed over; 0 turns that off, else at least 1',
        ),
        load_floor: whole(0, 1_000_000, 64, 'requests in flight from which a node is looked at so'),
      },
      'How images are spread over the nodes.',
    ),
    retries: whole(0, 10, 3, 'further nodes that are tried before the first byte'),
    queue: section(
      {
        max: whole(0, 1_000_000, 1024, 'requests that may wait for a slot of a node'),
        timeout: duration('5s', 'how long one waits', timer),
      },
      'Requests that wait for a slot of a node.',
    ),
    timeouts: section(
      {
        connect: duration('500ms', 'until a connection to a node stands', timer),
        first_byte: duration('60s', "until a node's answer begins", timer),
        between_bytes: duration('15s', "between two parts of a node's answer", timer),
        send: duration('30s', 'how long a client may read nothing', timer),
      },
      'How long nodes and clients may take.',
    ),
    trusted_proxies: list(cidr(''), [], 'addresses of the proxies in front whose `client_ip_header` is believed'),
    client_ip_header: headerName('X-Forwarded-For', "the header with the client's address"),
    limits: section(
      {
        header_size: size('32KB', 'bytes of a request head', { min: 1024, max: 1024 * 1024 }),
        headers: whole(1, 1000, 100, 'lines of a request head'),
        header_timeout: duration('10s', 'until a request head is whole', timer),
        idle_timeout: duration('65s', 'how long a kept-alive connection may be silent', timer),
        connections: whole(1, 1_000_000, 20_000, 'client connections of one process'),
        body: size('64MB', 'bytes of a request body'),
      },
      'What one client may take.',
    ),
  },
  'What clients meet.',
);
export type FrontOptions = Value<typeof front>;

export const health = section(
  {
    path: text('/-/ready', 'asked of every node', { type: 'path', expects: 'a path that begins with /', pattern: /^\/[!-~]*$/ }),
    interval: duration('2s', 'between two checks', { min: '10ms', max: '1h' }),
    fast_interval: duration('250ms', 'between two checks of a node that is changing its state', { min: '10ms', max: '1h' }),
    timeout: duration('1s', 'until a check has failed', timer),
    rise: whole(1, 100, 2, 'good checks in a row that bring a node back'),
    fall: whole(1, 100, 3, 'bad checks in a row that take it out'),
    slow_start: duration('0s', 'how long the share of a node that came back grows'),
  },
  'How nodes are watched.',
);
export type HealthOptions = Value<typeof health>;

/** true, false, or auto: the address is loopback or one of this machine's own. */
const here = leaf<boolean | 'auto'>({
  type: 'true, false, auto',
  expects: 'true, false or auto',
  default: 'auto',
  doc: "whether this machine runs it; auto: its address is loopback or one of this machine's own",
  json: { enum: [true, false, 'auto'] },
  parse: (given) => {
    if (given === 'auto') return { value: 'auto' };
    return given === true || given === 'true'
      ? { value: true }
      : given === false || given === 'false'
        ? { value: false }
        : undefined;
  },
});

const check = leaf<string | false>({
  type: 'path, false',
  expects: 'a path that begins with /, or false',
  default: false,
  doc: 'the path that is asked whether it is well (for nodes that are not deckle), or false',
  json: { anyOf: [{ const: false }, { type: 'string', pattern: '^/' }] },
  parse: (given) => {
    if (given === false || given === 'false') return { value: false };
    return typeof given === 'string' && /^\/[!-~]*$/.test(given) ? { value: given } : undefined;
  },
});

export const node = section(
  {
    name: text(required(''), 'its identity on the ring, in metrics and in Cache-Status', {
      type: 'name',
      expects: 'a name such as n1 (a letter, then letters, digits and -, at most 32, lower case)',
      pattern: /^[a-z][a-z0-9-]{0,31}$/,
    }),
    address: peerAddress(required(NOWHERE), 'what fronts dial'),
    listen: derived(listenAddress(required(NOWHERE), 'what the node binds'), '`address`'),
    here,
    check: derived(check, '`health.path`'),
    weight: whole(0, 256, 100, 'its share of the images, relative to the others'),
    max_connections: whole(1, 1_000_000, 1024, 'requests at a time that one front process sends it'),
    ...tiers,
  },
  'A cache node.',
);
type ReadNode = Value<typeof node>;
/** A node with everything filled in: `listen`, `check` and `disk.path` have their values. */
export type NodeOptions = Omit<ReadNode, 'listen' | 'check' | keyof TierOptions> &
  TierOptions & { readonly listen: Address; readonly check: string | false };

export const nodes = list(
  node,
  [
    { name: 'n1', address: '127.0.0.1:7101' },
    { name: 'n2', address: '127.0.0.1:7102' },
  ],
  'The cache nodes; the same list on every machine.',
  { least: 1, most: 256 },
);
