// Requests as browsers send them for the pictures of a page. Promises: a head depends on the connection and on its turn, where ten
// requests of a connection are one turn, so that no two connections, and no connection twice in a row, send the same bytes for long.
// No cookies, nothing conditional: every server may answer from its cache with 200.

import { randomFrom } from '../../samples/noise.ts';

export const HOST = 'img.example.com';
/** Requests of a connection that share a head. */
export const TURN = 10;

const LANGUAGES = [
  'en-GB,en;q=0.9',
  'de-DE,de;q=0.9,en;q=0.8',
  'fr,fr-FR;q=0.8,en-US;q=0.5,en;q=0.3',
  'zh-CN,zh;q=0.9',
  'pt-BR,pt;q=0.9',
];
const CHROME_ACCEPT = 'image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8';

/** All of a head but the request line. */
export function headFields(connection: number, turn: number): string {
  const random = randomFrom(connection * 65_537 + turn);
  const below = (limit: number) => Math.floor(random() * limit);
  const language = LANGUAGES[below(LANGUAGES.length)]!;
  const page = `https://www.example.com/${['gallery', 'shop', 'news'][below(3)]}/${below(100_000)}?from=${below(1000)}`;
  const build = `${120 + below(30)}.0.${5000 + below(3000)}.${below(200)}`;
  const browsers = [chrome, firefox, safari, mobile];
  return browsers[(connection + below(2)) % browsers.length]!({ language, page, build });
}

export function requestFor(path: string, fields: string): string {
  return `GET ${path} HTTP/1.1\r\n${fields}\r\n`;
}

interface Taste {
  readonly language: string;
  readonly page: string;
  readonly build: string;
}

function chrome({ language, page, build }: Taste): string {
  const major = build.split('.', 1)[0];
  return lines([
    ['Host', HOST],
    ['Connection', 'keep-alive'],
    ['sec-ch-ua-platform', '"Windows"'],
    [
      'User-Agent',
      `Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${build} Safari/537.36`,
    ],
    ['sec-ch-ua', `"Google Chrome";v="${major}", "Chromium";v="${major}", "Not/A)Brand";v="24"`],
    ['sec-ch-ua-mobile', '?0'],
    ['Accept', CHROME_ACCEPT],
    ['Sec-Fetch-Site', 'same-site'],
    ['Sec-Fetch-Mode', 'no-cors'],
    ['Sec-Fetch-Dest', 'image'],
    ['Referer', page],
    ['Accept-Encoding', 'gzip, deflate, br, zstd'],
    ['Accept-Language', language],
  ]);
}

function firefox({ language, page, build }: Taste): string {
  const major = build.split('.', 1)[0];
  return lines([
    ['Host', HOST],
    ['User-Agent', `Mozilla/5.0 (X11; Linux x86_64; rv:${major}.0) Gecko/20100101 Firefox/${major}.0`],
    ['Accept', 'image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5'],
    ['Accept-Language', language],
    ['Accept-Encoding', 'gzip, deflate, br, zstd'],
    ['Connection', 'keep-alive'],
    ['Referer', page],
    ['Sec-Fetch-Dest', 'image'],
    ['Sec-Fetch-Mode', 'no-cors'],
    ['Sec-Fetch-Site', 'same-site'],
    ['Priority', 'u=5, i'],
  ]);
}

function safari({ language, page, build }: Taste): string {
  return lines([
    ['Host', HOST],
    ['Sec-Fetch-Site', 'same-site'],
    ['Accept-Encoding', 'gzip, deflate, br'],
    ['Connection', 'keep-alive'],
    ['Sec-Fetch-Mode', 'no-cors'],
    [
      'Accept',
      'image/webp,image/avif,image/jxl,image/heic,image/heic-sequence,video/*;q=0.8,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5',
    ],
    [
      'User-Agent',
      `Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.${build.length} Safari/605.1.15`,
    ],
    ['Referer', page],
    ['Sec-Fetch-Dest', 'image'],
    ['Accept-Language', language],
    ['Priority', 'u=5, i'],
  ]);
}

function mobile({ language, page, build }: Taste): string {
  const major = build.split('.', 1)[0];
  return lines([
    ['Host', HOST],
    ['Connection', 'keep-alive'],
    ['sec-ch-ua-platform', '"Android"'],
    [
      'User-Agent',
      `Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${major}.0.0.0 Mobile Safari/537.36`,
    ],
    ['sec-ch-ua', `"Chromium";v="${major}", "Not)A;Brand";v="99"`],
    ['sec-ch-ua-mobile', '?1'],
    ['Accept', CHROME_ACCEPT],
    ['Sec-Fetch-Site', 'cross-site'],
    ['Sec-Fetch-Mode', 'no-cors'],
    ['Sec-Fetch-Dest', 'image'],
    ['Referer', page],
    ['Accept-Encoding', 'gzip, deflate, br, zstd'],
    ['Accept-Language', language],
    ['DNT', '1'],
  ]);
}

function lines(fields: readonly (readonly [name: string, value: string])[]): string {
  return fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');
}
