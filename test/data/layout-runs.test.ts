import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cifar10, cifar100 } from '../../src/data/layouts/arrays.js';
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
import { cli, temporaryFolder } from '../tiny.js';
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

describe('every layout, from the command line', () => {
  it.each(layouts)('%s: recognised, trained on and tested', async (layout) => {
    const data = temporaryFolder();
    await writers[layout](data);
    const checked = JSON.parse((await cli(['data', 'check', data, '--json'])).stdout);
    expect(checked.layout).toBe(layout);
    const test = checked.splits.find(({ split }: { split: string }) => split === 'test');
    const options = ['--method', 'scratch', '--target', 'vgg9_bn', '--width', '0.0625', '--epochs', '1'];
    const out = ['--out', join(temporaryFolder(), 'run'), '--threads', '1', '--json'];
    const { code, stdout, stderr } = await cli(['transfer', ...options, '--data', data, ...out]);
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout).total).toBe(test.images);
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

  it.each(['32', '64'])('gives the same weights, bit for bit: size %s', async (size) => {
    const results: unknown[] = [];
    for (const data of await threeLayouts()) {
      const out = join(temporaryFolder(), 'run');
      const options = [
        '--method',
        'scratch',
        '--target',
        'vgg9_bn',
        '--width',
        '0.0625',
        '--size',
        size,
        '--batch',
        '4',
      ];
      const runs = ['--epochs', '2', '--validation', '1', '--per-class', '4', '--lr', '0.01', '--threads', '1'];
      const { code, stderr } = await cli(['transfer', ...options, ...runs, '--data', data, '--out', out]);
      expect(code, stderr).toBe(0);
      results.push(hashTensors((await loadCheckpoint(join(out, 'best.safetensors'))).weights));
      const evaluated = await cli(['eval', join(out, 'best.safetensors'), '--data', data, '--json']);
      expect(evaluated.code, evaluated.stderr).toBe(0);
      expect(JSON.parse(evaluated.stdout).total).toBe(4);
      expect(existsSync(join(out, 'report.html'))).toBe(true);
    }
    expect(new Set(results).size).toBe(1);
  });
});
