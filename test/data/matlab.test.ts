import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type MatValue, readMat } from '../../src/data/matlab.js';
import {
  cells,
  classUint8,
  matFile,
  type NumberType,
  numbers,
  numberTypeNames,
  struct,
  text,
} from '../fixtures/mat-file.js';
import { failure, temporaryFolder, write } from './generate.js';

const limit = 2 ** 20;

async function read(bytes: Uint8Array, file = join(temporaryFolder(), 'a.mat')) {
  write(file, bytes);
  return readMat(file, limit);
}

/** What is compared: no typed arrays, whose kind is not the point. */
function plain(value: MatValue | undefined): unknown {
  if (value?.kind === 'numbers') return { dims: value.dims, data: [...value.data] };
  if (value?.kind === 'cells') return { dims: value.dims, cells: value.cells.map(plain) };
  return value?.kind === 'text' ? value.text : value?.kind;
}

describe('readMat', () => {
  it.each([
    { compressed: false, bigEndian: false },
    { compressed: true, bigEndian: false },
    { compressed: false, bigEndian: true },
    { compressed: true, bigEndian: true },
  ])('reads numbers, text and nested cells, and passes over what is neither: %o', async (options) => {
    const bytes = matFile(
      {
        X: numbers([2, 3], [1, 2, 3, 4, 5, 255], 'uint8', classUint8),
        small: numbers([1, 1], [10], 'uint8'),
        name: text('Grüße, ж'),
        list: cells([text('a/1.jpg', 'utf8'), cells([numbers([0, 0], [])]), struct]),
        struct,
      },
      options,
    );
    const variables = await read(bytes);
    expect([...variables.keys()]).toEqual(['X', 'small', 'name', 'list', 'struct']);
    expect([...variables.values()].map(plain)).toEqual([
      { dims: [2, 3], data: [1, 2, 3, 4, 5, 255] },
      { dims: [1, 1], data: [10] },
      'Grüße, ж',
      { dims: [3, 1], cells: ['a/1.jpg', { dims: [1, 1], cells: [{ dims: [0, 0], data: [] }] }, 'other'] },
      'other',
    ]);
  });

  it.each(numberTypeNames)('reads what is stored as %s in both byte orders', async (type: NumberType) => {
    const values = type.startsWith('u') ? [0, 7, 200] : [0, 7, -100];
    for (const bigEndian of [false, true]) {
      const variables = await read(matFile({ a: numbers([1, 3], values, type) }, { bigEndian }));
      expect(plain(variables.get('a'))).toEqual({ dims: [1, 3], data: values });
    }
  });

  it('keeps bytes as they are, decompressed once', async () => {
    const X = numbers([1, 100_000], new Uint8Array(100_000).fill(7), 'uint8', classUint8);
    const value = (await read(matFile({ X }, { compressed: true }))).get('X');
    expect(value?.kind === 'numbers' && value.data).toBeInstanceOf(Uint8Array);
    expect(value?.kind === 'numbers' && value.data.buffer.byteLength).toBeLessThan(101_000);
  });

  const hdf5 = Buffer.alloc(600);
  hdf5.write('MATLAB 7.3 MAT-file');
  hdf5.write('\x89HDF\r\n\x1a\n', 512, 'latin1');
  const level4 = Buffer.alloc(30);
  level4.writeUInt32LE(1, 4);
  level4.writeUInt32LE(1, 8);
  level4.writeUInt32LE(2, 16);
  const bomb = matFile({ X: numbers([1, 2 ** 21], new Uint8Array(2 ** 21), 'uint8') }, { compressed: true });
  const nested = Array.from({ length: 40 }).reduce<ReturnType<typeof cells>>((inner) => cells([inner]), cells([]));
  it.each<[string, Uint8Array, RegExp]>([
    ['version 7.3', hdf5, /a\.mat is a MAT file of version 7\.3 \(HDF5\).*-v7/],
    ['level 4', level4, /a\.mat is a MAT file of level 4.*-v7/],
    ['something else', Buffer.from('<html>not found</html>'.repeat(10)), /a\.mat is no MAT file of level 5/],
    ['an empty file', Buffer.alloc(0), /a\.mat is no MAT file of level 5/],
    ['more than is read, compressed', bomb, /a\.mat is damaged: .*announces 2097208 bytes/],
    ['nesting without end', matFile({ a: nested }), /a\.mat is damaged: cells lie within cells/],
    ['fewer numbers than dimensions say', matFile({ a: numbers([3, 2], [1, 2, 3]) }), /an array of 6 numbers/],
    ['a negative dimension', matFile({ a: numbers([-1, 2], []) }), /a dimension is negative/],
    ['cells that are not there', matFile({ a: { ...cells([]), dims: [1000, 1] } }), /a variable ends early/],
    ['very many cells', matFile({ a: { ...cells([]), dims: [2 ** 31 - 1, 1] } }), /more than 1048576 cells/],
    [
      'cells that are no number',
      matFile({ a: { ...cells([]), dims: [...Array(36).fill(2 ** 31 - 1), 0] } }),
      /more than 1048576 cells/,
    ],
  ])('refuses %s by name', async (_name, bytes, message) => {
    const error = await failure(read(bytes));
    expect(error?.code).toBe('INVALID_DATA');
    expect(error?.message).toMatch(message);
  });

  it.each([false, true])(
    'gives a value or an L2TError for any truncation and flipped bits (%o)',
    async (compressed) => {
      const list = cells([text('a/1.jpg'), numbers([1, 2], [1, 2], 'int16')]);
      const bytes = matFile({ list, labels: numbers([2, 1], [1, 300], 'uint16') }, { compressed });
      const file = join(temporaryFolder(), 'a.mat');
      for (let length = 0; length < bytes.length; length++) {
        const error = await failure(read(bytes.subarray(0, length), file));
        // Only between two variables can a cut not be told from an end.
        if (error === undefined) expect([128, 128 + 8 + bytes.readUInt32LE(132)]).toContain(length);
      }
      for (let bit = 8 * 120; bit < 8 * bytes.length; bit += 7) {
        const flipped = Buffer.from(bytes);
        flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
        await failure(read(flipped, file));
      }
    },
  );
});
