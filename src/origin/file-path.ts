// The path of a file below a folder, from the target of a request.
// Promises: what it returns is relative, has at least one segment and none that is empty, `.` or `..`; it names the same file
// for every spelling of one target. Refuses (undefined): an encoded slash or NUL, a bad escape, bytes that are not UTF-8, a
// target that ends in a slash. Links are not its business: where a path leads is asked of the opened file.

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** `/a%20b/c.jpg?x=1` as `a b/c.jpg`. */
export function filePath(target: string): string | undefined {
  const mark = target.indexOf('?');
  const path = mark === -1 ? target : target.slice(0, mark);
  if (!path.startsWith('/')) return undefined;
  const segments: string[] = [];
  for (const raw of path.slice(1).split('/')) {
    const segment = decoded(raw);
    if (segment === undefined || segment === '' || segment === '.' || segment === '..') return undefined;
    segments.push(segment);
  }
  return segments.join('/');
}

function decoded(raw: string): string | undefined {
  // Visible ASCII without `#`, as the gate lets pass; every `%` begins an escape.
  if (!/^(?:[!-"$&-~]|%[0-9A-Fa-f]{2})*$/.test(raw)) return undefined;
  if (!raw.includes('%')) return raw;
  const bytes = Buffer.from(
    raw.replace(/%(..)/g, (_escape, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );
  if (bytes.includes(0x2f) || bytes.includes(0)) return undefined;
  try {
    return UTF8.decode(bytes);
  } catch {
    return undefined;
  }
}
