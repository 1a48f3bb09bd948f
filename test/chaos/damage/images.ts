import { crc32, deflateSync, inflateSync } from 'node:zlib';
import { byteMutators } from './bytes.js';
import { type Draw, extremes, join, type Mutator, type Mutators, spliced } from './draw.js';

/**
 * Sides far too large, at the limit, and just below it: the largest images that are decoded in full are 8190 × 8190.
 */
const sides = [
  0,
  1,
  2,
  7,
  255,
  4096,
  8190,
  8192,
  8193,
  16383,
  65535,
  99_999,
  100_001,
  2 ** 24,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
];

const view = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

interface Chunk {
  readonly type: string;
  readonly data: Uint8Array;
}

const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

function pngChunks(bytes: Uint8Array): Chunk[] {
  const data = view(bytes);
  const chunks: Chunk[] = [];
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = data.readUInt32BE(at);
    chunks.push({ type: data.toString('latin1', at + 4, at + 8), data: bytes.slice(at + 8, at + 8 + length) });
    at += 12 + length;
  }
  return chunks;
}

function png(chunks: readonly Chunk[]): Uint8Array {
  const parts = chunks.flatMap(({ type, data }) => {
    const content = join(type, data);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc32(content));
    return [length, content, sum];
  });
  return join(signature, ...parts);
}

const onChunks =
  (change: (chunks: Chunk[], draw: Draw) => void): Mutator =>
  (bytes, draw) => {
    const chunks = pngChunks(bytes);
    change(chunks, draw);
    return png(chunks);
  };

const onChunk = (type: string, change: (data: Buffer, draw: Draw) => Uint8Array): Mutator =>
  onChunks((chunks, draw) => {
    const at = chunks.findIndex((chunk) => chunk.type === type);
    if (at >= 0) chunks[at] = { type, data: change(Buffer.from((chunks[at] as Chunk).data), draw) };
  });

const other = [
  'PLTE',
  'tRNS',
  'gAMA',
  'iCCP',
  'zTXt',
  'iTXt',
  'eXIf',
  'acTL',
  'fcTL',
  'pHYs',
  'sBIT',
  'hIST',
  'aaaa',
  'AAAA',
  'IDAT',
  'IEND',
];

/**
 * A PNG of one colour, with a bit for each pixel: a few kilobytes that are decoded in full if the sides are allowed.
 */
function plainPng(width: number, height: number): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 1;
  const pixels = deflateSync(Buffer.alloc(height * (1 + Math.ceil(width / 8))), { level: 1 });
  const chunks = { IHDR: header, IDAT: pixels, IEND: Buffer.alloc(0) };
  return png(Object.entries(chunks).map(([type, data]) => ({ type, data })));
}

export const pngMutators: Mutators = {
  ...byteMutators,
  'PNG sides': onChunk('IHDR', (data, draw) => {
    data.writeUInt32BE(draw.pick(sides), draw.pick([0, 4]));
    if (draw.once(2)) data.writeUInt32BE(draw.pick(sides), draw.pick([0, 4]));
    return data;
  }),
  'PNG of one colour': (_bytes, draw) => {
    // Most have few pixels: decoding the largest allowed image takes a second.
    if (!draw.once(10)) return plainPng(draw.power(2048), draw.power(2048));
    const [width, height] = draw.pick([
      ...[[8190, 8190] as const, [8193, 8192] as const, [99_999, 600] as const, [600, 99_999] as const],
      ...[[2 ** 26, 1] as const, [1, 2 ** 26] as const, [2 ** 20, 65] as const, [100_001, 8] as const],
    ]);
    return plainPng(width, height);
  },
  'PNG kind': onChunk('IHDR', (data, draw) => {
    data[draw.between(8, 12)] = draw.pick([0, 1, 2, 3, 4, 6, 8, 16, 255]);
    return data;
  }),
  'PNG pixels': onChunk('IDAT', (data, draw) => {
    const raw = inflateSync(data);
    const kind = draw.below(4);
    if (kind === 0) return deflateSync(raw.subarray(0, draw.below(raw.length)));
    if (kind === 1) return deflateSync(Buffer.concat([raw, Buffer.alloc(draw.power(2 ** 22))]));
    if (kind === 2) raw[draw.below(raw.length)] = draw.below(256);
    else return byteMutators[draw.pick(Object.keys(byteMutators))]?.(data, draw, data) ?? data;
    return deflateSync(raw);
  }),
  'PNG chunk deleted': onChunks((chunks, draw) => void chunks.splice(draw.below(chunks.length), 1)),
  'PNG chunk twice': onChunks((chunks, draw) => {
    const chunk = draw.pick(chunks);
    chunks.splice(draw.below(chunks.length), 0, ...Array<Chunk>(draw.power(256)).fill(chunk));
  }),
  'PNG chunk added': onChunks((chunks, draw) => {
    const data = draw.once(4) ? deflateSync(Buffer.alloc(draw.power(2 ** 22))) : draw.bytes(draw.power(64));
    const text = draw.once(2) ? join('a\0\0', data) : data;
    chunks.splice(draw.below(chunks.length + 1), 0, { type: draw.pick(other), data: text });
  }),
  'PNG chunk damaged': onChunks((chunks, draw) => {
    const at = draw.below(chunks.length);
    const { type, data } = chunks[at] as Chunk;
    if (data.length > 0) chunks[at] = { type, data: byteMutators['integer set']?.(data, draw, data) ?? data };
  }),
};

/** The position of the frame header's marker; −1 if there is none. */
function jpegFrame(bytes: Uint8Array): number {
  const data = view(bytes);
  for (let at = 2; at + 9 < bytes.length && bytes[at] === 0xff; at += 2 + data.readUInt16BE(at + 2)) {
    const marker = bytes[at + 1] as number;
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) return at;
  }
  return -1;
}

function jpegSegments(bytes: Uint8Array): [from: number, to: number][] {
  const data = view(bytes);
  const found: [number, number][] = [];
  for (let at = 2; at + 4 < bytes.length && bytes[at] === 0xff && bytes[at + 1] !== 0xda; ) {
    const end = at + 2 + data.readUInt16BE(at + 2);
    found.push([at, end]);
    at = end;
  }
  return found;
}

const written = (bytes: Uint8Array, write: (data: Buffer) => void): Uint8Array => {
  const copy = new Uint8Array(bytes);
  write(view(copy));
  return copy;
};

export const jpegMutators: Mutators = {
  ...byteMutators,
  'JPEG sides': (bytes, draw) =>
    written(bytes, (data) => {
      const frame = jpegFrame(bytes);
      data.writeUInt16BE(draw.pick(sides) & 0xffff, frame + draw.pick([5, 7]));
      if (draw.once(2)) data.writeUInt16BE(draw.pick(sides) & 0xffff, frame + draw.pick([5, 7]));
    }),
  'JPEG frame': (bytes, draw) =>
    written(bytes, (data) => {
      data[jpegFrame(bytes) + draw.pick([1, 4, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18])] = draw.pick([
        0, 1, 2, 4, 0x11, 0x44, 0xc2, 0xff,
      ]);
    }),
  'JPEG segment deleted': (bytes, draw) => spliced(bytes, ...draw.pick(jpegSegments(bytes))),
  'JPEG segment twice': (bytes, draw) => {
    const [from, to] = draw.pick(jpegSegments(bytes));
    return spliced(bytes, from, from, join(...Array<Uint8Array>(draw.power(256)).fill(bytes.slice(from, to))));
  },
  'JPEG segment damaged': (bytes, draw) => {
    const [from, to] = draw.pick(jpegSegments(bytes));
    return written(bytes, (data) => {
      data[draw.between(from + 1, to - 1)] = Number(BigInt.asUintN(8, draw.pick(extremes)));
    });
  },
};

export const webpMutators: Mutators = {
  ...byteMutators,
  'WebP sides': (bytes, draw) =>
    written(bytes, (data) => {
      const chunk = data.toString('latin1', 12, 16);
      if (chunk === 'VP8X') data.writeUIntLE(draw.pick(sides) % 2 ** 24, draw.pick([24, 27]), 3);
      else if (chunk === 'VP8 ') data.writeUInt16LE(draw.pick(sides) & 0x3fff, draw.pick([26, 28]));
      else data.writeUInt32LE(((draw.pick(sides) & 0x3fff) | ((draw.pick(sides) & 0x3fff) << 14)) >>> 0, 21);
    }),
  'WebP length': (bytes, draw) =>
    written(bytes, (data) => data.writeUInt32LE(Number(BigInt.asUintN(32, draw.pick(extremes))), draw.pick([4, 16]))),
  'WebP flags': (bytes, draw) =>
    written(bytes, (data) => {
      data[draw.pick([15, 20, 21, 22, 23])] = draw.below(256);
    }),
};

export const gifMutators: Mutators = {
  ...byteMutators,
  'GIF sides': (bytes, draw) =>
    written(bytes, (data) => {
      data.writeUInt16LE(draw.pick(sides) & 0xffff, draw.pick([6, 8]));
      if (draw.once(2)) data.writeUInt16LE(draw.pick(sides) & 0xffff, draw.pick([6, 8]));
    }),
  'GIF frame': (bytes, draw) =>
    written(bytes, (data) => {
      const frame = data.indexOf(0x2c, 13);
      data.writeUInt16LE(draw.pick(sides) & 0xffff, frame + draw.pick([1, 3, 5, 7]));
    }),
  'GIF flags': (bytes, draw) =>
    written(bytes, (data) => {
      data[draw.pick([10, 11, 12, data.indexOf(0x2c, 13) + 9, data.indexOf(0x2c, 13) + 10])] = draw.below(256);
    }),
};

/** The boxes of an AVIF whose fields are worth changing, and how many bytes each has. */
const boxes = { ispe: 16, irot: 1, iloc: 30, ipma: 16, av1C: 4, pixi: 8, colr: 11, pitm: 6, iinf: 30 } as const;

export const avifMutators: Mutators = {
  ...byteMutators,
  'AVIF sides': (bytes, draw) =>
    written(bytes, (data) => data.writeUInt32BE(draw.pick(sides) >>> 0, data.indexOf('ispe') + draw.pick([8, 12]))),
  'AVIF length': (bytes, draw) =>
    written(bytes, (data) => {
      const box = draw.pick(['ftyp', 'meta', 'iprp', 'ipco', 'mdat', ...Object.keys(boxes)]);
      const at = data.indexOf(box);
      if (at !== -1) data.writeUInt32BE(Number(BigInt.asUintN(32, draw.pick(extremes))), at - 4);
    }),
  'AVIF field': (bytes, draw) =>
    written(bytes, (data) => {
      const [box, length] = draw.pick(Object.entries(boxes));
      const at = data.indexOf(box);
      if (at !== -1) data[Math.min(data.length - 1, at + 4 + draw.below(length))] = draw.below(256);
    }),
};
