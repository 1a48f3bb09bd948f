import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cifar10 } from '../../src/data/layouts/arrays.js';
import { fingerprint, openDataset } from '../../src/data/load.js';
import { checkData, evaluate, transfer } from '../../src/index.js';
import { loadCheckpoint } from '../../src/networks/checkpoint.js';
import { hashTensors } from '../../src/networks/weights/content-hash.js';
import { layoutNames } from '../../src/options/datasets.js';
import { type ImageRow, writeParquet } from '../fixtures/parquet.js';
import { encode, failure, pattern, temporaryFolder, write, writeCifar, writeClasses, writeIdx } from './generate.js';
import { type Write, writers } from './layouts/writers.js';

const options = { method: 'scratch', target: 'vgg9_bn', width: 0.0625, lr: 0.01, threads: 1 } as const;

describe('every layout', () => {
  it.each(layoutNames)('%s: recognised, trained on and tested', async (layout) => {
    const data = temporaryFolder();
    await writers[layout](data);
    const { splits, ...checked } = await checkData({ data });
    expect(checked.layout).toBe(layout);
    const out = join(temporaryFolder(), 'run');
    const { total } = await transfer({ ...options, data, epochs: 1, out }).result;
    expect(total).toBe(splits.find(({ split }) => split === 'test')?.images);
  });
});

describe('the same images in another layout', () => {
  /** Two classes of six images to train and two to test, as class folders, as Parquet files and as a list. */
  async function threeLayouts(): Promise<string[]> {
    const [folders, tables, listed] = [temporaryFolder(), temporaryFolder(), temporaryFolder()];
    const names = ['ant', 'bee'];
    const lines: string[] = [];
    for (const [split, count] of Object.entries({ train: 6, test: 2 })) {
      const rows: ImageRow[] = [];
      for (let k = 0; k < 2 * count; k++) {
        const [label, path] = [Math.floor(k / count), `${k % count}.png`];
        const bytes = await encode(pattern(20 * label + (k % count), 70, 80), 70, 80, 'png');
        const file = join(folders, split, names[label] as string, path);
        write(file, bytes);
        rows.push({ bytes, path, label });
        lines.push(JSON.stringify({ file, label: names[label], split }));
      }
      await writeParquet(join(tables, `${split}.parquet`), rows, { names, codec: 'zstd' });
    }
    write(join(listed, 'images.jsonl'), lines.reverse().join('\n'));
    return [folders, tables, join(listed, 'images.jsonl')];
  }

  it.each([32, 64])('gives the same weights, bit for bit: size %i', async (size) => {
    const results: unknown[] = [];
    for (const data of await threeLayouts()) {
      const out = join(temporaryFolder(), 'run');
      await transfer({ ...options, data, size, batch: 4, epochs: 2, validation: 1, perClass: 4, out }).result;
      const network = join(out, 'best.safetensors');
      results.push(hashTensors((await loadCheckpoint(network)).weights));
      expect((await evaluate(network, { data })).total).toBe(4);
      expect(existsSync(join(out, 'report.html'))).toBe(true);
    }
    expect(new Set(results).size).toBe(1);
  });
});

describe('class folders are no other layout', () => {
  const classes = { cat: 1, dog: 1 };
  const wnids = { n01000001: 1, n02000001: 1 };
  const below = (places: readonly string[], counts: Readonly<Record<string, number>>) => async (folder: string) => {
    for (const place of places) await writeClasses(join(folder, place), counts);
  };
  it.each<[string, Write]>([
    ['flat', below(['.'], classes)],
    ['train, val and test', below(['train', 'val', 'test'], classes)],
    ['three splits whose classes are called as in ImageNet', below(['train', 'val', 'test'], wnids)],
    ['classes of which some are called as in ImageNet', below(['train', 'val'], { ...wnids, cat: 1 })],
    ['training images only', below(['train'], wnids)],
    [
      'class names and a list beside them',
      async (folder) => {
        await writeClasses(join(folder, 'images'), classes);
        for (const name of ['classes', 'images', 'class_names', 'train']) write(join(folder, `${name}.txt`), 'x\n');
      },
    ],
  ])('%s', async (_name, make) => {
    const folder = temporaryFolder();
    await make(folder);
    expect((await openDataset(folder)).layout).toBe('folder');
  });
});

describe('what is no data set is named', () => {
  it.each<[RegExp, Write]>([
    [/known layout: it holds nothing\. Understood are/, () => {}],
    [/it holds a\.zip\. Understood are/, (folder) => write(join(folder, 'a.zip'), '')],
    [/holds cifar-10-ba.*Und/s, (folder) => write(join(folder, 'cifar-10-batches-py', 'data_batch_1'), 'x')],
  ])('%s', async (message, make) => {
    const folder = temporaryFolder();
    make(folder);
    const refused = { code: 'INVALID_DATA', message: expect.stringMatching(message) };
    expect(await failure(openDataset(folder))).toMatchObject(refused);
  });

  it('no folder, a file, another layout than asked for', async () => {
    const folder = temporaryFolder();
    writeIdx(folder);
    const file = join(folder, 't10k-labels-idx1-ubyte');
    expect((await failure(openDataset(join(folder, 'x'))))?.message).toMatch(/x does not exist/);
    expect((await failure(openDataset(file)))?.message).toMatch(/is a file/);
    expect((await failure(openDataset(folder, { layout: 'folder' })))?.message).toMatch(/layout 'folder'/);
    expect((await openDataset(folder, { layout: 'idx' })).layout).toBe('idx');
  });
});

describe('the fingerprint', () => {
  it('sees a file, a label, a name and the split, not the place', async () => {
    const [here, there, other] = [temporaryFolder(), temporaryFolder(), temporaryFolder()];
    for (const folder of [here, there, other]) await writeClasses(join(folder, 'train'), { a: 1, b: 1 });
    write(join(other, 'train', 'a', '0.png'), await encode(pattern(3, 30), 30, 30, 'png'));
    const data = await openDataset(here);
    const print = await fingerprint(data);
    expect(await fingerprint(await openDataset(there))).toBe(print);
    const { train } = data;
    if (train === undefined) throw new Error('no training images');
    const others = [
      await openDataset(other),
      { ...data, train: { ...train, labels: Int32Array.of(1, 0) } },
      { ...data, classNames: ['a', 'c'] },
      { ...data, train: undefined, test: train },
    ];
    expect(new Set([print, ...(await Promise.all(others.map((data) => fingerprint(data))))]).size).toBe(5);
  });

  it('sees a pixel of an array', async () => {
    const folder = temporaryFolder();
    writeCifar(folder, cifar10);
    const print = await fingerprint(await openDataset(folder));
    const file = join(folder, 'data_batch_2.bin');
    const bytes = readFileSync(file);
    bytes[5000] = (bytes[5000] as number) ^ 1;
    write(file, bytes);
    expect(await fingerprint(await openDataset(folder))).not.toBe(print);
  });
});
