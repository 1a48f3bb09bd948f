import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Dataset } from '../../../src/data/dataset.js';
import { fingerprint, openDataset } from '../../../src/data/load.js';
import '../../../src/options/schemas.js'; // Messages name the options of the tables that are loaded.
import { type ImageRow, noteOf, writeParquet } from '../../fixtures/parquet.js';
import { failure, pattern, temporaryFolder, write } from '../generate.js';
import { images, names, row, rows } from '../parquet-rows.js';

/** Which pattern each image of a split is. */
async function seen(list: Dataset['train']): Promise<number[]> {
  const found: number[] = [];
  for (let index = 0; index < (list?.count ?? 0); index++) {
    const pixels = Buffer.from((await list?.read(index))?.pixels ?? []);
    found.push(images.findIndex((_, k) => pixels.equals(pattern(k, 8))));
  }
  return found;
}

describe('the file', () => {
  it.each(
    ['uncompressed', 'snappy', 'zstd', 'gzip'].flatMap((codec) => ['V1', 'V2'].map((version) => [codec, version])),
  )('is read: %s, %s', async (codec, version) => {
    const folder = temporaryFolder();
    await writeParquet(join(folder, 'train.parquet'), rows(6), { names, codec, version: version as 'V1' | 'V2' });
    const data = await openDataset(folder);
    expect(data).toMatchObject({ layout: 'parquet', flat: false, classNames: names, warnings: [] });
    expect([...(data.train?.labels ?? [])]).toEqual([0, 1, 2, 0, 1, 2]);
    expect(await seen(data.train)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(data.train?.name(4)).toBe(`${join(folder, 'train.parquet')}, row 4`);
  });

  it.each(['lz4_raw', 'brotli'])('of an unknown compression is refused by its name: %s', async (codec) => {
    const file = join(temporaryFolder(), 'train.parquet');
    await writeParquet(file, rows(6), { names, codec });
    const said = await failure(openDataset(file));
    expect(said?.code).toBe('INVALID_DATA');
    expect(said?.message).toMatch(new RegExp(`train.parquet: column label is compressed by ${codec.toUpperCase()}`));
  });
});

it('a row group without labels may have more rows than a call takes arguments', async () => {
  const [file, count] = [join(temporaryFolder(), 'train.parquet'), 150_000];
  await writeParquet(file, [row(0)], { labels: false, rowGroup: count, more: { k: `unnest(range(${count}))` } });
  expect((await openDataset(file, { labels: false })).train?.count).toBe(count);
});

describe('splits', () => {
  const open = async (files: Readonly<Record<string, number[]>>) => {
    const folder = temporaryFolder();
    for (const [file, ks] of Object.entries(files))
      await writeParquet(
        join(folder, file),
        ks.map((k) => row(k)),
        { names },
      );
    return openDataset(folder);
  };

  it.each<[string, Readonly<Record<string, number[]>>]>([
    [
      'data/SPLIT-00000-of-00002',
      {
        'data/train-00001-of-00002.parquet': [2],
        'data/train-00000-of-00002.parquet': [0, 1],
        'data/validation-00000-of-00001.parquet': [3],
        'data/test-00000-of-00001.parquet': [4, 5],
      },
    ],
    [
      'SPLIT/*',
      { 'train/0001.parquet': [2], 'train/0000.parquet': [0, 1], 'valid/0.parquet': [3], 'test/0.parquet': [4, 5] },
    ],
    [
      'default/SPLIT/*',
      { 'default/train/0000.parquet': [0, 1, 2], 'default/val/0.parquet': [3], 'default/test/0.parquet': [4, 5] },
    ],
    ['SPLIT', { 'train.parquet': [0, 1, 2], 'dev.parquet': [3], 'eval.parquet': [4, 5] }],
    ['NAME-SPLIT', { 'pets-training.parquet': [0, 1, 2], 'pets_validation.parquet': [3], 'pets.test.parquet': [4, 5] }],
  ])('%s', async (_, files) => {
    const { train, validation, test, flat } = await open(files);
    expect(flat).toBe(false);
    expect([await seen(train), await seen(validation), await seen(test)]).toEqual([[0, 1, 2], [3], [4, 5]]);
    expect([...(test?.labels ?? [])]).toEqual([1, 2]);
  });

  it('are one flat set where no name tells one', async () => {
    const { train, test, flat } = await open({ '0000.parquet': [0, 1], '0001.parquet': [2] });
    expect([flat, await seen(train), test]).toEqual([true, [0, 1, 2], undefined]);
  });

  it('pass over files whose names tell none, if others do', async () => {
    const { train, warnings } = await open({ 'train.parquet': [0, 1, 2], 'more.parquet': [3] });
    expect(await seen(train)).toEqual([0, 1, 2]);
    expect(warnings).toEqual([expect.stringMatching(/passed over files whose names tell no split: more\.parquet\.$/)]);
  });

  it('must be whole, and in one folder', async () => {
    const part = await failure(open({ 'train-00001-of-00002.parquet': [0] }));
    expect(part?.message).toMatch(
      /train-00000-of-00002\.parquet is missing: train-00001-of-00002\.parquet belongs to it/,
    );
    const both = await failure(open({ 'train.parquet': [0], 'data/train.parquet': [1] }));
    expect(both?.message).toMatch(/files of the split train in several folders/);
  });
});

describe('columns', () => {
  type Given = Parameters<typeof openDataset>[1];
  const open = async (
    images: readonly ImageRow[],
    options: Parameters<typeof writeParquet>[2],
    asked: Given = {},
    info?: string,
  ) => {
    const folder = temporaryFolder();
    await writeParquet(join(folder, 'data/train.parquet'), images, options);
    if (info !== undefined) write(join(folder, 'dataset_info.json'), info);
    return openDataset(folder, asked);
  };
  const twoImages = { names, more: { mask: "{'bytes': bytes, 'path': path}" }, note: undefined };
  const filename = { more: { filename: "'a' || label" } };

  it.each<[RegExp, Parameters<typeof writeParquet>[2], Given?]>([
    [/several columns of images .*: image, mask\. Choose one with imageColumn/, twoImages],
    [/several columns of labels .*: label, coarse\. Choose one with labelColumn/, { more: { coarse: 'label' } }],
    [/several columns of labels .*: label, filename\. Choose one with labelColumn/, filename],
    [/^labelColumn: .* has no column 'image' of labels .*; it has label/, { names }, { labelColumn: 'image' }],
  ])('are named: %s', async (message, options, asked) => {
    const refused = { code: 'INVALID_OPTION', message: expect.stringMatching(message) };
    expect(await failure(open(rows(6), options, asked))).toMatchObject(refused);
  });

  it('are those that were chosen', async () => {
    expect(await seen((await open(rows(6), twoImages, { imageColumn: 'mask' })).train)).toEqual([0, 1, 2, 3, 4, 5]);
    const { columns } = await open(rows(6), filename, { labelColumn: 'label' });
    expect(columns).toEqual({ image: 'image', label: 'label' });
  });

  it('are found by their types: an Image among structs, a ClassLabel among whole numbers', async () => {
    const note = noteOf({
      image: { _type: 'Image' },
      mask: { _type: 'Audio' },
      label: { _type: 'ClassLabel', names, num_classes: 3 },
      year: { _type: 'Value', dtype: 'int64' },
    });
    const data = await open(rows(6), { ...twoImages, note, more: { ...twoImages.more, year: 'label + 1900' } });
    expect(data.classNames).toEqual(names);
  });

  const label = (given: unknown) => JSON.stringify({ features: { label: { _type: 'ClassLabel', names: given } } });
  it('are described by dataset_info.json where the file does not', async () => {
    expect((await open(rows(6), {}, {}, label(names))).classNames).toEqual(names);
  });

  it.each([
    [/dataset_info\.json is no JSON/, '{'],
    [/dataset_info\.json does not describe the columns/, '[]'],
    [/dataset_info\.json is JSON of more than 64 levels/, '['.repeat(100_000)],
    [/dataset_info\.json: the names of column label must be a list/, label('abc')],
    [/dataset_info\.json names the class 'ant' twice/, label(['ant', 'ant'])],
  ])('are not described by damaged JSON: %s', async (message, text) => {
    expect((await failure(open(rows(6), {}, {}, text)))?.message).toMatch(message);
  });

  it('of plain bytes are read where no struct holds images', async () => {
    const alone = await open(rows(3), { more: { image: 'bytes' } });
    const beside = await open(rows(3), { more: { plain: 'bytes' } }, { imageColumn: 'plain' });
    for (const { train } of [alone, beside]) expect(await seen(train)).toEqual([0, 1, 2]);
  });

  it.each([
    ['texts', ['b', 'a', 'b', 'a'], ['a', 'b'], [1, 0, 1, 0]],
    ['whole numbers', [10, 9, 10, 2], ['2', '9', '10'], [2, 1, 2, 0]],
  ])('of %s give sorted classes', async (_, given, classNames, labels) => {
    const rows = given.map((label, k) => row(k, label));
    const data = await open(rows, {});
    expect([data.classNames, [...(data.train?.labels ?? [])]]).toEqual([classNames, labels]);
  });

  it.each(['9007199254740992 + label', 'CAST(18446744073709551613 + label AS UBIGINT)'])(
    'of numbers that JavaScript would round are refused: %s',
    async (label) => {
      const said = await failure(open(rows(3), { more: { large: label } }, { labelColumn: 'large' }));
      expect(said).toMatchObject({ code: 'INVALID_DATA' });
      expect(said?.message).toMatch(
        /train\.parquet, row 0 has label (9007199254740992|18446744073709551613), and .* as texts\.$/,
      );
    },
  );

  it('are refused where the layout has none', async () => {
    const folder = temporaryFolder();
    write(join(folder, 'a/0.png'), images[0] as Uint8Array);
    const said = await failure(openDataset(folder, { labelColumn: 'label' }));
    expect(said).toMatchObject({ code: 'INVALID_OPTION' });
    expect(said?.message).toMatch(
      /^labelColumn: .* of the layout folder, which has no columns \(parquet and list have\)/,
    );
  });

  it('name a class once', async () => {
    const said = await failure(open(rows(6), { names: ['cat', 'bee', 'cat'] }));
    expect(said?.message).toMatch(/train\.parquet names the class 'cat' twice/);
  });

  it('must be the same in every file', async () => {
    const folder = temporaryFolder();
    const [train, test] = [join(folder, 'train.parquet'), join(folder, 'test.parquet')];
    const refused = (message: RegExp) => ({ code: 'INVALID_DATA', message: expect.stringMatching(message) });
    await writeParquet(train, rows(6), { names });
    await writeParquet(test, rows(6), { names: ['ant', 'bee', 'cat'] });
    const differing = refused(/test\.parquet and .*train\.parquet differ in .* label/);
    expect(await failure(openDataset(folder))).toMatchObject(differing);
    await writeParquet(train, rows(6), { more: { year: 'label' } });
    const lacking = refused(/test\.parquet has the columns image, label, but not year, which .*train\.parquet has/);
    expect(await failure(openDataset(folder, { labelColumn: 'year' }))).toMatchObject(lacking);
  });
});

describe('rows', () => {
  it('without a label are named; a split of them is passed over', async () => {
    const folder = temporaryFolder();
    await writeParquet(join(folder, 'train.parquet'), rows(6), { names });
    await writeParquet(join(folder, 'test.parquet'), [row(0, -1), row(1, -1)], { names });
    const { train, test, warnings } = await openDataset(folder);
    expect([train?.count, test]).toEqual([6, undefined]);
    expect(warnings).toEqual([expect.stringMatching(/passed over the test images, because none of the 2 has a label/)]);
    await writeParquet(join(folder, 'test.parquet'), [row(0), { ...row(1), label: undefined }], { names });
    expect((await failure(openDataset(folder)))?.message).toMatch(/test\.parquet, row 1 has no label/);
    await writeParquet(join(folder, 'test.parquet'), [row(0), row(1, 3)], { names });
    expect((await failure(openDataset(folder)))?.message).toMatch(/test\.parquet, row 1 has label 3, .* 3 classes/);
  });

  it('without an image are named, with the path that is there instead', async () => {
    const folder = temporaryFolder();
    const without: [RegExp, ImageRow][] = [
      [/row 0 holds only the path of one, far\/away\.png/, { path: 'far/away.png', label: 1 }],
      [/train\.parquet, row 1 holds no image/, { label: 2 }],
      [/row 2 is not a PNG, JPEG, WebP, GIF or AVIF/, { bytes: Buffer.from('text'), label: 0 }],
    ];
    const given = without.map(([, each]) => each);
    await writeParquet(join(folder, 'train.parquet'), given, { names });
    const { train } = await openDataset(folder);
    for (const [k, [message]] of without.entries())
      expect((await failure(train?.read(k) as Promise<unknown>))?.message).toMatch(message);
  });

  it('identify the data: not where it is, but every image', async () => {
    const [first, second] = [temporaryFolder(), temporaryFolder()];
    await writeParquet(join(first, 'train.parquet'), rows(6), { names });
    cpSync(first, second, { recursive: true });
    const print = await fingerprint(await openDataset(first));
    expect(await fingerprint(await openDataset(second))).toBe(print);
    await writeParquet(join(second, 'train.parquet'), [...rows(5), row(4, 2)], { names });
    expect(await fingerprint(await openDataset(second))).not.toBe(print);
  });
});
