import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { invalidData } from '../../system/failures.js';
import { trainAndTest } from '../dataset.js';
import type { ImageList } from '../image-list.js';
import type { LayoutReader } from '../layout-reader.js';
import { marked, readClassNames, readRows, requireEntries } from '../listing.js';
import { classesFromOne, matlabImages } from '../matlab.js';
import { readWhole } from '../reading.js';

const splitFiles = ['train_X.bin', 'train_y.bin', 'test_X.bin', 'test_y.bin'];
const namesFile = 'class_names.txt';
const foldsFile = 'fold_indices.txt';
const classes = 10;
const folds = 10;
const side = 96;
const maxFileBytes = 2 ** 30;

/** The binary version of STL-10. The ten folds are read if their file is there; the unlabelled images are not read. */
export const stl10: LayoutReader = {
  layout: 'stl10',
  find: marked(splitFiles, 'stl10_binary'),
  async open(folder, walk) {
    await requireEntries(folder, 'stl10', [...splitFiles, namesFile], walk);
    const classNames = await readClassNames(join(folder, namesFile), classes);
    const train = await readSplit(folder, 'train');
    const test = await readSplit(folder, 'test');
    const file = join(folder, foldsFile);
    const folds = existsSync(file) ? await readFolds(file, train.count) : [];
    return trainAndTest({ layout: 'stl10', folder, train, test, classNames, folds });
  },
};

/** Labels have one byte and count from 1; pixels are in MATLAB's layout. */
async function readSplit(folder: string, split: 'train' | 'test'): Promise<ImageList> {
  const labelsFile = join(folder, `${split}_y.bin`);
  const labels = classesFromOne(await readWhole(labelsFile, maxFileBytes), classes, labelsFile);
  const file = join(folder, `${split}_X.bin`);
  const pixels = await readWhole(file, maxFileBytes);
  const expected = labels.length * 3 * side * side;
  if (pixels.length === expected && expected > 0) return matlabImages(file, side, pixels, labels);
  throw invalidData(
    `${file} has ${pixels.length} bytes, but the ${labels.length} labels of ${labelsFile} ask for ${expected}. Extract the archive again.`,
  );
}

/** Each line is a fold: indices into the training set, from 0. */
async function readFolds(file: string, count: number): Promise<Int32Array[]> {
  const rows = await readRows(file, /^(\d+(?:\s+\d+)*)$/, 'INDEX INDEX …');
  const read = rows.map(([line = '']) => Int32Array.from(line.split(/\s+/), Number));
  for (const [fold, indices] of read.entries()) {
    const seen = new Set<number>();
    const wrong = indices.find((index) => index >= count || seen.size === seen.add(index).size);
    if (wrong === undefined) continue;
    const problem = wrong >= count ? `there are ${count} training images` : 'it comes twice';
    throw invalidData(`${file}, fold ${fold}: it has image ${wrong}, but ${problem}.`);
  }
  if (read.length === folds && read.every(({ length }) => length === read[0]?.length)) return read;
  throw invalidData(`${file} is not ${folds} folds of equal size. Extract the archive again.`);
}
