import { L2TError } from '../errors.js';
import { type SplitName, splitNames } from '../options/datasets.js';
import { shown } from '../system/printable.js';
import type { Dataset } from './dataset.js';
import { type ImageList, subset } from './image-list.js';
import { Random } from './random.js';

export interface SplitOptions {
  readonly seed: number;
  /** N: draw this many training images a class. Absent: all of them. */
  readonly perClass?: number | undefined;
  /** How many of a class's images validate, as `countHeldOut` reads it. */
  readonly validation: number;
  /** Errors name it. */
  readonly folder: string;
  /** The test images were drawn from the training images: errors say so. */
  readonly testDrawn?: boolean | undefined;
}

/** Positions in the data set's training images. */
export interface TrainSplit {
  readonly train: Int32Array;
  readonly validation: Int32Array;
}

/**
 * How many of a class's `images` `validation` X holds out: X where it is a whole number, else the fraction X of them,
 * rounded down.
 */
export function countHeldOut(validation: number, images: number): number {
  // 0.29 · 100 is a little less than 29 in floating point.
  return validation < 1 ? Math.floor(validation * images + 1e-6) : validation;
}

/**
 * Which training images are trained on and which are held out to validate: ascending indices, disjoint. With `perClass` N,
 * N images a class are drawn first, and those that validate are among them. Each class is shuffled once, whatever N is, so
 * the N drawn images are among the N + 1 drawn with the same seed.
 *
 * Throws INVALID_DATA where a class has no images, fewer than N, or none left to train on; INVALID_OPTION for an N that
 * is no count.
 */
export function splitTrain(
  labels: Int32Array,
  classNames: readonly string[],
  { seed, perClass, validation, folder, testDrawn }: SplitOptions,
): TrainSplit {
  if (perClass !== undefined && (!Number.isSafeInteger(perClass) || perClass < 1)) {
    throw new L2TError('INVALID_OPTION', `Images per class must be a whole number of at least 1, not ${perClass}.`);
  }
  const random = new Random(seed);
  const train: number[][] = [];
  const held: number[][] = [];
  imagesOf(labels, classNames.length).forEach((images, index) => {
    const wanted = perClass ?? images.length;
    if (images.length < Math.max(wanted, 1)) {
      const kept = testDrawn ? ' beside the tenth that is kept for the test' : '';
      throw new L2TError(
        'INVALID_DATA',
        `${folder}: class '${shown(classNames[index] as string)}' has ${images.length} training images${kept}, fewer than the ${Math.max(wanted, 1)} asked for.`,
      );
    }
    const heldOut = countHeldOut(validation, wanted);
    if (heldOut >= wanted) {
      throw new L2TError(
        'INVALID_DATA',
        `${folder}: --validation ${validation} leaves nothing to train on of class '${shown(classNames[index] as string)}', which has ${wanted} images: hold out fewer.`,
      );
    }
    random.shuffle(images);
    held.push(images.slice(0, heldOut));
    train.push(images.slice(heldOut, wanted));
  });
  return { train: Int32Array.from(train.flat()).sort(), validation: Int32Array.from(held.flat()).sort() };
}

/** Positions of each class's images, ascending. */
function imagesOf(labels: Int32Array, classes: number): number[][] {
  const images = Array.from({ length: classes }, (): number[] => []);
  labels.forEach((label, image) => {
    images[label]?.push(image);
  });
  return images;
}

/** No run's seed: options go to 2³² − 1. */
const testSeed = 2 ** 53 - 1;

/**
 * A data set that has no test images, with a tenth of each class's training images as its test set: rounded down, but at
 * least one. They are the same ones for every run on the data, whatever its seed, classes and images a class; so this
 * comes before classes are chosen. A class with one image has none left to train on.
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
  return {
    ...dataset,
    folds: [],
    testDrawn: true,
    train: subset(train, rest),
    test: subset(
      train,
      drawn.sort((a, b) => a - b),
    ),
  };
}

/**
 * The images to evaluate on: the asked split, by default `test`, or the folder itself where it is flat and no split file
 * divides it.
 * Throws INVALID_DATA where the data set has no such split.
 */
export function evaluationSplit(dataset: Dataset, split?: SplitName): ImageList {
  const name = split ?? (dataset.flat && dataset.division === undefined ? 'train' : 'test');
  const list = dataset[name];
  if (list !== undefined) return list;
  const present = splitNames.filter((other) => dataset[other] !== undefined);
  throw new L2TError(
    'INVALID_DATA',
    `${dataset.folder} has no ${name} images; it has ${present.join(' and ')}. Choose one with --split, or give the run's own with --split-file RUN/split.json.`,
  );
}
