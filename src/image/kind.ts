// What kind of image some bytes are, by their first bytes and never by what they are called.
// Promises: looks at the first 4 KB only, never throws, any input; one media type per kind, aliases compare equal.
// An SVG is known by its root element, in an encoding that keeps ASCII as it is (UTF-16 is not taken for an image).
// Refuses: to vouch for a declared image whose bytes are another kind, a page, a script or nothing at all.

/** As far as anything here looks. */
export const SNIFF_BYTES = 4096;

const JP2_BOX = Buffer.from('0000000c6a5020200d0a870a', 'hex');
const JXL_BOX = Buffer.from('0000000c4a584c200d0a870a', 'hex');

const MAGIC: readonly (readonly [magic: Buffer, type: string])[] = [
  [Buffer.from('ffd8ff', 'hex'), 'image/jpeg'],
  [Buffer.from('89504e470d0a1a0a', 'hex'), 'image/png'],
  [Buffer.from('GIF87a'), 'image/gif'],
  [Buffer.from('GIF89a'), 'image/gif'],
  [Buffer.from('49492a00', 'hex'), 'image/tiff'],
  [Buffer.from('4d4d002a', 'hex'), 'image/tiff'],
  [Buffer.from('49492b00', 'hex'), 'image/tiff'],
  [Buffer.from('4d4d002b', 'hex'), 'image/tiff'],
  [JXL_BOX, 'image/jxl'],
  [Buffer.from('ff0a', 'hex'), 'image/jxl'],
  [JP2_BOX, 'image/jp2'],
  [Buffer.from('ff4fff51', 'hex'), 'image/jp2'],
];

const HEIC_BRANDS: ReadonlySet<string> = new Set(['heic', 'heix', 'heim', 'heis', 'hevc', 'hevx', 'hevm', 'hevs']);
const BMP_HEADER_SIZES: ReadonlySet<number> = new Set([12, 16, 40, 52, 56, 64, 108, 124]);

/** Other names of a kind, all compared as one. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ['image/jpg', 'image/jpeg'],
  ['image/pjpeg', 'image/jpeg'],
  ['image/x-png', 'image/png'],
  ['image/apng', 'image/png'],
  ['image/vnd.mozilla.apng', 'image/png'],
  ['image/vnd.microsoft.icon', 'image/x-icon'],
  ['image/ico', 'image/x-icon'],
  ['image/x-bmp', 'image/bmp'],
  ['image/x-ms-bmp', 'image/bmp'],
  ['image/avif-sequence', 'image/avif'],
  ['image/heif', 'image/heic'],
  ['image/heic-sequence', 'image/heic'],
  ['image/heif-sequence', 'image/heic'],
  ['image/jpx', 'image/jp2'],
  ['image/jpm', 'image/jp2'],
  ['image/j2c', 'image/jp2'],
  ['image/j2k', 'image/jp2'],
  ['image/jpeg2000', 'image/jp2'],
  ['image/tiff-fx', 'image/tiff'],
  ['image/svg', 'image/svg+xml'],
]);

const SNIFFED: ReadonlySet<string> = new Set([
  ...MAGIC.map((entry) => entry[1]),
  'image/webp',
  'image/avif',
  'image/heic',
  'image/bmp',
  'image/x-icon',
  'image/svg+xml',
]);

const EXTENSIONS: ReadonlyMap<string, string> = new Map([
  ['jpg', 'image/jpeg'],
  ['jpeg', 'image/jpeg'],
  ['jpe', 'image/jpeg'],
  ['jfif', 'image/jpeg'],
  ['png', 'image/png'],
  ['apng', 'image/apng'],
  ['gif', 'image/gif'],
  ['webp', 'image/webp'],
  ['avif', 'image/avif'],
  ['avifs', 'image/avif'],
  ['heic', 'image/heic'],
  ['heif', 'image/heif'],
  ['jxl', 'image/jxl'],
  ['bmp', 'image/bmp'],
  ['tif', 'image/tiff'],
  ['tiff', 'image/tiff'],
  ['ico', 'image/x-icon'],
  ['jp2', 'image/jp2'],
  ['j2k', 'image/jp2'],
  ['svg', 'image/svg+xml'],
  ['css', 'text/css'],
  ['csv', 'text/csv'],
  ['htm', 'text/html'],
  ['html', 'text/html'],
  ['js', 'text/javascript'],
  ['mjs', 'text/javascript'],
  ['json', 'application/json'],
  ['map', 'application/json'],
  ['md', 'text/markdown'],
  ['mp4', 'video/mp4'],
  ['pdf', 'application/pdf'],
  ['txt', 'text/plain'],
  ['wasm', 'application/wasm'],
  ['webm', 'video/webm'],
  ['webmanifest', 'application/manifest+json'],
  ['woff', 'font/woff'],
  ['woff2', 'font/woff2'],
  ['xml', 'application/xml'],
]);

/** The media type of an image by its first bytes (give the first 4 KB, or all), or undefined. */
export function sniffKind(bytes: Buffer): string | undefined {
  for (const [magic, type] of MAGIC) if (startsWith(bytes, magic)) return type;
  if (bytes.length >= 12 && bytes.toString('latin1', 0, 4) === 'RIFF' && bytes.toString('latin1', 8, 12) === 'WEBP')
    return 'image/webp';
  if (bytes.length >= 12 && bytes.toString('latin1', 4, 8) === 'ftyp') return kindByBrands(bytes);
  if (bytes.length >= 18 && bytes[0] === 0x42 && bytes[1] === 0x4d && BMP_HEADER_SIZES.has(bytes.readUInt32LE(14)))
    return 'image/bmp';
  if (isIcon(bytes)) return 'image/x-icon';
  return hasSvgRoot(bytes.toString('latin1', 0, Math.min(bytes.length, SNIFF_BYTES))) ? 'image/svg+xml' : undefined;
}

/**
 * Whether bytes (the first 4 KB, or all) that are declared as an `image/*` type are of that kind. A subtype without known magic
 * is believed unless the bytes are another known kind or hold markup. False for nothing at all and for any other type.
 */
export function sameKind(declared: string, bytes: Buffer): boolean {
  const type = (declared.split(';', 1)[0] ?? '').trim().toLowerCase();
  if (bytes.length === 0 || !/^image\/[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(type)) return false;
  const wanted = ALIASES.get(type) ?? type;
  const found = sniffKind(bytes);
  if (SNIFFED.has(wanted)) return found === wanted;
  return found === undefined && !holdsMarkup(bytes);
}

/** The media type that a file's name suggests; `application/octet-stream` when it suggests none. */
export function typeByExtension(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const dot = name.lastIndexOf('.');
  return (dot > 0 ? EXTENSIONS.get(name.slice(dot + 1).toLowerCase()) : undefined) ?? 'application/octet-stream';
}

function startsWith(bytes: Buffer, magic: Buffer): boolean {
  return bytes.length >= magic.length && bytes.compare(magic, 0, magic.length, 0, magic.length) === 0;
}

/** ISO/IEC 14496-12 §4.3: a file type box is its size, `ftyp`, the major brand, a version, then the compatible brands. */
function kindByBrands(bytes: Buffer): string | undefined {
  const size = bytes.readUInt32BE(0);
  if (size < 16 || size % 4 !== 0 || size > SNIFF_BYTES) return undefined;
  let heic = false;
  for (let at = 8; at + 4 <= Math.min(size, bytes.length); at += at === 8 ? 8 : 4) {
    const brand = bytes.toString('latin1', at, at + 4);
    if (brand === 'avif' || brand === 'avis') return 'image/avif';
    // mif1 and msf1 are the structure that AVIF and HEIC share: a later brand may still say AVIF.
    if (HEIC_BRANDS.has(brand) || brand === 'mif1' || brand === 'msf1') heic = true;
  }
  return heic ? 'image/heic' : undefined;
}

/** A directory of at least one picture, whose first entry has its reserved byte clear and its data behind the directory. */
function isIcon(bytes: Buffer): boolean {
  if (bytes.length < 22 || bytes.readUInt32BE(0) !== 0x00000100) return false;
  const pictures = bytes.readUInt16LE(4);
  return pictures > 0 && bytes[9] === 0 && bytes.readUInt32LE(18) >= 6 + 16 * pictures;
}

/** Skips what XML allows before the root element (XML 1.0 §2.8) and looks whether that is `svg`. Each step moves forward. */
function hasSvgRoot(text: string): boolean {
  let at = text.startsWith('\u00ef\u00bb\u00bf') ? 3 : 0;
  for (;;) {
    while (at < text.length && isSpace(text.charCodeAt(at))) at += 1;
    if (text.startsWith('<?', at)) at = after(text, '?>', at + 2);
    else if (text.startsWith('<!--', at)) at = after(text, '-->', at + 4);
    else if (text.startsWith('<!DOCTYPE', at)) at = afterDoctype(text, at + 9);
    else return isSvgTag(text, at);
    if (at === -1) return false;
  }
}

function isSvgTag(text: string, at: number): boolean {
  return /^<(?:[A-Za-z_][\w.-]{0,63}:)?svg[\s/>]/.test(text.slice(at, at + 72));
}

/** The place behind a document type that names svg: `>` outside quotes, comments and the internal subset. */
function afterDoctype(text: string, from: number): number {
  if (!/^\s+(?:[A-Za-z_][\w.-]{0,63}:)?svg[\s[>]/.test(text.slice(from, from + 128))) return -1;
  let at = from;
  let inSubset = false;
  while (at < text.length) {
    const char = text[at];
    if (char === '"' || char === "'") at = after(text, char, at + 1);
    else if (text.startsWith('<!--', at)) at = after(text, '-->', at + 4);
    else {
      if (char === '[') inSubset = true;
      else if (char === ']') inSubset = false;
      else if (char === '>' && !inSubset) return at + 1;
      at += 1;
    }
    if (at === -1) return -1;
  }
  return -1;
}

function after(text: string, mark: string, from: number): number {
  const at = text.indexOf(mark, from);
  return at === -1 ? -1 : at + mark.length;
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0d;
}

/** Whether a browser that guesses could take the bytes for a page, a script or XML; in UTF-8 and in UTF-16. */
function holdsMarkup(bytes: Buffer): boolean {
  const text = bytes.toString('latin1', 0, Math.min(bytes.length, SNIFF_BYTES)).replaceAll('\0', '');
  return (
    /^(?:\u00ef\u00bb\u00bf|\u00ff\u00fe|\u00fe\u00ff)?\s*</.test(text) ||
    /<(?:!doctype|\?xml|html|head|body|script|iframe|svg|style|img)\b/i.test(text)
  );
}
