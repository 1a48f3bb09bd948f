import { deflateSync, gunzipSync, gzipSync } from 'node:zlib';
import { little } from '../../networks/weights/pickle-writer.js';
import type { Kinds, Mutator } from './bytes.js';
import { anyByte, byteKinds, join, number, on, pieces, same, times, within } from './bytes.js';

/** Changes the header of an IDX file, MNIST's format: the magic number and the dimensions. */
const idxHeader = number(4, 'BE', ({ 3: rank = 0 }) => [0, 4, 8, 12].slice(0, 1 + rank));

/** Several of them may have a product that is 0, or that overflows 32 or 64 bits. */
const idx = { ...byteKinds, 'IDX number': idxHeader, 'IDX numbers': times(2, 3, idxHeader) };

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

// test/data/matlab.test.ts has cells within cells, and cells that claim to be many.
const mat = { ...byteKinds, 'MAT tag': matTag, 'MAT tags': times(2, 2, matTag) };

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
