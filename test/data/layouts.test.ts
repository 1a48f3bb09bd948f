import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Dataset, ImageList } from '../../src/data/dataset.js';
import type { LayoutReader } from '../../src/data/layout-reader.js';
import { Walk } from '../../src/data/layout-reader.js';
import { stl10, svhn } from '../../src/data/layouts/arrays.js';
import { imagenet } from '../../src/data/layouts/imagenet.js';
import { cub200, mit67, stanford40, stanfordDogs, tinyimagenet } from '../../src/data/layouts/listed.js';
import {
  pictureOf,
  writeCub200,
  writeImagenet,
  writeMit67,
  writeStanford40,
  writeStanfordDogs,
  writeStl10,
  writeSvhn,
  writeTinyImagenet,
} from '../fixtures/layouts.js';
import { pattern, temporaryFolder, write, writeClasses } from './generate.js';

const readers = [svhn, stl10, tinyimagenet, imagenet, cub200, mit67, stanford40, stanfordDogs];

const entries = (folder: string) => readdirSync(folder).sort();

/** Finds and opens, as the reader's user does. */
async function open(reader: LayoutReader, folder: string): Promise<Dataset> {
  const walk = new Walk(folder);
  const found = await reader.find(folder, entries(folder), walk, {});
  return reader.open(found as string, walk, {});
}

const labelsOf = (list: ImageList | undefined) => [...(list?.labels ?? [])];

async function pixels(list: ImageList | undefined, index: number): Promise<Uint8Array> {
  const image = await list?.read(index);
  return Uint8Array.from(image?.pixels ?? []);
}

describe('images in one array', () => {
  it.each([true, false])(
    'SVHN: label 10 is the digit 0, and no image is turned (compressed: %s)',
    async (compressed) => {
      const folder = temporaryFolder();
      writeSvhn(folder, { compressed });
      const data = await open(svhn, folder);
      expect([data.layout, data.folder, data.flat, data.validation]).toEqual(['svhn', folder, false, undefined]);
      expect(data.classNames).toEqual([...'0123456789']);
      expect([labelsOf(data.train), labelsOf(data.test)]).toEqual([
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [3, 0],
      ]);
      expect(data.train?.sides).toEqual([32, 32]);
      for (const image of [0, 7]) expect(await pixels(data.train, image)).toEqual(pattern(image, 32));
      expect(await pixels(data.test, 1)).toEqual(pattern(1, 32));
      expect(data.test?.name(1)).toBe(`${join(folder, 'test_32x32.mat')}, image 1`);
    },
  );

  it.each(['', 'stl10_binary'])('STL-10: labels from 1, folds, and no image is turned (in %j)', async (inside) => {
    const folder = temporaryFolder();
    writeStl10(join(folder, inside));
    const data = await open(stl10, folder);
    expect([data.layout, data.folder]).toEqual(['stl10', join(folder, inside)]);
    expect([data.classNames[0], data.classNames.length]).toEqual(['class0', 10]);
    expect([labelsOf(data.train), labelsOf(data.test)]).toEqual([
      [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
      [2, 1],
    ]);
    for (const image of [0, 9]) expect(await pixels(data.train, image)).toEqual(pattern(image, 96));
    expect(await pixels(data.test, 1)).toEqual(pattern(1, 96));
    expect(data.folds.map((fold) => [...fold]).slice(7)).toEqual([
      [7, 0],
      [8, 1],
      [9, 2],
    ]);
    rmSync(join(folder, inside, 'fold_indices.txt'));
    expect((await open(stl10, folder)).folds).toEqual([]);
  });
});

interface FileLayout {
  readonly reader: LayoutReader;
  readonly write: (folder: string) => Promise<void>;
  readonly archiveFolder?: string;
  readonly classNames: string[];
  /** Of classes 0, 1, 1. */
  readonly train: string[];
  /** Of classes 0, 1. */
  readonly test: string[];
}

const fileLayouts: FileLayout[] = [
  {
    reader: tinyimagenet,
    write: writeTinyImagenet,
    archiveFolder: 'tiny-imagenet-200',
    classNames: ['n01000001', 'n02000001'],
    train: [
      'train/n01000001/images/n01000001_1.JPEG',
      'train/n02000001/images/n02000001_10.JPEG',
      'train/n02000001/images/n02000001_2.JPEG',
    ],
    test: ['val/images/val_1.JPEG', 'val/images/val_0.JPEG'],
  },
  {
    reader: imagenet,
    write: writeImagenet,
    classNames: ['n01000001', 'n02000001'],
    train: [
      'train/n01000001/n01000001_1.JPEG',
      'train/n02000001/n02000001_10.JPEG',
      'train/n02000001/n02000001_2.JPEG',
    ],
    test: ['val/n01000001/ILSVRC2012_val_00000002.JPEG', 'val/n02000001/ILSVRC2012_val_00000001.JPEG'],
  },
  {
    reader: cub200,
    write: writeCub200,
    archiveFolder: 'CUB_200_2011',
    classNames: ['001.Auk', '002.Crow'],
    train: ['images/001.Auk/Auk_1.jpg', 'images/002.Crow/Crow_10.jpg', 'images/002.Crow/Crow_9.jpg'],
    test: ['images/001.Auk/Auk_2.jpg', 'images/002.Crow/Crow_3.jpg'],
  },
  {
    reader: mit67,
    write: writeMit67,
    classNames: ['bar', 'mall'],
    train: ['Images/bar/bar_9.jpg', 'Images/mall/Mall_1.jpg', 'Images/mall/shopping mall 2.jpg'],
    test: ['Images/bar/bar_3.jpg', 'Images/mall/mall_4.jpg'],
  },
  {
    reader: stanford40,
    write: writeStanford40,
    classNames: ['applauding', 'waving_hands'],
    train: ['JPEGImages/applauding_001.jpg', 'JPEGImages/waving_hands_003.jpg', 'JPEGImages/waving_hands_011.jpg'],
    test: ['JPEGImages/applauding_002.jpg', 'JPEGImages/waving_hands_004.jpg'],
  },
  {
    reader: stanfordDogs,
    write: writeStanfordDogs,
    classNames: ['n02000001-boxer', 'n02000002-pug'],
    train: [
      'Images/n02000001-boxer/n02000001_1.jpg',
      'Images/n02000002-pug/n02000002_10.jpg',
      'Images/n02000002-pug/n02000002_9.jpg',
    ],
    test: ['Images/n02000001-boxer/n02000001_2.jpg', 'Images/n02000002-pug/n02000002_3.jpg'],
  },
];

describe('images as files', () => {
  it.each(fileLayouts)('$reader.layout: each split by class, then by file', async (layout) => {
    const folder = temporaryFolder();
    await layout.write(folder);
    const data = await open(layout.reader, folder);
    expect([data.layout, data.folder, data.flat, data.validation, data.folds]).toEqual([
      layout.reader.layout,
      folder,
      false,
      undefined,
      [],
    ]);
    expect(data.classNames).toEqual(layout.classNames);
    expect([labelsOf(data.train), labelsOf(data.test)]).toEqual([
      [0, 1, 1],
      [0, 1],
    ]);
    for (const [list, files] of [
      [data.train, layout.train],
      [data.test, layout.test],
    ] as const) {
      expect(files.map((_, index) => list?.name(index))).toEqual(files.map((file) => join(folder, file)));
      for (const [index, file] of files.entries()) {
        const shown = await pixels(list, index);
        const expected = pictureOf(file);
        expect(shown.length).toBe(expected.length);
        // A JPEG is near, a PNG exact.
        const worst = Math.max(...expected.map((value, at) => Math.abs(value - (shown[at] as number))));
        expect(worst).toBeLessThanOrEqual(file.endsWith('.JPEG') ? 3 : 0);
      }
    }
  });

  it.each(fileLayouts.filter(({ archiveFolder }) => archiveFolder))(
    '$reader.layout: in the archive’s folder',
    async (layout) => {
      const folder = temporaryFolder();
      const inside = join(folder, layout.archiveFolder as string);
      await layout.write(inside);
      expect((await open(layout.reader, folder)).train?.name(0)).toBe(join(inside, layout.train[0] as string));
    },
  );

  it('tinyimagenet: without the files of boxes, which list the images, the folders do', async () => {
    const folder = temporaryFolder();
    await writeTinyImagenet(folder);
    const whole = await open(tinyimagenet, folder);
    for (const name of whole.classNames) rmSync(join(folder, 'train', name, `${name}_boxes.txt`));
    const { train } = await open(tinyimagenet, folder);
    expect(whole.train?.labels.map((_, index) => Number(train?.name(index) === whole.train?.name(index)))).toEqual(
      Int32Array.of(1, 1, 1),
    );
  });

  it('stanford-dogs: the lists may lie in lists/', async () => {
    const folder = temporaryFolder();
    await writeStanfordDogs(folder, 'lists');
    expect((await open(stanfordDogs, folder)).train?.count).toBe(3);
  });

  it('imagenet: warns of what it passes over', async () => {
    const folder = temporaryFolder();
    await writeImagenet(folder);
    expect((await open(imagenet, folder)).warnings).toEqual([
      expect.stringMatching(/passed over 1 entries .*n01000001.notes\.txt/),
    ]);
  });
});

describe('what is another layout is left to it', () => {
  const classes = { cat: 1, dog: 1 };
  const wnids = { n01000001: 1, n02000001: 1 };
  it.each<[string, (folder: string) => Promise<void>]>([
    ['flat class folders', (f) => writeClasses(f, classes)],
    [
      'train, val and test',
      async (f) => {
        for (const split of ['train', 'val', 'test']) await writeClasses(join(f, split), classes);
      },
    ],
    [
      'three splits whose classes are called as in ImageNet',
      async (f) => {
        for (const split of ['train', 'val', 'test']) await writeClasses(join(f, split), wnids);
      },
    ],
    [
      'classes of which some are called as in ImageNet',
      async (f) => {
        for (const split of ['train', 'val']) await writeClasses(join(f, split), { ...wnids, cat: 1 });
      },
    ],
    ['training images only', (f) => writeClasses(join(f, 'train'), wnids)],
    [
      'class names and a list beside class folders',
      async (f) => {
        await writeClasses(join(f, 'images'), classes);
        for (const name of ['classes.txt', 'images.txt', 'class_names.txt', 'train.txt']) write(join(f, name), 'x\n');
      },
    ],
  ])('%s', async (_name, make) => {
    const folder = temporaryFolder();
    await make(folder);
    for (const reader of readers)
      expect(await reader.find(folder, entries(folder), new Walk(folder), {})).toBeUndefined();
  });

  it('finds no layout in another’s folder', async () => {
    const all = [...fileLayouts, { reader: svhn, write: writeSvhn }, { reader: stl10, write: writeStl10 }];
    for (const layout of all) {
      const folder = temporaryFolder();
      await layout.write(folder);
      const found = await Promise.all(
        readers.map((reader) => reader.find(folder, entries(folder), new Walk(folder), {})),
      );
      expect(found.map((path, index) => path && readers[index]?.layout).filter(Boolean)).toEqual([
        layout.reader.layout,
      ]);
    }
  });
});
