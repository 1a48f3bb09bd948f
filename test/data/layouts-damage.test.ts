import { readdirSync, readFileSync, renameSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { LayoutReader } from '../../src/data/layout-reader.js';
import { Walk } from '../../src/data/layout-reader.js';
import { stl10, svhn } from '../../src/data/layouts/arrays.js';
import { imagenet } from '../../src/data/layouts/imagenet.js';
import { cub200, mit67, stanford40, stanfordDogs, tinyimagenet } from '../../src/data/layouts/listed.js';
import {
  dogList,
  writeCub200,
  writeImagenet,
  writeMit67,
  writeStanford40,
  writeStanfordDogs,
  writeStl10,
  writeSvhn,
  writeTinyImagenet,
} from '../fixtures/layouts.js';
import { matFile, numbers } from '../fixtures/mat-file.js';
import { failure, temporaryFolder, write } from './generate.js';

type Damage = [
  name: string,
  layout: { reader: LayoutReader; write: (folder: string) => unknown },
  RegExp,
  (folder: string) => void,
];

const svhnLayout = { reader: svhn, write: writeSvhn };
const stl10Layout = { reader: stl10, write: writeStl10 };
const tinyLayout = { reader: tinyimagenet, write: writeTinyImagenet };
const imagenetLayout = { reader: imagenet, write: writeImagenet };
const cubLayout = { reader: cub200, write: writeCub200 };
const mitLayout = { reader: mit67, write: writeMit67 };
const actionsLayout = { reader: stanford40, write: writeStanford40 };
const dogsLayout = { reader: stanfordDogs, write: writeStanfordDogs };

const remove = (name: string) => (folder: string) => rmSync(join(folder, name), { recursive: true });
const replace = (name: string, content: string | Uint8Array) => (folder: string) => write(join(folder, name), content);
const cut = (name: string, bytes: number) => (folder: string) => truncateSync(join(folder, name), bytes);
const change = (name: string, from: string, to: string) => (folder: string) =>
  write(join(folder, name), readFileSync(join(folder, name), 'utf8').replace(from, to));

const damages: Damage[] = [
  [
    'no test file',
    svhnLayout,
    /svhn folder without test_32x32\.mat: it holds train_32x32\.mat/,
    remove('test_32x32.mat'),
  ],
  ['a cut file', svhnLayout, /train_32x32\.mat is damaged: .*cut short/, cut('train_32x32.mat', 1000)],
  ['no X', svhnLayout, /train_32x32\.mat has no X/, replace('train_32x32.mat', matFile({ y: numbers([1, 1], [1]) }))],
  ['a label 0', svhnLayout, /image 1 has label 0, but labels are 1 to 10/, replace('test_32x32.mat', svhnFile([1, 0]))],
  ['too few labels', svhnLayout, /2 images in X, but not one label/, replace('test_32x32.mat', svhnFile([1], 2))],
  ['a class without images', svhnLayout, /class '0' has no training images/, replace('train_32x32.mat', svhnFile([1]))],
  ['no class names', stl10Layout, /stl10 folder without class_names\.txt: it holds fold/, remove('class_names.txt')],
  ['cut images', stl10Layout, /train_X\.bin has 9000 bytes, but the 10 labels .* for 276480/, cut('train_X.bin', 9000)],
  ['a label 11', stl10Layout, /test_y\.bin: image 1 has label 11/, replace('test_y.bin', Uint8Array.from([1, 11]))],
  [
    'a fold out of range',
    stl10Layout,
    /fold 2: it has image 10, but there are 10/,
    change('fold_indices.txt', '2 5', '2 10'),
  ],
  [
    'an image twice in a fold',
    stl10Layout,
    /fold 2: it has image 5, but it comes twice/,
    change('fold_indices.txt', '2 5', '5 5'),
  ],
  ['a fold that is cut', stl10Layout, /not 10 folds of equal size/, change('fold_indices.txt', '9 2', '9')],
  [
    'a fold that is no numbers',
    stl10Layout,
    /fold_indices\.txt, line 3: '2 x' is not/,
    change('fold_indices.txt', '2 5', '2 x'),
  ],
  ['a class folder missing', tinyLayout, /tinyimagenet folder without train\/n02000001:/, remove('train/n02000001')],
  [
    'training images missing',
    tinyLayout,
    /lists name 2 images \(of 5\) that are not there, first: train\/n02000001\/images\/n02000001_2/,
    remove('train/n02000001/images'),
  ],
  ['no labels of val', tinyLayout, /without val\/val_annotations\.txt/, remove('val/val_annotations.txt')],
  [
    'a label of no class',
    tinyLayout,
    /val_0\.JPEG is of class 'n09999999', which is none of the 2/,
    change('val/val_annotations.txt', 'n02000001', 'n09999999'),
  ],
  [
    'val without class folders',
    imagenetLayout,
    /val holds ILSVRC2012_val_00000001\.JPEG .*Sort them into class folders/,
    flattenVal,
  ],
  [
    'a class not extracted',
    imagenetLayout,
    /n03000001\.tar is not extracted\. Extract it into a folder n03000001/,
    replace('train/n03000001.tar', ''),
  ],
  [
    'a class missing in train',
    imagenetLayout,
    /train lacks 1 class folders that .*val has: n02000001/,
    remove('train/n02000001'),
  ],
  [
    'an empty class',
    imagenetLayout,
    /train.n01000001 has no images: it holds notes\.txt/,
    remove('train/n01000001/n01000001_1.JPEG'),
  ],
  [
    'no images to test',
    cubLayout,
    /its lists name no test images/,
    replace('train_test_split.txt', '1 1\n2 1\n3 1\n4 1\n5 1\n'),
  ],
  ['no class names', cubLayout, /cub200 folder without classes\.txt: it holds image_class/, remove('classes.txt')],
  [
    'an image missing',
    cubLayout,
    /name 1 images \(of 5\) that are not there, first: images\/001\.Auk\/Auk_1\.jpg/,
    remove('images/001.Auk/Auk_1.jpg'),
  ],
  ['an id twice', cubLayout, /images\.txt has id 3 twice/, change('images.txt', '1 002', '3 002')],
  ['a path twice', cubLayout, /name images\/002\.Crow\/Crow_9\.jpg twice/, change('images.txt', 'Crow_10', 'Crow_9')],
  [
    'an image without label',
    cubLayout,
    /image 3 is in images\.txt but not in image_class/,
    change('image_class_labels.txt', '3 1\n', ''),
  ],
  [
    'a label of no image',
    cubLayout,
    /image 7 is in train_test_split\.txt but not in images/,
    change('train_test_split.txt', '2 0', '2 0\n7 1'),
  ],
  [
    'a class that is none',
    cubLayout,
    /image 3 is 001\.Auk\/Auk_1\.jpg, but .* the class 9, which is none/,
    change('image_class_labels.txt', '3 1', '3 9'),
  ],
  [
    'a label of another class',
    cubLayout,
    /image 3 is 001\.Auk\/Auk_1\.jpg, but .* the class 2, 002\.Crow/,
    change('image_class_labels.txt', '3 1', '3 2'),
  ],
  [
    'a class only to test',
    cubLayout,
    /class '001\.Auk' has no training images/,
    change('train_test_split.txt', '3 1', '3 0'),
  ],
  [
    'a line of another form',
    cubLayout,
    /train_test_split\.txt, line 3: '3 yes' is not of the form IMAGE_ID 0 or 1/,
    change('train_test_split.txt', '3 1', '3 yes'),
  ],
  [
    'no list',
    mitLayout,
    /mit67 folder without TestImages\.txt: it holds Images, TrainImages/,
    remove('TestImages.txt'),
  ],
  ['no images', mitLayout, /mit67 folder without Images: it holds/, remove('Images')],
  [
    'a class folder missing',
    mitLayout,
    /name 3 images \(of 5\) that are not there, first: Images\/mall\/shopping mall 2/,
    remove('Images/mall'),
  ],
  [
    'an image to train and to test',
    mitLayout,
    /name Images\/bar\/bar_9\.jpg twice/,
    change('TestImages.txt', 'bar_3', 'bar_9'),
  ],
  [
    'a path out of the folder',
    mitLayout,
    /TestImages\.txt, line 2: '\.\.\/bar_3\.jpg' is not of/,
    change('TestImages.txt', 'bar/', '../'),
  ],
  ['an empty list', mitLayout, /TrainImages\.txt is empty/, replace('TrainImages.txt', '\n')],
  ['a list missing', actionsLayout, /without applauding_test\.txt/, remove('ImageSplits/applauding_test.txt')],
  [
    'no list at all',
    actionsLayout,
    /ImageSplits has no ACTION_train\.txt: it holds nothing/,
    (folder) => {
      remove('ImageSplits')(folder);
      write(join(folder, 'ImageSplits/.x'), '');
    },
  ],
  [
    'images missing',
    actionsLayout,
    /name 1 images \(of 5\) .* JPEGImages\/waving_hands_004\.jpg/,
    remove('JPEGImages/waving_hands_004.jpg'),
  ],
  [
    'a list missing',
    dogsLayout,
    /stanford-dogs folder without train_list\.mat: it holds Images, test_list/,
    remove('train_list.mat'),
  ],
  [
    'images missing',
    dogsLayout,
    /name 3 images \(of 5\) .* Images\/n02000002-pug\/n02000002_9/,
    remove('Images/n02000002-pug'),
  ],
  [
    'a label of another class',
    dogsLayout,
    /2 labels do not go one to one with 2 class folders/,
    replace('test_list.mat', dogList([['n02000002-pug/n02000002_3.jpg', 1]])),
  ],
  [
    'an entry that is no path',
    dogsLayout,
    /test_list\.mat: entry 0 of file_list is not of the form CLASS/,
    replace('test_list.mat', dogList([['n02000002_3.jpg', 1]])),
  ],
  ['another MAT file', dogsLayout, /test_list\.mat has no file_list/, replace('test_list.mat', matFile({}))],
];

function svhnFile(labels: number[], count = labels.length): Buffer {
  const X = numbers([32, 32, 3, count], new Uint8Array(count * 3072), 'uint8');
  return matFile({ X, y: numbers([labels.length, 1], labels) });
}

function flattenVal(folder: string): void {
  for (const name of ['n01000001', 'n02000001']) {
    for (const file of readdirSync(join(folder, 'val', name)))
      renameSync(join(folder, 'val', name, file), join(folder, 'val', file));
    rmSync(join(folder, 'val', name), { recursive: true });
  }
}

/** Finds and opens, as the reader's user does. */
async function openFound(reader: LayoutReader, folder: string): Promise<unknown> {
  const walk = new Walk(folder);
  return reader.open((await reader.find(folder, readdirSync(folder).sort(), walk, {})) as string, walk, {});
}

describe('what is missing or wrong is named', () => {
  it.each(
    damages.map(([name, layout, message, damage]) => ({
      name: `${layout.reader.layout}: ${name}`,
      layout,
      message,
      damage,
    })),
  )('$name', async ({ layout, message, damage }) => {
    const folder = temporaryFolder();
    await layout.write(folder);
    damage(folder);
    const error = await failure(openFound(layout.reader, folder));
    expect(error?.code).toBe('INVALID_DATA');
    expect(error?.message).toMatch(message);
  });
});
