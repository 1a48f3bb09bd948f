import { gunzipSync, gzipSync } from 'node:zlib';
import type { Kinds, Mutator } from './bytes.js';
import { byteKinds, join, number, on, pieces, times, within } from './bytes.js';

/** Changes the header of an IDX file, MNIST's format: the magic number and the dimensions. */
const idxHeader = number(4, 'BE', ({ 3: rank = 0 }) => [0, 4, 8, 12].slice(0, 1 + rank));

/** Several of them may have a product that is 0, or that overflows 32 or 64 bits. */
const idx = { ...byteKinds, 'IDX number': idxHeader, 'IDX numbers': times(2, 3, idxHeader) };

const matElements = (bytes: Buffer) => pieces(bytes, 128, (rest) => 8 + rest.readUInt32LE(4)).slice(1, -1);

/**
 * Changes a tag within a variable: types, lengths, classes and dimensions stand in its first hundred bytes.
 * test/data/matlab.test.ts has cells within cells, cells that claim to be many, and zeros that are compressed.
 */
const matTag: Mutator = (bytes, draw, other) => {
  const element = draw.pick(matElements(bytes));
  const at = element.byteOffset - bytes.byteOffset + 4 * draw.below(Math.min(24, element.length >> 2));
  return draw.pick([number(1, 'LE', [at], [...Array(20).keys()]), number(4, 'LE', [at])])(bytes, draw, other);
};

const onGz = on<Buffer>(gunzipSync, (content) => gzipSync(content, { level: 1 }));

export const kinds: Kinds = {
  ubyte$: idx,
  '[.]gz$': {
    ...within('compressed', idx, onGz),
    'zeros compressed': onGz((bytes, draw) => join(bytes.subarray(0, 16), Buffer.alloc(draw.power(2 ** 23)))),
    'two members': (bytes, _, other) => join(bytes, other),
  },
  '[.]mat$': { ...byteKinds, 'MAT tag': matTag, 'MAT tags': times(2, 2, matTag) },
};
