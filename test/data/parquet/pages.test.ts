import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDataset } from '../../../src/data/load.js';
import { readPages } from '../../../src/data/parquet/pages.js';
import { extremes } from '../../chaos/draw.js';
import { bitFlips, readDamaged, truncations } from '../../damage.js';
import { writeParquet } from '../../fixtures/parquet.js';
import { failure, temporaryFolder } from '../generate.js';
import { names, rows } from '../parquet-rows.js';
import { type Plan, parquetOf } from '../parquet-writer.js';

const everyEncoding = (['plain', 'dictionary', 'delta'] as const).flatMap((encoding) =>
  ([1, 2] as const).map((version) => ({ encoding, version })),
);

describe('a damaged Parquet file', () => {
  it.each(['uncompressed', 'snappy', 'zstd', 'gzip'])(
    '%s: a cut is an error; a flipped bit gives images or an error, which names the file',
    async (codec) => {
      const file = join(temporaryFolder(), 'train.parquet');
      await writeParquet(file, rows(6), { names, codec });
      const bytes = readFileSync(file);
      const readAll = async (damaged: Uint8Array) => {
        writeFileSync(file, damaged);
        const reading = openDataset(file).then(async ({ train }) => {
          for (let index = 0; index < (train?.count ?? 0); index++) await train?.read(index);
        });
        await reading.catch((error) => {
          expect(error).toMatchObject({ message: expect.stringContaining(file) });
          // The damage may be the name of a column.
          expect(['INVALID_DATA', 'INVALID_OPTION']).toContain(error.code);
          throw error;
        });
      };
      expect((await readDamaged(truncations(bytes, 41), readAll, 'INVALID_DATA')).values).toBe(0);
      await readDamaged(bitFlips(bytes, bytes.length / 5), readAll);
    },
  );

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
    const blocks: [RegExp, ...number[]][] = [
      [/block has 8 differences in/, 8, 0xff, 0xff, 0xff, 0xff, 0x0f, 2, 0],
      [/128 differences in 3 parts/, 0x80, 1, 3, 2, 2],
      [/0 differences/, 0x80, 0, 4, 2, 2],
      // -128, as hyparquet reads it.
      [/4294967168 differences/, 0x80, 0xff, 0xff, 0xff, 0x0f, 4, 2, 2],
      // 2^31 - 1 differences.
      [/2147483647 differences for 2 values/, 0x80, 1, 4, 0xff, 0xff, 0xff, 0xff, 7, 2, 2, 0, 0, 0, 0],
    ];
    for (const [message, ...bytes] of blocks)
      expect(() => readPages(page(differences, ...bytes), facts)).toThrow(message);
    // Indices of 0 bits take no bytes, however many there are.
    const dictionary = [0x15, 4, 0x15, 8, 0x15, 8, 0x4c, 0x15, 2, 0x15, 0, 0, 0, ...[7, 0, 0, 0]];
    const indexed = (...bytes: number[]) => Uint8Array.from([...dictionary, ...page(indices, ...bytes)]);
    expect(readPages(indexed(0, 3), facts)).toMatchObject({ bytes: 6 });
    expect(() => readPages(indexed(0, 0xff, 0xff, 0xff, 0xff, 7), facts)).toThrow(/run of 8589934584 does not fit/);
    expect(() => readPages(indexed(0, 3), { ...facts, mostBytes: 5 })).toThrow(/announce more than 5 bytes/);
  });

  const opened = async (changes: Partial<Plan>) => {
    const file = join(temporaryFolder(), 'train.parquet');
    writeFileSync(file, parquetOf(changes));
    const error = await failure(openDataset(file));
    return error && { ...error, message: error.message.replace(file, 'FILE') };
  };

  it.each<[RegExp, Partial<Plan>]>([
    [/announces 17 differences for 16 values/, { encoding: 'delta', said: { differences: 17n } }],
    [/announces 17 values in 16 rows/, { said: { chunk: 17n } }],
    // Indices must not be read as if they were labels.
    [/a page needs a dictionary, and there is none/, { hasDictionary: false }],
    [/a value is not in its dictionary/, { beyond: 200 }],
  ])('is refused: %s', async (problem, changes) => {
    const { code, message } = (await opened(changes)) ?? {};
    expect([code, message]).toEqual(['INVALID_DATA', expect.stringMatching(problem)]);
    expect(message).toContain('FILE: column label of row group 0 (rows 0 to 15) is damaged');
  });

  it.each<[string, bigint, Partial<Plan>[]]>([
    ['page', 16n, everyEncoding],
    ['rows', 16n, everyEncoding.filter(({ version }) => version === 2)],
    ['nulls', 0n, everyEncoding.filter(({ version }) => version === 2)],
    ['chunk', 16n, everyEncoding],
    ['dictionary', 3n, everyEncoding.filter(({ encoding }) => encoding === 'dictionary')],
    ['differences', 16n, everyEncoding.filter(({ encoding }) => encoding === 'delta')],
  ])('is refused with any wrong number of values: %s', async (what, right, plans) => {
    const bits = what === 'chunk' ? 64 : 32;
    for (const value of extremes.filter((value) => BigInt.asIntN(bits, value) !== right)) {
      for (const plan of plans) {
        const error = await opened({ ...plan, said: { [what]: value } });
        expect({ plan, value, code: error?.code }).toEqual({ plan, value, code: 'INVALID_DATA' });
      }
    }
  });

  it('names a damaged part in the same words for each of its images', async () => {
    const file = join(temporaryFolder(), 'train.parquet');
    await writeParquet(file, rows(3), { names, codec: 'zstd' });
    const bytes = readFileSync(file);
    // The first zstd frame is of the column of images.
    bytes[bytes.indexOf(Buffer.from([0x28, 0xb5, 0x2f, 0xfd]))] = 0;
    writeFileSync(file, bytes);
    const { train } = await openDataset(file);
    for (const k of [0, 1, 2]) {
      const said = await failure(train?.read(k) as Promise<unknown>);
      expect(said?.message).toBe(
        `${file}: column image of row group 0 (rows 0 to 2) is damaged or cut short: a compressed page cannot be read. Download it again.`,
      );
    }
  });
});
