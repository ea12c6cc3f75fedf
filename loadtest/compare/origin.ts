// The origin of a comparison, a process of its own: the pictures of one set, cacheable for an hour, and a count of who asked.
// Usage (by compare.ts): fork with the name of the set; says `{port}` once it listens, answers every message with `{requests}`.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isSetName, picturesOf } from './images.ts';

export type OriginWord = { readonly port: number } | { readonly requests: number };

const LAST_MODIFIED = 'Sat, 03 May 2025 10:00:00 GMT';
const KEEP_ALIVE_MS = 3_600_000;

const set = process.argv[2] ?? '';
if (!isSetName(set)) throw new Error(`no set of pictures is called ${set}`);
const pictures = new Map(picturesOf(set).map((picture) => [picture.path, picture]));
let requests = 0;

const server = createServer((request, response) => {
  requests += 1;
  const picture = pictures.get(request.url ?? '');
  if (picture === undefined) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, {
    'Content-Type': 'image/jpeg',
    'Content-Length': picture.body.length,
    'Cache-Control': 'public, max-age=3600',
    'Last-Modified': LAST_MODIFIED,
    ETag: picture.etag,
  });
  response.end(request.method === 'HEAD' ? undefined : picture.body);
});
server.keepAliveTimeout = KEEP_ALIVE_MS;
server.listen(0, '127.0.0.1', () => say({ port: (server.address() as AddressInfo).port }));

process.on('message', () => say({ requests }));
process.on('disconnect', () => process.exit());

function say(word: OriginWord): void {
  process.send?.(word);
}
