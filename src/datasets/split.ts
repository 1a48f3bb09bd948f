import { L2TError } from '../errors.js';
import { type Dataset, type SplitName, splitNames } from './dataset.js';
import type { ImageList } from './image-list.js';
import { Random } from './random.js';

export interface SplitOptions {
  readonly seed: number;
  /** N: draw this many training images a class. Absent: all of them. */
  readonly perClass?: number | undefined;
  /** The data set brings its own validation images: nothing is held out. */
  readonly hasValidation: boolean;
  /** Errors name it. */
  readonly folder: string;
}

/** Positions in the data set's training images. */
export interface TrainSplit {
  readonly train: Int32Array;
  readonly validation: Int32Array;
}

/**
 * Which training images are trained on and which are held out for model selection: ascending indices, disjoint.
 *
 * Of a class with n images, floor(n/10) are held out; with `perClass` N, N are drawn first and floor(N/10) of those
 * are held out. Where the data set has validation images of its own, those are the validation set, nothing is held
 * out and `perClass` draws N to train on. `validation` may be empty. Each class is shuffled once, whatever N is, so
 * the N drawn images are among the N + 1 drawn with the same seed.
 *
 * Throws INVALID_DATA where a class has no images or fewer than N, INVALID_OPTION for an N that is no count.
 */
export function splitTrain(
  labels: Int32Array,
  classNames: readonly string[],
  { seed, perClass, hasValidation, folder }: SplitOptions,
): TrainSplit {
  if (perClass !== undefined && (!Number.isSafeInteger(perClass) || perClass < 1)) {
    throw new L2TError('INVALID_OPTION', `Images per class must be a whole number of at least 1, not ${perClass}.`);
  }
  const members = classNames.map((): number[] => []);
  labels.forEach((label, image) => {
    members[label]?.push(image);
  });
  const random = new Random(seed);
  const train: number[][] = [];
  const validation: number[][] = [];
  members.forEach((images, index) => {
    const wanted = perClass ?? images.length;
    if (images.length < Math.max(wanted, 1)) {
      throw new L2TError(
        'INVALID_DATA',
        `${folder}: class '${classNames[index]}' has ${images.length} training images, fewer than the ${Math.max(wanted, 1)} asked for.`,
      );
    }
    random.shuffle(images);
    const heldOut = hasValidation ? 0 : Math.floor(wanted / 10);
    validation.push(images.slice(0, heldOut));
    train.push(images.slice(heldOut, wanted));
  });
  return { train: Int32Array.from(train.flat()).sort(), validation: Int32Array.from(validation.flat()).sort() };
}

/**
 * The images to evaluate on: the asked split, by default `test`, or the folder itself where it is flat.
 * Throws INVALID_DATA where the data set has no such split.
 */
export function evaluationSplit(dataset: Dataset, split?: SplitName): ImageList {
  const name = split ?? (dataset.flat ? 'train' : 'test');
  const list = dataset[name];
  if (list !== undefined) return list;
  const present = splitNames.filter((other) => dataset[other] !== undefined);
  throw new L2TError(
    'INVALID_DATA',
    `${dataset.folder} has no ${name} images; it has ${present.join(' and ')}. Choose one with --split, or give the run's own with --split-file RUN/split.json.`,
  );
}
