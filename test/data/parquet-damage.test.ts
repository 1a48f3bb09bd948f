import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDataset } from '../../src/data/load.js';
import { readPages } from '../../src/data/parquet/pages.js';
import { writeParquet } from '../fixtures/parquet.js';
import { failure, temporaryFolder } from './generate.js';
import { names, rows } from './parquet-rows.js';
import { type Plan, parquetOf } from './parquet-writer.js';

describe('a damaged Parquet file', () => {
  /** Reads all; what fails must be an error of the data. */
  const readAll = async (file: string) => {
    const said = await failure(
      (async () => {
        const { train } = await openDataset(file);
        for (let index = 0; index < (train?.count ?? 0); index++) await train?.read(index);
      })(),
    );
    if (said === undefined) return 'sound';
    expect(['INVALID_DATA', 'INVALID_OPTION']).toContain(said.code);
    expect(said.message).toContain(file);
    return said.code;
  };

  it.each(['uncompressed', 'snappy', 'zstd', 'gzip'])('cut short anywhere is an error: %s', async (codec) => {
    const folder = temporaryFolder();
    const [whole, file] = [join(folder, 'whole.parquet'), join(folder, 'cut.parquet')];
    await writeParquet(whole, rows(6), { names, codec });
    const bytes = readFileSync(whole);
    for (let length = 0; length < bytes.length; length += 41) {
      writeFileSync(file, bytes.subarray(0, length));
      expect(await readAll(file)).toBe('INVALID_DATA');
    }
    rmSync(whole);
  });

  it('with blocks or runs that would be read for ever is refused', () => {
    const facts = { codec: 'UNCOMPRESSED', rows: 2, optional: 0, mostBytes: 1000 };
    const [differences, indices] = [5, 8];
    /** A data page of two values, encoded as DELTA_BINARY_PACKED or RLE_DICTIONARY. */
    const page = (encoding: number, ...bytes: number[]) => {
      const length = [0x15, 2 * bytes.length];
      return Uint8Array.from([
        ...[0x15, 0, ...length, ...length, 0x2c, 0x15, 4, 0x15, 2 * encoding, 0x15, 6, 0x15, 6, 0, 0],
        ...bytes,
      ]);
    };
    // Blocks of 128 in 4 parts; 2 values, from 1 on by 1.
    const sound = [0x80, 1, 4, 2, 2, 2, 0, 0, 0, 0];
    expect(readPages(page(differences, ...sound), facts)).toMatchObject({ bytes: sound.length });
    const block = (...bytes: number[]) => readPages(page(differences, ...bytes), facts);
    expect(() => block(8, 0xff, 0xff, 0xff, 0xff, 0x0f, 2, 0)).toThrow(/block has 8 differences in/);
    expect(() => block(0x80, 1, 3, 2, 2)).toThrow(/128 differences in 3 parts/);
    expect(() => block(0x80, 0, 4, 2, 2)).toThrow(/0 differences/);
    // -128, as hyparquet reads it.
    expect(() => block(0x80, 0xff, 0xff, 0xff, 0x0f, 4, 2, 2)).toThrow(/4294967168 differences/);
    // 2^31 - 1 differences.
    expect(() => block(0x80, 1, 4, 0xff, 0xff, 0xff, 0xff, 7, 2, 2, 0, 0, 0, 0)).toThrow(
      /2147483647 differences for 2 values/,
    );
    // Indices of 0 bits take no bytes, however many there are.
    const dictionary = [0x15, 4, 0x15, 8, 0x15, 8, 0x4c, 0x15, 2, 0x15, 0, 0, 0, ...[7, 0, 0, 0]];
    const indexed = (...bytes: number[]) => Uint8Array.from([...dictionary, ...page(indices, ...bytes)]);
    expect(readPages(indexed(0, 3), facts)).toMatchObject({ bytes: 6 });
    expect(() => readPages(indexed(0, 0xff, 0xff, 0xff, 0xff, 7), facts)).toThrow(/run of 8589934584 does not fit/);
    expect(() => readPages(indexed(0, 3), { ...facts, mostBytes: 5 })).toThrow(/announce more than 5 bytes/);
  });

  it.each<[string, Partial<Plan>, RegExp]>([
    [
      'a page of one difference too many',
      { encoding: 'delta', said: { differences: 17n } },
      /announces 17 differences for 16 values/,
    ],
    ['a column of one value too many', { said: { chunk: 17n } }, /announces 17 values in 16 rows/],
    // They must not be read as if they were labels.
    [
      'indices of a dictionary that is not there',
      { hasDictionary: false },
      /is damaged or cut short: a page needs a dictionary, and there is none/,
    ],
    [
      'an index that its dictionary does not have',
      { beyond: 200 },
      /is damaged or cut short: a value is not in its dictionary/,
    ],
  ])('with %s is refused', async (_, changes, problem) => {
    const file = join(temporaryFolder(), 'train.parquet');
    writeFileSync(file, parquetOf(changes));
    const said = await failure(openDataset(file));
    expect(said).toMatchObject({ code: 'INVALID_DATA' });
    expect(said?.message).toContain(`${file}: column label of row group 0 (rows 0 to 15) is damaged`);
    expect(said?.message).toMatch(problem);
  });

  it('names a damaged part in the same words for each of its images', async () => {
    const file = join(temporaryFolder(), 'train.parquet');
    await writeParquet(file, rows(3), { names, codec: 'zstd' });
    const bytes = readFileSync(file);
    // The first zstd frame is of the column of images.
    bytes[bytes.indexOf(Buffer.from([0x28, 0xb5, 0x2f, 0xfd]))] = 0;
    writeFileSync(file, bytes);
    const { train } = await openDataset(file);
    const said = await Promise.all(
      [0, 1, 2].map(async (k) => (await failure(train?.read(k) as Promise<unknown>))?.message),
    );
    expect(new Set(said)).toEqual(
      new Set([
        `${file}: column image of row group 0 (rows 0 to 2) is damaged or cut short: a compressed page cannot be read. Download it again.`,
      ]),
    );
  });

  it.each(['uncompressed', 'snappy', 'zstd', 'gzip'])('with a byte changed is read or refused: %s', async (codec) => {
    const folder = temporaryFolder();
    const [whole, file] = [join(folder, 'whole.parquet'), join(folder, 'train.parquet')];
    await writeParquet(whole, rows(3), { names, codec });
    const bytes = readFileSync(whole);
    for (let at = 0; at < bytes.length; at += 5) {
      const changed = Uint8Array.from(bytes);
      changed[at] = at % 3 === 0 ? 255 : (changed[at] as number) ^ (1 << (at % 8));
      writeFileSync(file, changed);
      await readAll(file);
    }
  });
});
