import { deflateSync, gunzipSync, gzipSync } from 'node:zlib';
import { little } from '../../networks/weights/pickle-writer.js';
import type { Kinds, Mutator } from './bytes.js';
import { anyByte, byteKinds, join, number, on, pieces, same, spliced, times, within } from './bytes.js';

/** Changes the header of an IDX file, MNIST's format: the magic number and the dimensions. */
const idxHeader = number(4, 'BE', ({ 3: rank = 0 }) => [0, 4, 8, 12].slice(0, 1 + rank));

/** Dimensions whose product is right, is 0, or overflows 32 or 64 bits. */
const idxDimensions: Mutator = (bytes, draw) => {
  const total = bytes.length - 16;
  const products = [
    [total, 1, 1],
    [1, 1, total],
    [total, 0, 2 ** 32 - 1],
    [2 ** 31, 2 ** 31, 4],
    [0, 28, 28],
  ];
  const dims = draw.pick([...products, [2 ** 16, 2 ** 16, 2 ** 16]]).slice(0, bytes[3]);
  return spliced(bytes, 4, 4 + 4 * dims.length, join(...dims.map((dim) => little(dim, 4).toReversed())));
};

const idx = { ...byteKinds, 'IDX header': idxHeader, 'IDX dimensions': idxDimensions };

const matElements = (bytes: Buffer) => pieces(bytes, 128, (rest) => 8 + rest.readUInt32LE(4)).slice(1, -1);

function matCompressed(bytes: Buffer): Buffer {
  const packed = matElements(bytes).map((element) => deflateSync(element, { level: 1 }));
  return join(bytes.subarray(0, 128), ...packed.flatMap((data) => [little(15, 4), little(data.length, 4), data]));
}

/** Changes a tag within a variable: types, lengths, classes and dimensions stand in its first hundred bytes. */
const matTag: Mutator = (bytes, draw, other) => {
  const element = draw.pick(matElements(bytes));
  const at = element.byteOffset - bytes.byteOffset + 4 * draw.below(Math.min(24, element.length >> 2));
  return draw.pick([number(1, 'LE', [at], [...Array(20).keys()]), number(4, 'LE', [at])])(bytes, draw, other);
};

const words = (...values: number[]): Buffer => join(...values.map((value) => little(value, 4)));

/** Nested cells, or a cell array that claims many cells and holds all of them or one. */
const matCells: Mutator = (bytes, draw) => {
  let inner = words(14, 0);
  const deep = draw.once(2);
  const count = deep ? 1 : draw.power(2 ** 16);
  for (let depth = deep ? draw.power(512) : 1; depth > 0; depth--) {
    const content = Buffer.alloc(inner.length * draw.pick([1, count]), inner);
    const claimed = draw.once(8) ? 2 ** 31 - 1 : count;
    inner = join(words(14, 40 + content.length, 6, 8, 1, 0, 5, 8, claimed, 1, 1, 0), content);
  }
  return spliced(bytes, 128, 128, inner);
};

const mat = { ...byteKinds, 'MAT tag': matTag, 'MAT tags': times(2, 2, matTag), 'MAT cells': matCells };

const unzipped = (bytes: Buffer): Buffer => gunzipSync(bytes);
const onGz = on(unzipped, (content) => gzipSync(content, { level: 1 }));

export const kinds: Kinds = {
  ubyte$: idx,
  '[.]gz$': {
    ...within('compressed', idx, onGz),
    'zeros compressed': (bytes, draw) =>
      gzipSync(join(unzipped(bytes).subarray(0, 16), Buffer.alloc(draw.power(2 ** 23)))),
    'two members': (bytes, _, other) => join(bytes, other),
  },
  // An uncompressed file is only damaged, damaged and then compressed, or compressed and then damaged.
  '[.]mat$': {
    ...mat,
    ...within('compressed', mat, on(same, matCompressed)),
    'compressed, then damaged': (bytes, draw, other) => anyByte(matCompressed(bytes), draw, matCompressed(other)),
    'zeros compressed': (bytes, draw) =>
      matCompressed(join(bytes, words(14, 0xfffff8), Buffer.alloc(draw.power(2 ** 23)))),
  },
};
