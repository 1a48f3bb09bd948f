import { createHash } from 'node:crypto';
import { addon, type NativeImages } from './addon.js';
import { fingerprint } from './datasets/fingerprint.js';
import { checkEveryClass, type Dataset, type ImageSet, selectClasses } from './datasets/image-set.js';
import { loadDataset } from './datasets/load.js';
import { splitTrain } from './datasets/split.js';
import { L2TError } from './errors.js';
import { didYouMean } from './suggest.js';

export interface DataOptions {
  readonly data: string;
  readonly classes?: string | undefined;
  readonly size: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** The data set in a folder, of the asked classes only. */
export async function loadData({ data, classes, size, signal, onProgress, onWarning }: DataOptions): Promise<Dataset> {
  const dataset = await loadDataset(data, { size, resize: addon().resize, signal, onProgress });
  for (const warning of dataset.warnings) onWarning?.(warning);
  return classes === undefined ? dataset : selectClasses(dataset, classIndices(classes, dataset.classNames));
}

/** `classes`: names or indices, separated by commas; names go first, since a class may be called `7`. */
function classIndices(classes: string, classNames: readonly string[]): number[] {
  return classes.split(',').map((item) => {
    const given = item.trim();
    const named = classNames.indexOf(given);
    if (named !== -1) return named;
    if (/^\d{1,9}$/.test(given) && Number(given) < classNames.length) return Number(given);
    throw new L2TError(
      'INVALID_OPTION',
      `--classes: '${given}' is no class of the data set: it must be a name, or an index from 0 to ${classNames.length - 1}.${didYouMean(given, classNames)}`,
    );
  });
}

export interface TrainingData {
  readonly classNames: readonly string[];
  readonly train: NativeImages;
  readonly validation: NativeImages | undefined;
  readonly test: NativeImages | undefined;
  /** SHA-256 of the images and labels, and of which of them are trained on and which validate. */
  readonly fingerprint: string;
  readonly splitHash: string;
}

/** A data set for training: its images, with the training images split into those trained on and those that validate. */
export async function prepareTrainingData(
  options: DataOptions & { readonly perClass?: number | undefined; readonly seed: number },
): Promise<TrainingData> {
  const dataset = await loadData(options);
  const { train } = dataset;
  if (train === undefined) {
    throw new L2TError('INVALID_DATA', `${options.data} has no training images: put them into a folder train/.`);
  }
  checkEveryClass(train, options.data);
  const { perClass, seed } = options;
  const hasValidation = dataset.validation !== undefined;
  const split = { perClass, seed, hasValidation, folder: options.data };
  const indices = splitTrain(train.labels, dataset.classNames, split);
  if (indices.train.length < 2) {
    throw new L2TError('INVALID_DATA', `${options.data} has one training image: batch norm needs at least two.`);
  }
  return {
    classNames: dataset.classNames,
    train: toNative(train, indices.train),
    validation: dataset.validation ? allOf(dataset.validation) : toNativeUnlessEmpty(train, indices.validation),
    test: dataset.test && allOf(dataset.test),
    fingerprint: fingerprint(dataset),
    splitHash: createHash('sha256')
      .update(JSON.stringify([[...indices.train], [...indices.validation]]))
      .digest('hex'),
  };
}

export function allOf(set: ImageSet): NativeImages {
  return toNative(
    set,
    Int32Array.from({ length: set.count }, (_, i) => i),
  );
}

function toNative({ pixels, labels, size }: ImageSet, indices: Int32Array): NativeImages {
  return { pixels, labels, size, indices };
}

function toNativeUnlessEmpty(set: ImageSet, indices: Int32Array): NativeImages | undefined {
  return indices.length > 0 ? toNative(set, indices) : undefined;
}
