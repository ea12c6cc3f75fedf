// The canonical form of a request target: one spelling per image, and the very bytes that go to the origin.
//
// Promises: unreserved characters are never encoded, other escapes have upper-case hex; applying it twice changes nothing.
// Refuses (undefined, a 400): dot segments, empty segments, `\`, encoded `/`, `\` and controls, bad escapes, `#`, and anything
// that is not visible ASCII, because each of these means one thing to one server and another to the next.
// Linear in the target; a target without `%` costs one scan of each part and two slices.

export interface CanonicalTarget {
  /** Begins with `/`. */
  readonly path: string;
  /** Without the `?`; '' when there is none or nothing after it. */
  readonly query: string;
  readonly hasQuery: boolean;
}

/**
 * What a path may not have anywhere: a byte that is not visible ASCII, `#`, `\`, an empty segment before the last, `.` and `..`,
 * also before a `;`: servers that take what follows it for parameters read `..;` as `..`.
 */
const NOT_IN_PATH = /[^!-"$-[\]-~]|\/\/|\/\.\.?(?:[/;]|$)/;
const NOT_IN_QUERY = /[^!-"$-~]/;

/** @param raw the target as it came in the request line, in origin-form */
export function canonicalTarget(raw: string): CanonicalTarget | undefined {
  const mark = raw.indexOf('?');
  const hasQuery = mark >= 0;
  let path: string | undefined = hasQuery ? raw.slice(0, mark) : raw;
  let query: string | undefined = hasQuery ? raw.slice(mark + 1) : '';
  if (raw.includes('%')) {
    path = canonicalEscapes(path);
    query = canonicalEscapes(query);
    if (path === undefined || query === undefined || /%(?:2F|5C)/.test(path)) return undefined;
  }
  if (!path.startsWith('/') || NOT_IN_PATH.test(path) || NOT_IN_QUERY.test(query)) return undefined;
  return { path, query, hasQuery };
}

/**
 * Escapes of unreserved characters (RFC 3986 §2.3) decoded, the hex of all others in upper case; undefined when an escape is
 * cut off, is not hex or stands for a control. What comes out has no escape that was not one before: `%` itself stays `%25`.
 */
export function canonicalEscapes(text: string): string | undefined {
  let out = '';
  let from = 0;
  for (let at = text.indexOf('%'); at >= 0; at = text.indexOf('%', from)) {
    const high = hexValue(text.charCodeAt(at + 1));
    const low = hexValue(text.charCodeAt(at + 2));
    if (high < 0 || low < 0) return undefined;
    const code = high * 16 + low;
    if (isControl(code)) return undefined;
    out += text.slice(from, at);
    out += isUnreserved(code) ? String.fromCharCode(code) : text.slice(at, at + 3).toUpperCase();
    from = at + 3;
  }
  return out + text.slice(from);
}

function isControl(code: number): boolean {
  return code < 0x20 || code === 0x7f;
}

function isUnreserved(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) ||
    (code >= 0x41 && code <= 0x5a) ||
    (code >= 0x30 && code <= 0x39) ||
    code === 0x2d ||
    code === 0x2e ||
    code === 0x5f ||
    code === 0x7e
  );
}

/** 0 to 15, or -1; NaN (past the end of the text) is -1 too. */
function hexValue(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  if (code >= 0x41 && code <= 0x46) return code - 0x37;
  if (code >= 0x61 && code <= 0x66) return code - 0x57;
  return -1;
}
