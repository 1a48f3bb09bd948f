import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cifar10, cifar100 } from '../../src/data/layouts/arrays.js';
import { checkData, evaluate, transfer } from '../../src/index.js';
import { loadCheckpoint } from '../../src/networks/checkpoint.js';
import { hashTensors } from '../../src/networks/weights/content-hash.js';
import { layouts } from '../../src/options/datasets.js';
import {
  writeCub200,
  writeImagenet,
  writeMit67,
  writeStanford40,
  writeStanfordDogs,
  writeStl10,
  writeSvhn,
  writeTinyImagenet,
} from '../fixtures/layouts.js';
import { type ImageRow, writeParquet } from '../fixtures/parquet.js';
import { temporaryFolder } from '../tiny.js';
import { encode, pattern, write, writeCifar, writeClasses, writeIdx } from './generate.js';

const picture = (seed: number): Promise<Buffer> => encode(pattern(seed), 32, 32, 'png');

const writers: Record<(typeof layouts)[number], (folder: string) => unknown> = {
  cifar10: (folder) => writeCifar(folder, cifar10),
  cifar100: (folder) => writeCifar(folder, cifar100),
  stl10: (folder) => writeStl10(folder),
  svhn: (folder) => writeSvhn(folder),
  tinyimagenet: writeTinyImagenet,
  cub200: writeCub200,
  mit67: writeMit67,
  stanford40: writeStanford40,
  'stanford-dogs': writeStanfordDogs,
  idx: (folder) => writeIdx(folder),
  parquet: async (folder) => {
    const names = ['a', 'b'];
    for (const [split, count] of [
      ['train', 4],
      ['test', 2],
    ] as const) {
      const rows = await Promise.all(
        Array.from({ length: count }, async (_, k) => ({ bytes: await picture(k), label: k % 2 })),
      );
      await writeParquet(join(folder, `data/${split}-00000-of-00001.parquet`), rows, { names });
    }
  },
  list: async (folder) => {
    const lines = ['train', 'train', 'train', 'train', 'test', 'test'].map((split, k) => `${k}.png,${k % 2},${split}`);
    write(join(folder, 'images.csv'), ['file,label,split', ...lines].join('\n'));
    for (let k = 0; k < 6; k++) write(join(folder, `${k}.png`), await picture(k));
  },
  imagenet: writeImagenet,
  folder: async (folder) => {
    await writeClasses(join(folder, 'train'), { a: 2, b: 2 });
    await writeClasses(join(folder, 'test'), { a: 1, b: 1 });
  },
};

const options = { method: 'scratch', target: 'vgg9_bn', width: 0.0625, lr: 0.01, threads: 1 } as const;

describe('every layout', () => {
  it.each(layouts)('%s: recognised, trained on and tested', async (layout) => {
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
    const lines: string[] = [];
    for (const [split, count] of [
      ['train', 6],
      ['test', 2],
    ] as const) {
      const rows: ImageRow[] = [];
      for (const [label, name] of ['ant', 'bee'].entries()) {
        for (let k = 0; k < count; k++) {
          const file = join(folders, split, name, `${k}.png`);
          const bytes = await encode(pattern(20 * label + k, 70, 80), 70, 80, 'png');
          write(file, bytes);
          rows.push({ bytes, path: `${k}.png`, label });
          lines.push(JSON.stringify({ file, label: name, split }));
        }
      }
      await writeParquet(join(tables, `${split}.parquet`), rows, { names: ['ant', 'bee'], codec: 'zstd' });
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
