import { constants } from 'node:buffer';
import { L2TError } from '../errors.js';
import type { Layout } from './layouts.js';

/**
 * Labelled images of one size, all resident: what every data set layout becomes.
 * `pixels` is uint8, count × size × size × 3 (row-major, channels last, RGB).
 */
export interface ImageSet {
  readonly size: number;
  readonly count: number;
  readonly pixels: Uint8Array;
  /** One class index per image, in [0, classNames.length). */
  readonly labels: Int32Array;
  readonly classNames: readonly string[];
}

export const splitNames = ['train', 'validation', 'test'] as const;
export type SplitName = (typeof splitNames)[number];

/** A data set as found on disk: a split is undefined where the folder has none. */
export interface Dataset {
  readonly layout: Layout;
  /** The folder as it was given; errors name it. */
  readonly folder: string;
  /** A folder of class folders without train or test: all of it is `train`, and all of it is what `eval` evaluates. */
  readonly flat: boolean;
  readonly train: ImageSet | undefined;
  readonly validation: ImageSet | undefined;
  readonly test: ImageSet | undefined;
  readonly classNames: readonly string[];
  /** Sentences about what was passed over, for stderr. */
  readonly warnings: readonly string[];
}

/** Zeroed room for `count` images. Throws INVALID_DATA where that is more than one array or the memory holds. */
export function allocatePixels(count: number, size: number, folder: string): Uint8Array {
  const bytes = count * size * size * 3;
  try {
    // The addon takes one array; V8 caps its length well before the address space does.
    if (bytes <= constants.MAX_LENGTH) return new Uint8Array(bytes);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
  }
  const gigabytes = (bytes / 2 ** 30).toFixed(1);
  throw new L2TError(
    'INVALID_DATA',
    `${folder}: ${count} images of ${size}×${size} take ${gigabytes} GiB, more than can be held at once. Use fewer images or a smaller --size.`,
  );
}

/** Throws INVALID_DATA where a label is no class, naming the file and the image. */
export function checkLabel(label: number, classes: number, file: string, image: number): void {
  if (label >= 0 && label < classes) return;
  throw new L2TError('INVALID_DATA', `${file}: image ${image} has label ${label}, but there are ${classes} classes.`);
}

/** Images per class. */
export function countPerClass(labels: Int32Array, classes: number): number[] {
  const counts = new Array<number>(classes).fill(0);
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
  return counts;
}

/** Throws INVALID_DATA where a class of the training set has no image. */
export function checkEveryClass(set: ImageSet, folder: string): void {
  const empty = countPerClass(set.labels, set.classNames.length).indexOf(0);
  if (empty === -1) return;
  throw new L2TError('INVALID_DATA', `${folder}: class '${set.classNames[empty]}' has no training images.`);
}

/**
 * The images of some classes only, relabelled: class `classIndices[k]` becomes class k, in every split; images keep
 * their order. A split in which nothing is left is undefined.
 */
export function selectClasses(dataset: Dataset, classIndices: readonly number[]): Dataset {
  const relabel = new Map(classIndices.map((index, position) => [index, position]));
  const classNames = classIndices.map((index) => {
    const name = dataset.classNames[index];
    if (name !== undefined && relabel.size === classIndices.length) return name;
    throw new L2TError(
      'INVALID_OPTION',
      `Classes ${classIndices.join(', ')}: each must be given once, from 0 to ${dataset.classNames.length - 1}.`,
    );
  });
  const select = (set: ImageSet | undefined) => set && selectFrom(set, relabel, classNames);
  return {
    ...dataset,
    classNames,
    train: select(dataset.train),
    validation: select(dataset.validation),
    test: select(dataset.test),
  };
}

function selectFrom(
  set: ImageSet,
  relabel: ReadonlyMap<number, number>,
  classNames: readonly string[],
): ImageSet | undefined {
  const kept: number[] = [];
  set.labels.forEach((label, image) => {
    if (relabel.has(label)) kept.push(image);
  });
  if (kept.length === 0) return undefined;
  const stride = set.size * set.size * 3;
  const pixels = new Uint8Array(kept.length * stride);
  const labels = new Int32Array(kept.length);
  kept.forEach((image, position) => {
    pixels.set(set.pixels.subarray(image * stride, (image + 1) * stride), position * stride);
    labels[position] = relabel.get(set.labels[image] as number) as number;
  });
  return { size: set.size, count: kept.length, pixels, labels, classNames };
}
