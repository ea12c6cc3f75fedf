// The directives of a Cache-Control value (RFC 9111 §5.2, RFC 5861), of a request or of an answer.
// Promises: never throws, reads a hostile value in one pass, and where the text leaves doubt it takes the more restrictive
// meaning: a lifetime that cannot be read is 0, a field list after no-cache or private is taken for the whole answer, and a
// restriction is heard even between the pieces of a broken member.
// Refuses: directives inside quoted strings, white space around `=`, single quotes, fractions and signs.

/** Spans are seconds, 0 to 2^31. */
export interface CacheControl {
  readonly noStore: boolean;
  readonly noCache: boolean;
  readonly private: boolean;
  readonly public: boolean;
  readonly mustRevalidate: boolean;
  readonly proxyRevalidate: boolean;
  readonly mustUnderstand: boolean;
  readonly immutable: boolean;
  readonly onlyIfCached: boolean;
  readonly noTransform: boolean;
  readonly maxAge: number | undefined;
  readonly sMaxage: number | undefined;
  readonly staleWhileRevalidate: number | undefined;
  readonly staleIfError: number | undefined;
  readonly minFresh: number | undefined;
  readonly maxStale: number | undefined;
}

/** RFC 9111 §1.2.2: a span too large to hold is "2147483648 (2^31) or the greatest positive integer it can represent". */
export const MOST_SECONDS = 2 ** 31;

type Writable = { -readonly [K in keyof CacheControl]: CacheControl[K] };

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
/** One directive or one other character. Groups: name, quoted argument, plain argument, and '' when the member ends there. */
const MEMBER = new RegExp(`(${TOKEN})(?:=(?:"((?:[^"\\\\]|\\\\.)*)"|(${TOKEN})))?(?:(?=[ \\t]*(?:,|$))()|)|[^]`, 'gy');

const SILENT: CacheControl = Object.freeze(blank());

/** The directives of `value`: all Cache-Control lines of a message, joined by commas. */
export function parseCacheControl(value: string | undefined): CacheControl {
  if (value === undefined || value === '') return SILENT;
  const found = blank();
  let whole = true; // nothing foreign stands between the last comma and here
  for (const [text, name, quoted, plain, ends] of value.matchAll(MEMBER)) {
    if (name !== undefined) {
      const argument = quoted?.replace(/\\(.)/g, '$1') ?? plain; // RFC 9110 §5.6.4: a quoted pair stands for its octet
      take(found, name.toLowerCase(), argument, whole && ends !== undefined);
      whole = false;
    } else if (text === ',') whole = true;
    else if (text !== ' ' && text !== '\t') whole = false;
  }
  return found;
}

/** `delta-seconds` (RFC 9111 §1.2.2), or undefined when the text is anything else. */
export function deltaSeconds(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Math.min(MOST_SECONDS, Number(text)) : undefined;
}

function take(found: Writable, name: string, argument: string | undefined, whole: boolean): void {
  const seconds = whole ? deltaSeconds(argument) : undefined;
  switch (name) {
    case 'no-store':
      found.noStore = true;
      break;
    case 'no-cache': // §5.2.2.4, §5.2.2.7: the forms with a field list may be treated as the forms without
      found.noCache = true;
      break;
    case 'private':
      found.private = true;
      break;
    case 'must-revalidate':
      found.mustRevalidate = true;
      break;
    case 'proxy-revalidate':
      found.proxyRevalidate = true;
      break;
    case 'must-understand':
      found.mustUnderstand = true;
      break;
    case 'only-if-cached':
      found.onlyIfCached = true;
      break;
    case 'no-transform':
      found.noTransform = true;
      break;
    case 'public': // these two loosen: only when nothing about them is broken
      if (whole) found.public = true;
      break;
    case 'immutable':
      if (whole) found.immutable = true;
      break;
    // §4.2.1: "either the first occurrence should be used or the response should be considered stale"; of conflicting ones
    // "the most restrictive directive should be honored"; with invalid freshness information the answer is stale.
    case 'max-age':
      found.maxAge = Math.min(found.maxAge ?? MOST_SECONDS, seconds ?? 0);
      break;
    case 's-maxage':
      found.sMaxage = Math.min(found.sMaxage ?? MOST_SECONDS, seconds ?? 0);
      break;
    case 'stale-while-revalidate':
      found.staleWhileRevalidate ??= seconds;
      break;
    case 'stale-if-error':
      found.staleIfError ??= seconds;
      break;
    case 'min-fresh':
      found.minFresh ??= seconds;
      break;
    case 'max-stale': // §5.2.1.2: without a value, "a stale response of any age"
      found.maxStale ??= whole && argument === undefined ? MOST_SECONDS : seconds;
      break;
  }
}

function blank(): Writable {
  return {
    noStore: false,
    noCache: false,
    private: false,
    public: false,
    mustRevalidate: false,
    proxyRevalidate: false,
    mustUnderstand: false,
    immutable: false,
    onlyIfCached: false,
    noTransform: false,
    maxAge: undefined,
    sMaxage: undefined,
    staleWhileRevalidate: undefined,
    staleIfError: undefined,
    minFresh: undefined,
    maxStale: undefined,
  };
}
