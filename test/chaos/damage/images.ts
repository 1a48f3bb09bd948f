import { crc32, deflateSync, inflateSync } from 'node:zlib';
import {
  anyByte,
  byteMutators,
  join,
  type Mutator,
  type Mutators,
  number,
  onPieces,
  piecewise,
  times,
} from './bytes.js';

/** Sides far too large, at the limit, and just below it: the largest images that are decoded in full are 8190 × 8190. */
const sides = [
  ...[0, 1, 2, 7, 255, 4096, 8190, 8192, 8193, 16383, 65535, 99_999, 100_001],
  ...[2 ** 24, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1],
];
const allBytes = [...Array(256).keys()];
const u32 = (value: number): Buffer => Buffer.from([24, 16, 8, 0].map((shift) => value >>> shift));

/** A PNG's chunks: the type, then the data. */
function pngChunks(bytes: Buffer): Buffer[] {
  const chunks: Buffer[] = [];
  for (let start = 8; start + 12 <= bytes.length; start += 12 + bytes.readUInt32BE(start))
    chunks.push(bytes.subarray(start + 4, start + 8 + bytes.readUInt32BE(start)));
  return chunks;
}

const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const png = (chunks: readonly Buffer[]): Buffer =>
  join(signature, ...chunks.flatMap((chunk) => [u32(chunk.length - 4), chunk, u32(crc32(chunk))]));

const onChunks = onPieces(pngChunks, png);
const inChunk =
  (change: Mutator): Mutator =>
  (chunk, draw) =>
    join(chunk.subarray(0, 4), change(chunk.subarray(4), draw, chunk.subarray(4)));
const onChunk = (type: string, change: Mutator): Mutator =>
  onChunks((all, _, draw) => {
    const at = all.findIndex((chunk) => chunk.toString('latin1', 0, 4) === type);
    if (at >= 0) all[at] = inChunk(change)(all[at] as Buffer, draw, signature as Buffer);
  });

const types = 'PLTE tRNS gAMA iCCP zTXt iTXt eXIf acTL fcTL pHYs sBIT hIST aaaa AAAA IDAT IEND'.split(' ');

/** A PNG of one colour, with a bit for each pixel: a few kilobytes, but decoded in full if the sides are allowed. */
function plainPng(width: number, height: number): Buffer {
  const pixels = deflateSync(Buffer.alloc(height * (1 + Math.ceil(width / 8))), { level: 1 });
  return png([join('IHDR', u32(width), u32(height), Uint8Array.of(1, 0, 0, 0, 0)), join('IDAT', pixels), join('IEND')]);
}
const largeImages = '8190x8190 8193x8192 99999x600 600x99999 67108864x1 1x67108864 1048576x65 100001x8'.split(' ');

export const pngMutators: Mutators = {
  'PNG sides': onChunk(
    'IHDR',
    times(
      1,
      2,
      number('4BE', () => [0, 4], sides),
    ),
  ),
  'PNG of one colour': (_bytes, draw) => {
    // Most have few pixels: decoding the largest allowed image takes a second.
    const drawn = draw.once(10) ? draw.pick(largeImages) : `${draw.power(2048)}x${draw.power(2048)}`;
    return plainPng(...(drawn.split('x').map(Number) as [number, number]));
  },
  'PNG kind': onChunk(
    'IHDR',
    number('1BE', () => [8, 9, 10, 11, 12], [0, 1, 2, 3, 4, 6, 8, 16, 255]),
  ),
  'PNG pixels': onChunk('IDAT', (data, draw) => {
    const raw = inflateSync(data);
    return draw.either(
      () => deflateSync(raw.subarray(0, draw.below(raw.length))),
      () => deflateSync(join(raw, Buffer.alloc(draw.power(2 ** 22)))),
      () => deflateSync(number('1BE', () => [draw.below(raw.length)], allBytes)(raw, draw, raw)),
      () => anyByte(data, draw, data),
    );
  }),
  ...piecewise('PNG chunk', onChunks, inChunk(byteMutators['integer set']) as (chunk: Buffer) => Buffer, (draw) => {
    const data = draw.once(4) ? deflateSync(Buffer.alloc(draw.power(2 ** 22))) : draw.bytes(draw.power(64));
    return join(draw.pick(types), draw.pick(['', 'a\0\0']), data);
  }),
};

/** The beginning, the segments (marker, length, content), and the rest of a JPEG. */
function jpegSegments(bytes: Buffer): Buffer[] {
  const found = [bytes.subarray(0, 2)];
  let start = 2;
  while (start + 4 < bytes.length && bytes[start] === 0xff && bytes[start + 1] !== 0xda) {
    found.push(bytes.subarray(start, start + 2 + bytes.readUInt16BE(start + 2)));
    start += 2 + bytes.readUInt16BE(start + 2);
  }
  return [...found, bytes.subarray(start)];
}
const jpegFrame = /\xff[\xc0-\xc2]/;

export const jpegMutators: Mutators = {
  'JPEG sides': times(1, 2, number('2BE', jpegFrame, sides, [5, 7])),
  'JPEG frame': number(
    '1BE',
    jpegFrame,
    [0, 1, 2, 4, 0x11, 0x44, 0xc2, 0xff],
    [1, 4, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18],
  ),
  ...piecewise(
    'JPEG segment',
    onPieces(jpegSegments, (all) => join(...all)),
    (segment, draw) => number('1BE', () => [draw.below(segment.length)])(segment, draw, segment),
  ),
};

/** In a lossless WebP, two sides of 14 bits stand in four bytes. */
const packedSides = sides.flatMap((width) => sides.map((height) => ((width & 0x3fff) | (height << 14)) & 0xfffffff));
const webpSides: readonly Mutator[] = [
  number('3LE', /(?<=^.{12})VP8X/s, sides, [12, 15]),
  number(
    '2LE',
    /(?<=^.{12})VP8 /s,
    sides.map((side) => side & 0x3fff),
    [14, 16],
  ),
  number('4LE', /(?<=^.{12})VP8L/s, packedSides, [9]),
];

export const webpMutators: Mutators = {
  // Two of the three find no place.
  'WebP sides': (bytes, draw, other) => webpSides.reduce((changed, each) => each(changed, draw, other), bytes),
  'WebP length': number('4LE', () => [4, 16]),
  'WebP flags': number('1LE', () => [15, 20, 21, 22, 23], allBytes),
};

const gifFrame = /(?<=^.{13}[^,]*),/s;

export const gifMutators: Mutators = {
  'GIF sides': times(
    1,
    2,
    number('2LE', () => [6, 8], sides),
  ),
  'GIF frame': number('2LE', gifFrame, sides, [1, 3, 5, 7]),
  'GIF flags': number('1LE', () => [10, 11, 12], allBytes),
  'GIF frame flags': number('1LE', gifFrame, allBytes, [9, 10]),
};

/** The boxes of an AVIF whose fields are worth changing, and how many bytes each has. */
const boxes = { ispe: 16, irot: 1, iloc: 30, ipma: 16, av1C: 4, pixi: 8, colr: 11, pitm: 6, iinf: 30 };
const boxNames = ['ftyp', 'meta', 'iprp', 'ipco', 'mdat', ...Object.keys(boxes)];

export const avifMutators: Mutators = {
  'AVIF sides': number('4BE', /ispe/, sides, [8, 12]),
  'AVIF length': (bytes, draw, other) =>
    number('4BE', new RegExp(draw.pick(boxNames)), undefined, [-4])(bytes, draw, other),
  'AVIF field': (bytes, draw, other) => {
    const [box, length] = draw.pick(Object.entries(boxes));
    return number('1BE', new RegExp(box), allBytes, [4 + draw.below(length)])(bytes, draw, other);
  },
};
