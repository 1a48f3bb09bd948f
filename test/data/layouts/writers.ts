import { join } from 'node:path';
import { cifar10, cifar100 } from '../../../src/data/layouts/arrays.js';
import type { Layout } from '../../../src/options/datasets.js';
import * as fixtures from '../../fixtures/layouts.js';
import { writeParquet } from '../../fixtures/parquet.js';
import { encode, pattern, write, writeCifar, writeClasses, writeIdx } from '../generate.js';

/** Writes a small sound data set into a folder. */
export type Write = (folder: string) => unknown;

export const writers: Readonly<Record<Layout, Write>> = {
  cifar10: (folder) => writeCifar(folder, cifar10),
  cifar100: (folder) => writeCifar(folder, cifar100),
  stl10: fixtures.writeStl10,
  svhn: (folder) => fixtures.writeSvhn(folder, { compressed: false }),
  tinyimagenet: fixtures.writeTinyImagenet,
  cub200: fixtures.writeCub200,
  mit67: fixtures.writeMit67,
  stanford40: fixtures.writeStanford40,
  'stanford-dogs': (folder) => fixtures.writeStanfordDogs(folder),
  'oxford-iiit-pet': fixtures.writePets,
  idx: (folder) => writeIdx(folder),
  /** A file to train on of each compression that is read, and one to test, which leaves the classes to JSON. */
  parquet: async (folder) => {
    const names = ['left', 'right'];
    const images = await Promise.all([0, 1, 2, 3, 4].map((seed) => encode(pattern(seed, 8), 8, 8, 'png')));
    const rows = images.map((bytes, k) => ({ bytes, path: `${k}.png`, label: k % 2 }));
    for (const [k, codec] of ['uncompressed', 'snappy', 'zstd', 'gzip'].entries())
      await writeParquet(join(folder, `data/train-0000${k}-of-00004.parquet`), rows.slice(k, k + 2), { names, codec });
    await writeParquet(join(folder, 'data/test.parquet'), rows.slice(0, 2), { names, note: undefined });
    const features = { image: { _type: 'Image' }, label: { names, _type: 'ClassLabel' } };
    write(join(folder, 'dataset_info.json'), JSON.stringify({ features }));
  },
  /** Two classes of three images, in CSV, one of them to test. */
  list: async (folder) => {
    const rows = ['left', 'right'].flatMap((label) => [0, 1, 2].map((k) => [`pictures/${label}/${k}.png`, label, k]));
    const lines = rows.map(([file, label, k]) => `${file},${label},${k === 2 ? 'test' : 'train'}\n`);
    await writeClasses(join(folder, 'pictures'), { left: 3, right: 3 });
    write(join(folder, 'images.csv'), `file,label,split\n${lines.join('')}`);
  },
  imagenet: fixtures.writeImagenet,
  folder: async (folder) => {
    await writeClasses(join(folder, 'train'), { left: 2, right: 2 });
    await writeClasses(join(folder, 'test'), { left: 1, right: 1 });
  },
};
