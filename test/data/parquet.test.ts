import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Dataset, ImageList } from '../../src/data/dataset.js';
import { makeImageSets } from '../../src/data/image-sets.js';
import { fingerprint, openDataset } from '../../src/data/load.js';
import { openParquet } from '../../src/data/parquet/file.js';
import { RowGroups } from '../../src/data/parquet/row-groups.js';
import '../../src/options/schemas.js'; // Messages name the options of the tables that are loaded.
import { type ImageRow, noteOf, writeParquet } from '../fixtures/parquet.js';
import { failure, pattern, temporaryFolder, write } from './generate.js';
import { images, names, row, rows } from './parquet-rows.js';

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

  /** A file of four row groups; image k is the image of row k % 6. `read` lists the row groups that were read. */
  async function fourGroups() {
    const file = join(temporaryFolder(), 'train.parquet');
    const many = Array.from({ length: 7000 }, (_, k) => row(k % 6));
    await writeParquet(file, many, { names });
    const opened = await openParquet(file);
    expect(opened.groups).toEqual([2048, 2048, 2048, 856]);
    const read: number[] = [];
    const counted = {
      ...opened,
      read(group: number, column: string) {
        read.push(group);
        return opened.read(group, column);
      },
    };
    return { counted, read };
  }
  const isRow = async (groups: RowGroups, k: number) =>
    Buffer.from(await groups.image(k)).equals(images[k % 6] as Uint8Array);

  it('reads row groups once, in order, and keeps no more than it may', async () => {
    const { counted, read } = await fourGroups();
    const pass = async (groups: RowGroups) => {
      for (let k = 0; k < 7000; k++) if (!(await isRow(groups, k))) throw new Error(`row ${k} is another image`);
    };
    const roomy = new RowGroups([counted], 'image');
    await pass(roomy);
    await pass(roomy);
    expect(read).toEqual([0, 1, 2, 3]);
    expect(roomy.placeOf(6999)).toMatchObject({ row: 6999 });
    const tight = new RowGroups([counted], 'image', 1);
    read.length = 0;
    await pass(tight);
    await pass(tight);
    expect(read).toEqual([0, 1, 2, 3, 0, 1, 2, 3]);
    expect(await tight.hold([0], 'x', undefined)).toBe(false);
    // What the file announces is not believed.
    const lying = new RowGroups([{ ...counted, bytes: () => 0 }], 'image', 1);
    read.length = 0;
    await pass(lying);
    await pass(lying);
    expect(read).toEqual([0, 1, 2, 3, 0, 1, 2, 3]);
  });

  it('holds wanted images for reading in any order', async () => {
    const { counted, read } = await fourGroups();
    const wanted = [6500, 3, 4100, 2];
    const bytes = wanted.reduce((sum, k) => sum + (images[k % 6]?.length ?? 0), 0);
    const groups = new RowGroups([counted], 'image', bytes);
    expect(await groups.hold(wanted, 'x', undefined)).toBe(true);
    for (const k of wanted) expect(await isRow(groups, k)).toBe(true);
    expect(read).toEqual([0, 2, 3]);
  });
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
  const open = async (
    given: readonly ImageRow[],
    options: Parameters<typeof writeParquet>[2],
    asked: Parameters<typeof openDataset>[1] = {},
    info?: string,
  ) => {
    const folder = temporaryFolder();
    await writeParquet(join(folder, 'data/train.parquet'), given, options);
    if (info !== undefined) write(join(folder, 'dataset_info.json'), info);
    return openDataset(folder, asked);
  };
  const twoImages = { names, more: { mask: "{'bytes': bytes, 'path': path}" }, note: undefined };

  it('are named where several fit', async () => {
    const said = await failure(open(rows(6), twoImages));
    expect(said).toMatchObject({ code: 'INVALID_OPTION' });
    expect(said?.message).toMatch(/several columns of images .*: image, mask\. Choose one with imageColumn/);
    const data = await open(rows(6), twoImages, { imageColumn: 'mask' });
    expect(await seen(data.train)).toEqual([0, 1, 2, 3, 4, 5]);
    const labels = await failure(open(rows(6), { more: { coarse: 'label' } }));
    expect(labels?.message).toMatch(/several columns of labels .*: label, coarse\. Choose one with labelColumn/);
    const filename = { more: { filename: "'a' || label" } };
    const mixed = await failure(open(rows(6), filename));
    expect(mixed?.message).toMatch(/several columns of labels .*: label, filename\. Choose one with labelColumn/);
    expect((await open(rows(6), filename, { labelColumn: 'label' })).columns).toEqual({
      image: 'image',
      label: 'label',
    });
    const wrong = await failure(open(rows(6), { names }, { labelColumn: 'image' }));
    expect(wrong).toMatchObject({ code: 'INVALID_OPTION' });
    expect(wrong?.message).toMatch(/^labelColumn: .* has no column 'image' of labels .*; it has label/);
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

  it('are described by dataset_info.json where the file does not', async () => {
    const info = JSON.stringify({ features: { label: { _type: 'ClassLabel', names } } });
    expect((await open(rows(6), {}, {}, info)).classNames).toEqual(names);
    const saying = async (text: string) => (await failure(open(rows(6), {}, {}, text)))?.message;
    const label = (given: unknown) => JSON.stringify({ features: { label: { _type: 'ClassLabel', names: given } } });
    expect(await saying('{')).toMatch(/dataset_info\.json is no JSON/);
    expect(await saying('[]')).toMatch(/dataset_info\.json does not describe the columns/);
    expect(await saying('['.repeat(100_000))).toMatch(/dataset_info\.json is JSON of more than 64 levels/);
    expect(await saying(label('abc'))).toMatch(/dataset_info\.json: the names of column label must be a list/);
    expect(await saying(label(['ant', 'ant']))).toMatch(/dataset_info\.json names the class 'ant' twice/);
  });

  it('of plain bytes are read where no struct holds images', async () => {
    const data = await open(rows(3), { more: { image: 'bytes' } });
    expect(await seen(data.train)).toEqual([0, 1, 2]);
    const beside = await open(rows(3), { more: { plain: 'bytes' } }, { imageColumn: 'plain' });
    expect(await seen(beside.train)).toEqual([0, 1, 2]);
  });

  it('of texts and of whole numbers give sorted classes', async () => {
    const texts = await open(
      ['b', 'a', 'b', 'a'].map((label, k) => row(k, label)),
      {},
    );
    expect([texts.classNames, [...(texts.train?.labels ?? [])]]).toEqual([
      ['a', 'b'],
      [1, 0, 1, 0],
    ]);
    const numbers = await open(
      [10, 9, 10, 2].map((label, k) => row(k, label)),
      {},
    );
    expect([numbers.classNames, [...(numbers.train?.labels ?? [])]]).toEqual([
      ['2', '9', '10'],
      [2, 1, 2, 0],
    ]);
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
    await writeParquet(join(folder, 'train.parquet'), rows(6), { names });
    await writeParquet(join(folder, 'test.parquet'), rows(6), { names: ['ant', 'bee', 'cat'] });
    expect((await failure(openDataset(folder)))?.message).toMatch(
      /test\.parquet and .*train\.parquet differ in .* label/,
    );
    await writeParquet(join(folder, 'train.parquet'), rows(6), { more: { year: 'label' } });
    const said = await failure(openDataset(folder, { labelColumn: 'year' }));
    expect(said?.code).toBe('INVALID_DATA');
    expect(said?.message).toMatch(
      /test\.parquet has the columns image, label, but not year, which .*train\.parquet has/,
    );
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
    const without = [{ path: 'far/away.png', label: 1 }, { label: 2 }, { bytes: Buffer.from('text'), label: 1 }];
    await writeParquet(
      join(folder, 'train.parquet'),
      [row(0), ...without.map((each) => ({ bytes: undefined, ...each }))],
      { names },
    );
    const { train } = await openDataset(folder);
    expect((await failure(train?.read(1) as Promise<unknown>))?.message).toMatch(
      /row 1 holds only the path of one, far\/away\.png/,
    );
    expect((await failure(train?.read(2) as Promise<unknown>))?.message).toMatch(
      /train\.parquet, row 2 holds no image/,
    );
    expect((await failure(train?.read(3) as Promise<unknown>))?.message).toMatch(
      /row 3 is not a PNG, JPEG, WebP, GIF or AVIF/,
    );
  });

  it('identify the data: not where it is, but every image', async () => {
    const [here, there] = [temporaryFolder(), temporaryFolder()];
    await writeParquet(join(here, 'train.parquet'), rows(6), { names });
    cpSync(here, there, { recursive: true });
    const print = await fingerprint(await openDataset(here));
    expect(await fingerprint(await openDataset(there))).toBe(print);
    await writeParquet(join(there, 'train.parquet'), [...rows(5), row(4, 2)], { names });
    expect(await fingerprint(await openDataset(there))).not.toBe(print);
  });
});

describe('training images that do not fit into memory', () => {
  /** Six training images; `read` lists those that were decoded. */
  async function tooMany() {
    const folder = temporaryFolder();
    await writeParquet(join(folder, 'train.parquet'), rows(6), { names });
    const { train } = await openDataset(folder);
    const list = train as ImageList;
    const read: number[] = [];
    const spied: ImageList = {
      ...list,
      hold: async () => false,
      read(index, reduction) {
        read.push(index);
        return list.read(index, reduction);
      },
    };
    const sets = (cache?: string) => {
      const options = { folder, size: 64, sourceSizes: [], check: false, skipDamaged: false, cache };
      return makeImageSets(
        { train: spied, validation: undefined, test: undefined },
        { train: spied, classNames: ['a', 'b'] },
        options,
      );
    };
    return { sets, read };
  }

  it('need a cache, which is filled before training', async () => {
    const { sets, read } = await tooMany();
    const said = await failure(sets());
    expect(said).toMatchObject({ code: 'INVALID_OPTION' });
    expect(said?.message).toMatch(/the 6 training images take more than the 1 GiB .* Give cache a folder/);
    const cache = temporaryFolder();
    const { streamed } = await sets(cache);
    expect([...read].sort()).toEqual([0, 1, 2, 3, 4, 5]);
    await streamed.train?.list.read(3);
    await sets(cache);
    expect(read).toHaveLength(6);
  });

  it('are refused if the cache cannot be written', async () => {
    const { sets } = await tooMany();
    const file = join(temporaryFolder(), 'file');
    write(file, '');
    expect((await failure(sets(file)))?.message).toMatch(/Give cache a folder that can be written/);
  });
});
