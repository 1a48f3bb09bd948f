import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDataset } from '../../../src/data/load.js';
import type { Layout } from '../../../src/options/datasets.js';
import {
  dogList,
  pictureOf,
  writeCub200,
  writeImagenet,
  writeMit67,
  writePets,
  writeStanford40,
  writeStanfordDogs,
  writeTinyImagenet,
} from '../../fixtures/layouts.js';
import { matFile } from '../../fixtures/mat-file.js';
import { temporaryFolder, write } from '../generate.js';
import { change, itRefuses, labelsOf, namesOf, pixelsOf, remove, replace } from './reading.js';

interface FileLayout {
  readonly layout: Layout;
  readonly write: (folder: string) => Promise<void>;
  readonly archiveFolder?: string;
  readonly classNames: string[];
  /** Images of classes 0, 1, 1. */
  readonly train: string[];
  /** Images of classes 0, 1. */
  readonly test: string[];
}

const fileLayouts: FileLayout[] = [
  {
    layout: 'tinyimagenet',
    write: writeTinyImagenet,
    archiveFolder: 'tiny-imagenet-200',
    classNames: ['n01000001', 'n02000001'],
    train: ['n01000001_1', 'n02000001_10', 'n02000001_2'].map(
      (name) => `train/${name.slice(0, 9)}/images/${name}.JPEG`,
    ),
    test: ['val/images/val_1.JPEG', 'val/images/val_0.JPEG'],
  },
  {
    layout: 'imagenet',
    write: writeImagenet,
    classNames: ['n01000001', 'n02000001'],
    train: ['n01000001_1', 'n02000001_10', 'n02000001_2'].map((name) => `train/${name.slice(0, 9)}/${name}.JPEG`),
    test: ['val/n01000001/ILSVRC2012_val_00000002.JPEG', 'val/n02000001/ILSVRC2012_val_00000001.JPEG'],
  },
  {
    layout: 'cub200',
    write: writeCub200,
    archiveFolder: 'CUB_200_2011',
    classNames: ['001.Auk', '002.Crow'],
    train: ['images/001.Auk/Auk_1.jpg', 'images/002.Crow/Crow_10.jpg', 'images/002.Crow/Crow_9.jpg'],
    test: ['images/001.Auk/Auk_2.jpg', 'images/002.Crow/Crow_3.jpg'],
  },
  {
    layout: 'mit67',
    write: writeMit67,
    classNames: ['bar', 'mall'],
    train: ['Images/bar/bar_9.jpg', 'Images/mall/Mall_1.jpg', 'Images/mall/shopping mall 2.jpg'],
    test: ['Images/bar/bar_3.jpg', 'Images/mall/mall_4.jpg'],
  },
  {
    layout: 'stanford40',
    write: writeStanford40,
    classNames: ['applauding', 'waving_hands'],
    train: ['JPEGImages/applauding_001.jpg', 'JPEGImages/waving_hands_003.jpg', 'JPEGImages/waving_hands_011.jpg'],
    test: ['JPEGImages/applauding_002.jpg', 'JPEGImages/waving_hands_004.jpg'],
  },
  {
    layout: 'stanford-dogs',
    write: writeStanfordDogs,
    classNames: ['n02000001-boxer', 'n02000002-pug'],
    train: ['boxer/n02000001_1', 'pug/n02000002_10', 'pug/n02000002_9'].map(dogFile),
    test: ['boxer/n02000001_2', 'pug/n02000002_3'].map(dogFile),
  },
  {
    layout: 'oxford-iiit-pet',
    write: writePets,
    archiveFolder: 'oxford-iiit-pet',
    classNames: ['Birman', 'pug_dog'],
    train: ['images/Birman_1.jpg', 'images/pug_dog_10.jpg', 'images/pug_dog_9.jpg'],
    test: ['images/Birman_2.jpg', 'images/pug_dog_3.jpg'],
  },
];

function dogFile(name: string): string {
  const [breed, file] = name.split('/') as [string, string];
  return `Images/${file.slice(0, 9)}-${breed}/${file}.jpg`;
}

describe('images that lists or folders name', () => {
  it.each(fileLayouts)('$layout: each split by class, then by file', async (expected) => {
    const folder = temporaryFolder();
    const { layout, classNames } = expected;
    await expected.write(folder);
    const data = await openDataset(folder);
    expect(data).toMatchObject({ layout, folder, flat: false, validation: undefined, folds: [], classNames });
    expect([data.train, data.test].map(labelsOf)).toEqual([
      [0, 1, 1],
      [0, 1],
    ]);
    for (const split of ['train', 'test'] as const) {
      expect(namesOf(data[split])).toEqual(expected[split].map((file) => join(folder, file)));
      for (const [index, file] of expected[split].entries()) {
        const [shown, picture] = [await pixelsOf(data[split], index), pictureOf(file)];
        expect(shown.length).toBe(picture.length);
        // A JPEG is near, a PNG exact.
        const worst = Math.max(...picture.map((value, at) => Math.abs(value - (shown[at] as number))));
        expect(worst).toBeLessThanOrEqual(file.endsWith('.JPEG') ? 3 : 0);
      }
    }
  });

  it.each(fileLayouts.filter(({ archiveFolder }) => archiveFolder))(
    '$layout: in the archive’s folder',
    async ({ archiveFolder, write, train }) => {
      const folder = temporaryFolder();
      const inside = join(folder, archiveFolder as string);
      await write(inside);
      expect((await openDataset(folder)).train?.name(0)).toBe(join(inside, train[0] as string));
    },
  );

  it('tinyimagenet: without the files of boxes, which list the images, the folders do', async () => {
    const folder = temporaryFolder();
    await writeTinyImagenet(folder);
    const whole = await openDataset(folder);
    for (const name of whole.classNames) rmSync(join(folder, 'train', name, `${name}_boxes.txt`));
    expect(namesOf((await openDataset(folder)).train)).toEqual(namesOf(whole.train));
  });

  it('stanford-dogs: the lists may lie in lists/', async () => {
    const folder = temporaryFolder();
    await writeStanfordDogs(folder, 'lists');
    expect((await openDataset(folder)).train?.count).toBe(3);
  });
});

itRefuses('tinyimagenet', writeTinyImagenet, [
  [/tinyimagenet folder without train\/n02000001:/, remove('train/n02000001')],
  [
    /name 2 images \(of 5\) that are not there, first: train\/n02000001\/images\/.*_2/,
    remove('train/n02000001/images'),
  ],
  [/without val\/val_annotations\.txt/, remove('val/val_annotations.txt')],
  [/val_0\.JPEG is of class 'n09000001', which is none of the 2/, change('val/val_annotations.txt', 'n02', 'n09')],
]);

itRefuses('cub200', writeCub200, [
  [/its lists name no test images/, replace('train_test_split.txt', '1 1\n2 1\n3 1\n4 1\n5 1\n')],
  [/cub200 folder without classes\.txt: it holds image_class/, remove('classes.txt')],
  [/name 1 images \(of 5\) that are not there, first: images\/001\.Auk\/Auk_1/, remove('images/001.Auk/Auk_1.jpg')],
  [/images\.txt has id 3 twice/, change('images.txt', '1 002', '3 002')],
  [/name images\/002\.Crow\/Crow_9\.jpg twice/, change('images.txt', 'Crow_10', 'Crow_9')],
  [/image 3 is in images\.txt but not in image_class/, change('image_class_labels.txt', '3 1\n', '')],
  [/image 7 is in train_test_split\.txt but not in images/, change('train_test_split.txt', '2 0', '2 0\n7 1')],
  [/image 3 is 001\.Auk\/Auk_1\.jpg, but .* class 9, which is none/, change('image_class_labels.txt', '3 1', '3 9')],
  [/image 3 is 001\.Auk\/Auk_1\.jpg, but .* class 2, 002\.Crow/, change('image_class_labels.txt', '3 1', '3 2')],
  [/class '001\.Auk' has no training images/, change('train_test_split.txt', '3 1', '3 0')],
  [/line 3: '3 yes' is not of the form IMAGE_ID 0 or 1/, change('train_test_split.txt', '3 1', '3 yes')],
]);

itRefuses('mit67', writeMit67, [
  [/mit67 folder without TestImages\.txt: it holds Images, TrainImages/, remove('TestImages.txt')],
  [/mit67 folder without Images: it holds/, remove('Images')],
  [/name 3 images \(of 5\) that are not there, first: Images\/mall\/shopping mall 2/, remove('Images/mall')],
  // An image to train and to test.
  [/name Images\/bar\/bar_9\.jpg twice/, change('TestImages.txt', 'bar_3', 'bar_9')],
  [/TestImages\.txt, line 2: '\.\.\/bar_3\.jpg' is not of/, change('TestImages.txt', 'bar/', '../')],
  [/TrainImages\.txt is empty/, replace('TrainImages.txt', '\n')],
]);

itRefuses('stanford40', writeStanford40, [
  [/without applauding_test\.txt/, remove('ImageSplits/applauding_test.txt')],
  [
    /ImageSplits has no ACTION_train\.txt: it holds nothing/,
    (folder) => {
      remove('ImageSplits')(folder);
      write(join(folder, 'ImageSplits/.x'), '');
    },
  ],
  [/name 1 images \(of 5\) .* JPEGImages\/waving_hands_004\.jpg/, remove('JPEGImages/waving_hands_004.jpg')],
]);

const dogTest = (file: string) => replace('test_list.mat', dogList([[file, 1]]));
itRefuses('stanford-dogs', writeStanfordDogs, [
  [/stanford-dogs folder without train_list\.mat: it holds Images, test_list/, remove('train_list.mat')],
  [/name 3 images \(of 5\) .* Images\/n02000002-pug\/n02000002_9/, remove('Images/n02000002-pug')],
  [/2 labels do not go one to one with 2 class folders/, dogTest('n02000002-pug/n02000002_3.jpg')],
  [/test_list\.mat: entry 0 of file_list is not of the form CLASS/, dogTest('n02000002_3.jpg')],
  [/test_list\.mat has no file_list/, replace('test_list.mat', matFile({}))],
]);

itRefuses('oxford-iiit-pet', writePets, [
  [
    /oxford-iiit-pet folder without annotations\/test\.txt: it holds annotations, images/,
    remove('annotations/test.txt'),
  ],
  [/name 1 images \(of 5\) .* images\/Birman_2\.jpg/, remove('images/Birman_2.jpg')],
  [/class 2 is pug_dog and Birman/, change('annotations/test.txt', 'Birman_2 1', 'Birman_2 2')],
  [
    /test\.txt, line 1: '\.\.\/Birman_2 .*' is not of the form BREED_NUMBER/,
    change('annotations/test.txt', 'Birman', '../Birman'),
  ],
]);
