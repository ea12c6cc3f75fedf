// The closed list of reasons. A reason is the `detail` of Cache-Status, the label of the metric and the word in the log.
// Promises: one word means one thing everywhere; docs/errors.md is generated from the captions.

export const REASONS = {
  // the gate refused the head
  'request-line': 'the request line is not METHOD SP target SP HTTP/1.x',
  version: 'an HTTP version other than 1.0 and 1.1',
  method: 'a method that the site does not allow',
  target: 'the target is not a path with an optional query in visible ASCII',
  path: 'the path has no canonical form: dot segments, empty segments, encoded slashes, controls or a bad escape',
  header: 'a header line breaks the grammar of RFC 9112',
  host: 'Host is missing, doubled or not a host name with an optional port',
  framing: 'Content-Length and Transfer-Encoding leave room for doubt about where the body ends',
  'target-too-long': 'the target alone fills the header limit',
  'headers-too-large': 'the head is larger than front.limits.header_size or has more lines than front.limits.headers',
  'header-timeout': 'the head did not arrive within front.limits.header_timeout',
  'body-too-large': 'the request body is larger than front.limits.body',
  // routing and guard
  'no-site': 'no site serves this host and path',
  loop: 'the request came back to deckle (CDN-Loop, RFC 8586)',
  referer: 'the referer rules of the site say no',
  connections: 'front.limits.connections are all in use',
  'no-node': 'every node of the walk was tried or is down',
  'node-timeout': 'the node did not answer in time',
  'node-broken': 'the node closed or broke its answer before the first byte',
  'queue-full': 'the queue for a node slot is full',
  'queue-timeout': 'no node slot came free in time',
  // why an answer was not kept (pass)
  'no-store': 'the origin said no-store',
  private: 'the origin said private',
  'set-cookie': 'the answer sets a cookie',
  'vary-star': 'the answer varies on everything',
  status: 'a status that the site does not keep',
  'zero-ttl': 'nothing gives the answer a lifetime or a validator to reuse it with',
  'too-big': 'the body is larger than the site allows to be kept',
  'fill-memory': 'the memory for fills in flight is all in use',
  'not-image': 'the type is not in site.store, or the bytes are of another kind',
  encoding: 'the answer has a Content-Encoding that was not asked for',
  partial: 'the origin answered a whole request with a part',
  purged: 'a purge came while it was fetched',
  'tier-off': 'the node has no memory tier and no disk tier',
  // how a stored answer was used
  hot: "a copy in the front's own memory",
  grace: 'stale, within grace.healthy; refreshed behind',
  'stale-wait': 'stale, its revalidation took longer than stale_wait',
  'stale-if-error': 'stale, the origin failed',
  // the origin failed
  'origin-refused': 'no connection to the origin',
  'origin-timeout': 'the origin did not answer in time',
  'origin-broken': 'the origin broke the rules of HTTP',
  'origin-reset': 'the origin closed the connection before the answer was whole',
  'origin-busy': 'all connections to the origin are in use and its queue is full',
  'origin-unreadable': 'the file cannot be read',
  // of itself
  stopping: 'the process is finishing its last requests',
  internal: 'a defect of deckle',
} as const;

export type Reason = keyof typeof REASONS;

/** Stable order, so that counters can be arrays. */
export const REASON_LIST = Object.freeze(Object.keys(REASONS)) as readonly Reason[];
