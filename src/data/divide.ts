import { dirname, relative, sep } from 'node:path';
import { type Layout, splitNames } from '../options/datasets.js';
import { invalidData } from '../system/failures.js';
import { shown } from '../system/printable.js';
import { checkEveryClass, countPerClass, type Dataset, type Division, type ImageLists } from './dataset.js';
import { type ImageList, subset } from './image-list.js';
import { type DataOptions, loadData } from './load.js';
import { splitTrain } from './split.js';

/** The options that decide which images train and which validate. */
export interface DivideOptions extends DataOptions {
  readonly perClass?: number | undefined;
  readonly validation?: number | undefined;
  readonly seed: number;
}

/**
 * The images of each set, not yet decoded, and their indices in the data set's own lists.
 *
 * Throws INVALID_DATA if there is only one class, or fewer than two training images; or if a class has no training
 * images, fewer than `perClass`, or none left besides those that validate or test.
 */
export function divide(dataset: Dataset, options: DivideOptions): { lists: ImageLists; division: Division } {
  const { layout, train, validation, test, classNames, division, testDrawn } = dataset;
  const { data, perClass, validation: share, seed } = options;
  // Each class needs an image to train on, besides the one taken for the test.
  const few = testDrawn ? countPerClass(train?.labels ?? new Int32Array(0), classNames.length).indexOf(0) : -1;
  if (few !== -1) {
    throw invalidData(
      `${data}: class '${shown(classNames[few] as string)}' has too few images: it needs one to train on and one to test on, since the data has no test images. Add images of it, or test images: ${howToGive(layout, 'test')}.`,
    );
  }
  if (train === undefined) throw invalidData(`${data} has no training images: ${howToGive(layout, 'train')}.`);
  if (classNames.length < 2) {
    const one = `${data} has one class, '${shown(classNames[0] as string)}': there is nothing to tell apart.`;
    throw invalidData(`${one}${nestedClasses(dataset)}`);
  }
  checkEveryClass(train, classNames, data);
  const lists = { train, validation, test };
  if (division === undefined) {
    const split = { perClass, validation: share ?? 0, seed, folder: data, testDrawn };
    const drawn = splitTrain(train.labels, classNames, split);
    lists.train = subset(train, drawn.train);
    const held = drawn.validation.length > 0 ? subset(train, drawn.validation) : undefined;
    // The option `validation` replaces the data set's own validation images.
    if (share !== undefined) lists.validation = held;
  }
  if (lists.train.count < 2) throw invalidData(`${data} has one training image: batch norm needs at least two.`);
  const own = division ? division.validation.length === 0 : lists.validation === validation;
  return {
    lists,
    division: {
      train: positions(lists.train),
      validation: own ? new Int32Array(0) : positions(lists.validation),
      test: division?.test || testDrawn ? positions(test) : undefined,
    },
  };
}

/** The folder that may be meant by the one above it, whose only class it became: all images lie in folders of it. */
function nestedClasses({ layout, folder, ...lists }: Dataset): string {
  if (layout !== 'folder') return '';
  const folders = splitNames.flatMap((split) => {
    const list = lists[split];
    return Array.from({ length: list?.count ?? 0 }, (_, k) => dirname(list?.file(k) as string).split(sep));
  });
  const [first = []] = folders;
  const common = first.findIndex((part, depth) => folders.some((parts) => parts[depth] !== part));
  const meant = first.slice(0, common).join(sep);
  return common === -1 || relative(folder, meant) === ''
    ? ''
    : ` Did you mean ${meant}, whose folders hold the images?`;
}

/** How the person gives the images of a split, to end a message. */
function howToGive(layout: Layout, split: 'train' | 'test'): string {
  if (layout === 'list') return `write ${split} in the column split of their lines`;
  if (layout === 'parquet') return `put them into a file ${split}.parquet, and give the folder`;
  return `put them into a folder ${split}/`;
}

const positions = (list: ImageList | undefined): Int32Array =>
  Int32Array.from({ length: list?.count ?? 0 }, (_, index) => list?.position(index) as number);

/** How many images a run with these options trains on. Decodes nothing. Throws like `loadData` and `divide`. */
export async function countTrained(options: DivideOptions): Promise<number> {
  return divide(await loadData({ ...options, drawTest: true }), options).lists.train.count;
}
