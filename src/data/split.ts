import { dirname, relative, sep } from 'node:path';
import { type Layout, type SplitName, splitNames } from '../options/datasets.js';
import { invalidData } from '../system/failures.js';
import { shown } from '../system/printable.js';
import {
  checkEveryClass,
  countPerClass,
  type Dataset,
  type Division,
  type ImageList,
  type ImageLists,
  subset,
} from './dataset.js';
import { Random } from './random.js';

/** The options that decide which images train and which validate. */
export interface DivideOptions {
  /** The data set's folder, for error messages. */
  readonly data: string;
  readonly seed: number;
  /** N: draw this many training images per class. If absent, all are taken. */
  readonly perClass?: number | undefined;
  /** How many of a class's images validate: the X of `countHeldOut`. If absent, none. */
  readonly validation?: number | undefined;
}

/**
 * How many of a class's `images` are held out for validation. For `validation` X ≥ 1 it is X; for X < 1 it is the
 * fraction X of the images, rounded down.
 */
export function countHeldOut(validation: number, images: number): number {
  // 0.29 · 100 is a little less than 29 in floating point.
  return validation < 1 ? Math.floor(validation * images + 1e-6) : validation;
}

/**
 * Splits the training images into those that train and those held out for validation: ascending, disjoint indices. With
 * `perClass` N, N images per class are drawn first, including those held out. Each class is shuffled once,
 * independently of N, so the N drawn images are among the N + 1 drawn with the same seed. `rest`: those not drawn.
 * `testDrawn`: the test images were drawn from the training images; errors mention it.
 *
 * Throws INVALID_DATA if a class has no images, fewer than N, or none left to train on.
 */
export function splitTrain(
  labels: Int32Array,
  classNames: readonly string[],
  { data, seed, perClass, validation = 0 }: DivideOptions,
  testDrawn?: boolean,
): Pick<Division, 'train' | 'validation'> & { readonly rest: Int32Array } {
  const random = new Random(seed);
  const train: number[][] = [];
  const heldOutImages: number[][] = [];
  const rest: number[][] = [];
  imagesOf(labels, classNames.length).forEach((images, index) => {
    const asked = perClass ?? images.length;
    if (images.length < Math.max(asked, 1)) {
      const kept = testDrawn ? ' beside the tenth that is kept for the test' : '';
      throw invalidData(
        `${data}: class '${shown(classNames[index] as string)}' has ${images.length} training images${kept}, fewer than the ${Math.max(asked, 1)} asked for.`,
      );
    }
    const heldOut = countHeldOut(validation, asked);
    if (heldOut >= asked) {
      throw invalidData(
        `${data}: {validation=${validation}} leaves nothing to train on of class '${shown(classNames[index] as string)}', which has ${asked} images: hold out fewer.`,
      );
    }
    random.shuffle(images);
    heldOutImages.push(images.slice(0, heldOut));
    train.push(images.slice(heldOut, asked));
    rest.push(images.slice(asked));
  });
  const sorted = (parts: number[][]) => Int32Array.from(parts.flat()).sort();
  return { train: sorted(train), validation: sorted(heldOutImages), rest: sorted(rest) };
}

/** The indices of each class's images, ascending. */
function imagesOf(labels: Int32Array, classes: number): number[][] {
  const images = Array.from({ length: classes }, (): number[] => []);
  labels.forEach((label, image) => {
    images[label]?.push(image);
  });
  return images;
}

/** A seed that no run can have: the option's limit is 2³² − 1. */
const testSeed = 2 ** 53 - 1;

/**
 * If the data set has no test images, draws a tenth of each class's training images as its test set: rounded down, but
 * at least one. They are the same for every run on the data, independently of its seed, classes and images per class,
 * so this must be called before classes are selected. A class with one image then has none left to train on.
 */
export function withTest(dataset: Dataset): Dataset {
  const { train, test, classNames } = dataset;
  if (train === undefined || test !== undefined) return dataset;
  const random = new Random(testSeed);
  const drawn = imagesOf(train.labels, classNames.length).flatMap((images) => {
    random.shuffle(images);
    return images.slice(0, Math.max(1, Math.floor(images.length / 10)));
  });
  const tested = new Set(drawn);
  const rest = [...train.labels.keys()].filter((image) => !tested.has(image));
  drawn.sort((a, b) => a - b);
  return { ...dataset, folds: [], testDrawn: true, train: subset(train, rest), test: subset(train, drawn) };
}

/**
 * The images to evaluate on: the given split. The default is `test`, or all images if the folder is flat and no split
 * file divides it.
 * Throws INVALID_DATA if the data set does not have the split.
 */
export function evaluationSplit(dataset: Dataset, split?: SplitName): ImageList {
  const name = split ?? (dataset.flat && dataset.division === undefined ? 'train' : 'test');
  const list = dataset[name];
  if (list !== undefined) return list;
  const present = splitNames.filter((other) => dataset[other] !== undefined);
  throw invalidData(
    `${dataset.folder} has no ${name} images; it has ${present.join(' and ')}. Choose one with {split}, or give the run's own split.json with {splitFile}.`,
  );
}

/**
 * The images of each set, not yet decoded, and their indices in the data set's own lists.
 *
 * Throws INVALID_DATA if there is only one class, or fewer than two training images; or if a class has no training
 * images, fewer than `perClass`, or none left besides those that validate or test.
 */
export function divide(dataset: Dataset, options: DivideOptions) {
  const { layout, train, validation, test, classNames, division, testDrawn } = dataset;
  const { data, validation: share } = options;
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
  const lists: { -readonly [name in keyof ImageLists]: ImageLists[name] } = { train, validation, test };
  let rest: ImageList | undefined;
  if (division === undefined) {
    const drawn = splitTrain(train.labels, classNames, options, testDrawn);
    lists.train = subset(train, drawn.train);
    rest = subset(train, drawn.rest);
    const validationImages = drawn.validation.length > 0 ? subset(train, drawn.validation) : undefined;
    // The option `validation` replaces the data set's own validation images.
    if (share !== undefined) lists.validation = validationImages;
  }
  if (lists.train.count < 2) throw invalidData(`${data} has one training image: batch norm needs at least two.`);
  const isDataSets = division ? division.validation.length === 0 : lists.validation === validation;
  return {
    lists,
    /** The training images that `perClass` leaves out; undefined with a split file. */
    rest,
    division: {
      train: positions(lists.train),
      validation: isDataSets ? new Int32Array(0) : positions(lists.validation),
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
