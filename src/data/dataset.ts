import { L2TError } from '../errors.js';
import type { Layout } from '../options/datasets.js';
import { shown } from '../system/printable.js';
import { type ImageList, subset } from './image-list.js';

/** A data set as found on disk: what every layout becomes. A split is undefined where the folder has none. */
export interface Dataset {
  readonly layout: Layout;
  /** The folder as it was given; errors name it. */
  readonly folder: string;
  /** A folder of class folders without train or test: all of it is `train`, and all of it is what `eval` evaluates. */
  readonly flat: boolean;
  readonly train: ImageList | undefined;
  readonly validation: ImageList | undefined;
  readonly test: ImageList | undefined;
  readonly classNames: readonly string[];
  /** Training images of each published fold, by index; empty where the data set has none. */
  readonly folds: readonly Int32Array[];
  /** Sentences about what was passed over, for stderr. */
  readonly warnings: readonly string[];
  /** A split file divided it (split-file.ts): what it leaves out is in no set. */
  readonly division?: Division;
  /** `test` was drawn from the training images (`withTest`). */
  readonly testDrawn?: true;
}

/** What a split file says: places in the data set's own lists. `validation` may be empty. */
export interface Division {
  /** Of the training images. */
  readonly train: Int32Array;
  /** Of the training images. */
  readonly validation: Int32Array;
  /** Of the test images; of the training images where the data set has no test images. Undefined: all test images. */
  readonly test: Int32Array | undefined;
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

/** Throws INVALID_DATA where a class has no training image. */
export function checkEveryClass(train: ImageList, classNames: readonly string[], folder: string): void {
  const empty = countPerClass(train.labels, classNames.length).indexOf(0);
  if (empty === -1) return;
  throw new L2TError(
    'INVALID_DATA',
    `${folder}: class '${shown(classNames[empty] as string)}' has no training images.`,
  );
}

/**
 * The images of some classes only, relabelled: class `classIndices[k]` becomes class k, in every split; images keep
 * their order. A split in which nothing is left is undefined.
 *
 * Throws INVALID_OPTION where a class is given twice or does not exist.
 */
export function selectClasses(dataset: Dataset, classIndices: readonly number[]): Dataset {
  const relabel = new Map(classIndices.map((index, position) => [index, position]));
  const classNames = classIndices.map((index, position) => {
    const name = dataset.classNames[index];
    if (name === undefined) {
      const last = dataset.classNames.length - 1;
      throw new L2TError(
        'INVALID_OPTION',
        `--classes: there is no class ${index}: they are counted from 0 to ${last}.`,
      );
    }
    if (relabel.get(index) === position) return name;
    throw new L2TError('INVALID_OPTION', `--classes: '${shown(name)}' is given twice: leave one out.`);
  });
  const select = (list: ImageList | undefined): ImageList | undefined => {
    if (list === undefined) return undefined;
    const kept = [...list.labels.keys()].filter((image) => relabel.has(list.labels[image] as number));
    const labels = Int32Array.from(kept, (image) => relabel.get(list.labels[image] as number) as number);
    return kept.length > 0 ? subset(list, kept, labels) : undefined;
  };
  const train = select(dataset.train);
  return {
    ...dataset,
    classNames,
    train,
    validation: select(dataset.validation),
    test: select(dataset.test),
    // Folds count the images of the whole training set.
    folds: [],
  };
}
