import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type MatValue, readMat } from '../../src/data/matlab.js';
import { bitFlips, readDamaged, truncations } from '../damage.js';
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

/** Replaces typed arrays by plain ones, because their type does not matter. */
function plain(value: MatValue | undefined): unknown {
  if (value?.kind === 'numbers') return { dims: value.dims, data: [...value.data] };
  if (value?.kind === 'cells') return { dims: value.dims, cells: value.cells.map(plain) };
  return value?.kind === 'text' ? value.text : value?.kind;
}

describe('readMat', () => {
  const both = [false, true];
  it.each(both.flatMap((compressed) => both.map((bigEndian) => ({ compressed, bigEndian }))))(
    'reads numbers, text and nested cells, and passes over what is neither: %o',
    async (options) => {
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
    },
  );

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
  it.each<[RegExp, Uint8Array]>([
    [/a\.mat is a MAT file of version 7\.3 \(HDF5\).*-v7/, hdf5],
    [/a\.mat is a MAT file of level 4.*-v7/, level4],
    [/a\.mat is no MAT file of level 5/, Buffer.from('<html>not found</html>'.repeat(10))],
    [/a\.mat is no MAT file of level 5/, Buffer.alloc(0)],
    [/a\.mat is damaged: .*announces 2097208 bytes/, bomb],
    [/a\.mat is damaged: cells lie within cells/, matFile({ a: nested })],
    [/an array of 6 numbers/, matFile({ a: numbers([3, 2], [1, 2, 3]) })],
    [/a dimension is negative/, matFile({ a: numbers([-1, 2], []) })],
    [/a variable ends early/, matFile({ a: { ...cells([]), dims: [1000, 1] } })],
    [/more than 1048576 cells/, matFile({ a: { ...cells([]), dims: [2 ** 31 - 1, 1] } })],
    // The product is no number.
    [/more than 1048576 cells/, matFile({ a: { ...cells([]), dims: [...Array(36).fill(2 ** 31 - 1), 0] } })],
  ])('refuses by name: %s', async (message, bytes) => {
    const refused = { code: 'INVALID_DATA', message: expect.stringMatching(message) };
    expect(await failure(read(bytes))).toMatchObject(refused);
  });

  it.each(both)('gives an L2TError for a cut, a value or an error for flipped bits (%o)', async (compressed) => {
    const list = cells([text('a/1.jpg'), numbers([1, 2], [1, 2], 'int16')]);
    const bytes = matFile({ list, labels: numbers([2, 1], [1, 300], 'uint16') }, { compressed });
    const file = join(temporaryFolder(), 'a.mat');
    const readFrom = (damaged: Uint8Array) => read(damaged, file);
    // Only before and between two variables can a cut not be told from an end.
    expect((await readDamaged(truncations(bytes), readFrom)).values).toBe(2);
    await readDamaged(bitFlips(bytes, bytes.length), readFrom);
  });
});
