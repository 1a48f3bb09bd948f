import { crc32, deflateSync } from 'node:zlib';
import { little } from '../../networks/weights/pickle-writer.js';
import type { Draw } from '../draw.js';
import type { Kinds } from './bytes.js';
import { after, byteKinds, join, number, on, pieces, piecewise, same, times } from './bytes.js';

/** Sides far too large, at the limit, and just below it: the largest images that are decoded in full are 8190 × 8190. */
const sides = [
  ...[0, 1, 2, 7, 255, 4096, 8190, 8192, 8193, 16383, 65535, 99_999, 100_001],
  ...[2 ** 24, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1],
];
const u32 = (value: number): Uint8Array => little(value, 4).toReversed();

/** A PNG's chunks: the type, then the data. */
const chunksOf = (png: Buffer): Buffer[] =>
  pieces(png, 8, (rest) => 12 + rest.readUInt32BE(0))
    .slice(1, -1)
    .map((chunk) => chunk.subarray(4, -4));
const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const pngOf = (chunks: readonly Buffer[]): Buffer =>
  join(signature, ...chunks.flatMap((chunk) => [u32(chunk.length - 4), chunk, u32(crc32(chunk))]));

const onChunks = on(chunksOf, pngOf);
const sealed = on(same, (png) => pngOf(chunksOf(png)));
const changedChunk = (chunk: Buffer, draw: Draw) =>
  join(chunk.subarray(0, 4), byteKinds['integer set'](chunk.subarray(4), draw, chunk));

const types = 'PLTE tRNS gAMA iCCP zTXt iTXt eXIf acTL fcTL pHYs sBIT hIST aaaa AAAA IDAT IEND'.split(' ');
/** It may hold pixels of another size, or be a bomb. */
const anyChunk = (draw: Draw): Buffer => {
  const data = draw.once(4) ? deflateSync(Buffer.alloc(draw.power(2 ** 22))) : draw.bytes(draw.power(64));
  return join(draw.pick(types), draw.pick(['', 'a\0\0']), data);
};

const large = '8190x8190 8193x8192 99999x600 600x99999 67108864x1 1x67108864 1048576x65 100001x8'.split(' ');

/** Sides of WebP stand elsewhere in each of its kinds; in a lossless one, two of 14 bits stand in four bytes. */
const short = sides.map((side) => side & 0x3fff);
const packed = short.flatMap((width) => short.map((height) => width + height * 2 ** 14));
const webpSides = {
  VP8X: number(3, 'LE', [24, 27], sides),
  'VP8 ': number(2, 'LE', [26, 28], short),
  VP8L: number(4, 'LE', [21], packed),
};

/** Sides, which byte kinds hardly make valid, and what checksums or lengths protect. The images are so small that byte kinds meet the rest. */
export const kinds: Kinds = {
  '[.]png$': {
    'PNG sides': sealed(times(1, 2, number(4, 'BE', after(/IHDR/, 4, 8), sides))),
    // With a bit for each pixel: a few kilobytes, but decoded in full if the sides are allowed.
    'PNG of one colour': (_, draw) => {
      // Most have few pixels: decoding the largest allowed image takes a second.
      const drawn = draw.once(10) ? draw.pick(large) : `${draw.power(2048)}x${draw.power(2048)}`;
      const [width, height] = drawn.split('x').map(Number) as [number, number];
      const pixels = deflateSync(Buffer.alloc(height * (1 + Math.ceil(width / 8))), { level: 1 });
      const header = join('IHDR', u32(width), u32(height), Uint8Array.of(1, 0, 0, 0, 0));
      return pngOf([header, join('IDAT', pixels), join('IEND')]);
    },
    ...piecewise('PNG chunk', onChunks, changedChunk, anyChunk),
  },
  '[.](jpe?g|JPEG)$': {
    'JPEG sides': times(1, 2, number(2, 'BE', after(/\xff[\xc0-\xc2]/, 5, 7), sides)),
  },
  '[.]webp$': {
    'WebP sides': (webp, draw, other) =>
      webpSides[webp.toString('latin1', 12, 16) as keyof typeof webpSides](webp, draw, other),
  },
  '[.]gif$': {
    'GIF sides': times(1, 2, number(2, 'LE', [6, 8], sides)),
    'GIF frame sides': number(2, 'LE', after(/(?<=^.{13}[^,]*),/s, 5, 7), sides),
  },
  '[.]avif$': {
    'AVIF sides': number(4, 'BE', after(/ispe/, 8, 12), sides),
  },
};
