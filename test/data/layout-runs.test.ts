import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cifar10, cifar100 } from '../../src/data/layouts/cifar.js';
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
import { cli, temporaryFolder } from '../tiny.js';
import { writeCifar, writeClasses, writeIdx } from './generate.js';

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
