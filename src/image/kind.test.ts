import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import sharp from 'sharp';
import { SNIFF_BYTES, sameKind, sniffKind, typeByExtension } from './kind.ts';

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex');
}

function box(...brands: string[]): Buffer {
  const text = Buffer.from(`ftyp${brands[0]}\0\0\0\0${brands.slice(1).join('')}`, 'latin1');
  const size = Buffer.alloc(4);
  size.writeUInt32BE(text.length + 4);
  return Buffer.concat([size, text, Buffer.from('rest')]);
}

const BMP = hex('424d 46000000 00000000 36000000 28000000 02000000 02000000');
const ICON = hex('00000100 0100 10 10 00 00 0100 2000 68040000 16000000 28000000');
const SVG = '<svg xmlns="http://www.w3.org/2000/svg"/>';

const KINDS: readonly (readonly [name: string, bytes: Buffer, type: string])[] = [
  ['JPEG', hex('ffd8ffe000104a464946'), 'image/jpeg'],
  ['PNG', hex('89504e470d0a1a0a0000000d49484452'), 'image/png'],
  ['GIF 87', Buffer.from('GIF87a...'), 'image/gif'],
  ['GIF 89', Buffer.from('GIF89a...'), 'image/gif'],
  ['WebP', Buffer.from('RIFF\x10\0\0\0WEBPVP8L', 'latin1'), 'image/webp'],
  ['AVIF', box('avif', 'mif1', 'miaf'), 'image/avif'],
  ['AVIF sequence', box('avis', 'msf1'), 'image/avif'],
  ['AVIF under a common brand', box('mif1', 'miaf', 'avif'), 'image/avif'],
  ['HEIC', box('heic', 'mif1'), 'image/heic'],
  ['HEIF', box('mif1', 'heic'), 'image/heic'],
  ['JXL bare', hex('ff0a fa1f'), 'image/jxl'],
  ['JXL boxed', hex('0000000c4a584c200d0a870a00000014667479706a786c20'), 'image/jxl'],
  ['BMP', BMP, 'image/bmp'],
  ['TIFF little', hex('49492a0008000000'), 'image/tiff'],
  ['TIFF big', hex('4d4d002a00000008'), 'image/tiff'],
  ['BigTIFF', hex('49492b0008000000'), 'image/tiff'],
  ['ICO', ICON, 'image/x-icon'],
  ['JPEG 2000', hex('0000000c6a5020200d0a870a00000014'), 'image/jp2'],
  ['JPEG 2000 bare', hex('ff4fff510029'), 'image/jp2'],
  ['SVG', Buffer.from(SVG), 'image/svg+xml'],
];

describe('what kind of image some bytes are', () => {
  test('by magic', () => {
    for (const [name, bytes, type] of KINDS) assert.equal(sniffKind(bytes), type, name);
  });

  test('what an encoder writes', async () => {
    const image = sharp({ create: { width: 9, height: 7, channels: 3, background: '#5c783b' } });
    for (const format of ['jpeg', 'png', 'gif', 'webp', 'avif', 'tiff'] as const) {
      assert.equal(sniffKind(await image.clone().toFormat(format).toBuffer()), `image/${format}`);
    }
  });

  test('an SVG by its root, behind all that XML allows before it', () => {
    const roots = [
      `\ufeff${SVG}`,
      `<?xml version="1.0" encoding="UTF-8"?>\r\n${SVG}`,
      `<?xml version="1.0"?><?xml-stylesheet href="a"?><!-- <html> --><!DOCTYPE svg>\n${SVG}`,
      `<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://x/>"[<!ENTITY a "]>"><!-- ' --> ]>${SVG}`,
      '  <svg\n>',
      '<svg>',
      '<svg/>',
      '<s:svg xmlns:s="x">',
    ];
    for (const text of roots) assert.equal(sniffKind(Buffer.from(text)), 'image/svg+xml', text);
    const others = [
      '<html><svg/></html>',
      '<!DOCTYPE html><svg/>',
      '<!doctype html><svg>',
      'svg',
      '<svgx>',
      '<svg',
      '<SVG/>',
      `x${SVG}`,
      `<!-- ${SVG}`,
      `<?xml ${SVG}`,
      `<!DOCTYPE svg [ ${SVG}`,
      `<!DOCTYPE svg "${SVG}`,
      `<!---->${' '.repeat(SNIFF_BYTES)}${SVG}`,
      '<script>',
      '',
    ];
    for (const text of others) assert.equal(sniffKind(Buffer.from(text)), undefined, text);
    assert.equal(sniffKind(Buffer.from(`\ufeff${SVG}`, 'utf16le')), undefined);
  });

  test('not what only looks alike', () => {
    const others = [
      'BMW is a car, not a picture',
      'BM',
      'RIFF\x10\0\0\0WAVE',
      'MM',
      'GIF8',
      '\0\0\x01\0\0\0',
      '%PDF-1.7',
      'PK\x03\x04',
    ];
    for (const text of others) assert.equal(sniffKind(Buffer.from(text, 'latin1')), undefined, text);
    for (const bytes of [box('isom', 'mp42'), box('qt  '), hex('000001000100101000ff0100200068040000160000002800')]) {
      assert.equal(sniffKind(bytes), undefined);
    }
    const endless = box('avif');
    endless.writeUInt32BE(0xfffffffc);
    assert.equal(sniffKind(endless), undefined);
  });

  test('any bytes, cut anywhere, give a type or none', () => {
    const start = fc.constantFrom(
      ...KINDS.map((kind) => kind[1]),
      Buffer.from('<!DOCTYPE svg ['),
      Buffer.from('<!--'),
      Buffer.alloc(0),
    );
    fc.assert(
      fc.property(start, fc.uint8Array({ maxLength: 64 }), fc.nat(90), (magic, rest, cut) => {
        const bytes = Buffer.concat([magic, rest]).subarray(0, cut);
        const type = sniffKind(bytes);
        assert.ok(type === undefined || /^image\/[a-z+\d-]+$/.test(type));
        if (type !== undefined) assert.ok(sameKind(type, bytes), 'an image is of its own kind');
      }),
    );
  });
});

describe('whether bytes are what they are declared to be', () => {
  test('each known kind is itself, by all its names, and no other', () => {
    for (const [name, bytes, type] of KINDS) {
      for (const [, other, otherType] of KINDS) assert.equal(sameKind(type, other), type === otherType, `${type} ${name}`);
      assert.ok(sameKind(`${type.toUpperCase()} ; charset=utf-8`, bytes));
    }
    for (const [alias, at] of [
      ['image/jpg', 0],
      ['image/pjpeg', 0],
      ['image/apng', 1],
      ['image/vnd.microsoft.icon', 16],
    ] as const) {
      assert.ok(sameKind(alias, KINDS[at]?.[1] as Buffer), alias);
      assert.ok(!sameKind(alias, Buffer.from('something else')), alias);
    }
  });

  test('an unknown subtype is believed unless the bytes say otherwise', () => {
    assert.ok(sameKind('image/x-portable-pixmap', Buffer.from('P6 1 1 255 abc')));
    assert.ok(sameKind('image/vnd.adobe.photoshop', Buffer.from('8BPS\0\x01')));
    for (const text of ['<p>', ' \n<?xml version="1.0"?>', '#!x <SCRIPT>alert(1)</SCRIPT>', 'a<!DOCTYPE html>', SVG, 'GIF89a']) {
      assert.ok(!sameKind('image/x-unknown', Buffer.from(text)), text);
      assert.ok(!sameKind('image/x-unknown', Buffer.from(`\ufeff${text}`, 'utf16le')) || text === 'GIF89a', `${text} in UTF-16`);
    }
  });

  test('nothing, a page or another type never is', () => {
    for (const [, bytes, type] of KINDS) {
      assert.ok(!sameKind(type, Buffer.alloc(0)));
      assert.ok(!sameKind(type, Buffer.from('<!doctype html><html></html>')));
      for (const other of [
        'text/html',
        'application/octet-stream',
        '',
        'image',
        'image/',
        'image/*',
        'image/a b',
        'ximage/png',
      ]) {
        assert.ok(!sameKind(other, bytes), other);
      }
    }
    assert.ok(!sameKind('image/x-unknown', Buffer.alloc(0)));
  });
});

test('the type that a name suggests', () => {
  const rows: readonly (readonly [path: string, type: string])[] = [
    ['a/b.JPG', 'image/jpeg'],
    ['b.tar.webp', 'image/webp'],
    ['a.css', 'text/css'],
    ['a.b/c', 'application/octet-stream'],
    ['.png', 'application/octet-stream'],
    ['a.', 'application/octet-stream'],
    ['a.toString', 'application/octet-stream'],
    ['', 'application/octet-stream'],
  ];
  for (const [path, type] of rows) assert.equal(typeByExtension(path), type, path);
});
