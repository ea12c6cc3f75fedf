// One error class, one catalogue. A fault is a value: it is returned or passed on, thrown only where nothing else can be done.
// Promises: callers decide by the fields of the catalogue, never by the text. Refuses: texts with data of a request in them.

import type { Reason } from './reasons.ts';

export type FaultSource = 'client' | 'origin' | 'peer' | 'self';

interface FaultEntry {
  readonly status: number;
  readonly source: FaultSource;
  /** Whether another node or url may be asked before the first byte. */
  readonly retryable: boolean;
  readonly reason: Reason;
  /** What the client reads. */
  readonly text: string;
}

export const FAULTS = {
  DECKLE_BAD_REQUEST: {
    status: 400,
    source: 'client',
    retryable: false,
    reason: 'header',
    text: 'The request is not well-formed HTTP/1.1.',
  },
  DECKLE_BAD_PATH: {
    status: 400,
    source: 'client',
    retryable: false,
    reason: 'path',
    text: 'The path is not in a form this server accepts.',
  },
  DECKLE_BAD_HOST: {
    status: 400,
    source: 'client',
    retryable: false,
    reason: 'host',
    text: 'The Host header is missing or not a host name.',
  },
  DECKLE_REFERER_DENIED: {
    status: 403,
    source: 'client',
    retryable: false,
    reason: 'referer',
    text: 'This image may not be embedded here.',
  },
  DECKLE_NO_SITE: {
    status: 404,
    source: 'client',
    retryable: false,
    reason: 'no-site',
    text: 'No site is served under this name and path.',
  },
  DECKLE_METHOD_NOT_ALLOWED: {
    status: 405,
    source: 'client',
    retryable: false,
    reason: 'method',
    text: 'This method is not allowed here.',
  },
  DECKLE_HEADER_TIMEOUT: {
    status: 408,
    source: 'client',
    retryable: false,
    reason: 'header-timeout',
    text: 'The request head did not arrive in time.',
  },
  DECKLE_BODY_TOO_LARGE: {
    status: 413,
    source: 'client',
    retryable: false,
    reason: 'body-too-large',
    text: 'The request body is too large.',
  },
  DECKLE_TARGET_TOO_LONG: {
    status: 414,
    source: 'client',
    retryable: false,
    reason: 'target-too-long',
    text: 'The request target is too long.',
  },
  DECKLE_HEADERS_TOO_LARGE: {
    status: 431,
    source: 'client',
    retryable: false,
    reason: 'headers-too-large',
    text: 'The request head is too large.',
  },
  DECKLE_VERSION: { status: 505, source: 'client', retryable: false, reason: 'version', text: 'This server speaks HTTP/1.1.' },
  DECKLE_LOOP: { status: 508, source: 'client', retryable: false, reason: 'loop', text: 'The request has been here before.' },
  DECKLE_NO_NODE: { status: 503, source: 'peer', retryable: true, reason: 'no-node', text: 'No cache node can answer now.' },
  DECKLE_NODE_TIMEOUT: {
    status: 504,
    source: 'peer',
    retryable: false,
    reason: 'node-timeout',
    text: 'The cache node did not answer in time.',
  },
  DECKLE_NODE_BROKEN: { status: 502, source: 'peer', retryable: true, reason: 'node-broken', text: 'The cache node broke off.' },
  DECKLE_QUEUE_FULL: {
    status: 503,
    source: 'self',
    retryable: true,
    reason: 'queue-full',
    text: 'Too many requests are waiting.',
  },
  DECKLE_QUEUE_TIMEOUT: {
    status: 503,
    source: 'self',
    retryable: true,
    reason: 'queue-timeout',
    text: 'No cache node had room in time.',
  },
  DECKLE_CONNECTIONS: { status: 503, source: 'self', retryable: true, reason: 'connections', text: 'Too many connections.' },
  DECKLE_ORIGIN_REFUSED: {
    status: 502,
    source: 'origin',
    retryable: true,
    reason: 'origin-refused',
    text: 'The image store cannot be reached.',
  },
  DECKLE_ORIGIN_TIMEOUT: {
    status: 504,
    source: 'origin',
    retryable: false,
    reason: 'origin-timeout',
    text: 'The image store did not answer in time.',
  },
  DECKLE_ORIGIN_BROKEN: {
    status: 502,
    source: 'origin',
    retryable: false,
    reason: 'origin-broken',
    text: 'The image store sent an answer that cannot be trusted.',
  },
  DECKLE_ORIGIN_RESET: {
    status: 502,
    source: 'origin',
    retryable: true,
    reason: 'origin-reset',
    text: 'The image store closed the connection.',
  },
  DECKLE_ORIGIN_BUSY: {
    status: 503,
    source: 'origin',
    retryable: false,
    reason: 'origin-busy',
    text: 'The image store is busy.',
  },
  DECKLE_ORIGIN_UNREADABLE: {
    status: 502,
    source: 'origin',
    retryable: false,
    reason: 'origin-unreadable',
    text: 'The image cannot be read.',
  },
  DECKLE_STOPPING: { status: 503, source: 'self', retryable: true, reason: 'stopping', text: 'This process is stopping.' },
  DECKLE_INTERNAL: { status: 500, source: 'self', retryable: false, reason: 'internal', text: 'Something went wrong in deckle.' },
} as const satisfies Record<string, FaultEntry>;

export type FaultCode = keyof typeof FAULTS;

export class Fault extends Error {
  readonly code: FaultCode;
  readonly status: number;
  readonly source: FaultSource;
  readonly retryable: boolean;
  readonly reason: Reason;

  /**
   * @param code   a member of the catalogue
   * @param detail for the log only, never sent to a client
   * @param reason a narrower reason than the catalogue's own (the gate names the rule that was broken)
   */
  constructor(code: FaultCode, detail?: string, reason?: Reason) {
    const entry: FaultEntry = FAULTS[code];
    super(detail ?? entry.text);
    this.name = 'Fault';
    this.code = code;
    this.status = entry.status;
    this.source = entry.source;
    this.retryable = entry.retryable;
    this.reason = reason ?? entry.reason;
  }

  /** The sentence a client may read. */
  get publicText(): string {
    return FAULTS[this.code].text;
  }
}
