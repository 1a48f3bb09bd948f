import { createHash } from 'node:crypto';
import { addon, type NativeImages } from './addon.js';
import type { StreamedImages } from './datasets/batch-decoder.js';
import { checkEveryClass, type Dataset, type SplitName, selectClasses, splitNames } from './datasets/dataset.js';
import { fingerprint } from './datasets/fingerprint.js';
import { largeSize, shortSide } from './datasets/fit.js';
import { cached } from './datasets/image-cache.js';
import { type ImageList, subset } from './datasets/image-list.js';
import type { Layout } from './datasets/layouts.js';
import { openDataset } from './datasets/load.js';
import { decodeAll } from './datasets/resident.js';
import { splitTrain, type TrainSplit } from './datasets/split.js';
import { readSplit } from './datasets/split-file.js';
import { L2TError } from './errors.js';
import { didYouMean } from './suggest.js';

export interface DataOptions {
  readonly data: string;
  readonly layout?: Layout | undefined;
  readonly fold?: number | undefined;
  readonly classes?: string | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** The data set in a folder, of the asked fold and classes only; nothing is decoded. */
export async function loadData({ data, layout, fold, classes, onWarning }: DataOptions): Promise<Dataset> {
  const opened = await openDataset(data, layout);
  for (const warning of opened.warnings) onWarning?.(warning);
  const dataset = fold === undefined ? opened : withFold(opened, fold);
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

/** Which images train and which validate. */
export interface SplitOptions extends DataOptions {
  readonly perClass?: number | undefined;
  readonly splitFile?: string | undefined;
  readonly seed: number;
}

export interface TrainingDataOptions extends SplitOptions {
  /** Side of the target's images, pixels. */
  readonly size: number;
  /** Sides of the sources' images. */
  readonly sourceSizes: readonly number[];
  /** Folder of resized images. */
  readonly cache?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

export interface TrainingData {
  readonly classNames: readonly string[];
  readonly train: NativeImages;
  readonly validation: NativeImages | undefined;
  readonly test: NativeImages | undefined;
  /** What lies behind the sets that have no pixels. */
  readonly streamed: Partial<Record<SplitName, StreamedImages>>;
  readonly split: TrainSplit;
  /** SHA-256 of what tells the data from others, and of which images are trained on and which validate. */
  readonly fingerprint: string;
  readonly splitHash: string;
}

/**
 * A data set for training, its training images split into those trained on and those that validate. Small images are decoded here,
 * once; from 64 pixels on they are decoded as training needs them.
 */
export async function prepareTrainingData(options: TrainingDataOptions): Promise<TrainingData> {
  const dataset = await loadData(options);
  const { lists, split } = await divide(dataset, options);
  const known = await fingerprint(dataset);
  const sizes = { train: await trainingSide(lists.train, options), validation: options.size, test: options.size };
  const { sets, streamed } = await decodeSmall(lists, sizes, options);
  const { train, validation, test } = sets;
  const hash = createHash('sha256').update(known);
  // The names and sizes of files do not tell everything; what is in memory does.
  for (const set of [train, validation, test]) if (set?.pixels) hash.update(set.pixels);
  return {
    ...{ classNames: dataset.classNames, train, validation, test, streamed, split },
    fingerprint: hash.digest('hex'),
    splitHash: createHash('sha256')
      .update(JSON.stringify([[...split.train], [...split.validation]]))
      .digest('hex'),
  };
}

/** How many images a run with these options trains on; nothing is decoded. Throws as `prepareTrainingData`. */
export async function countTrained(options: SplitOptions): Promise<number> {
  const { lists } = await divide(await loadData(options), options);
  return lists.train.count;
}

/** One of the published parts of the training images (STL-10) in place of all. */
function withFold(dataset: Dataset, fold: number): Dataset {
  const { folder, folds, train } = dataset;
  const positions = folds[fold];
  if (positions === undefined || train === undefined) {
    const has = folds.length === 0 ? 'no folds' : `folds 0 to ${folds.length - 1}`;
    throw new L2TError(
      'INVALID_OPTION',
      `--fold ${fold}: ${folder} has ${has} (STL-10's are known, where fold_indices.txt is there).`,
    );
  }
  return { ...dataset, train: subset(train, positions), folds: [] };
}

type Lists = { readonly [name in SplitName]: ImageList | undefined } & { readonly train: ImageList };

/** The images of each set, before anything is decoded. */
async function divide(dataset: Dataset, options: SplitOptions): Promise<{ lists: Lists; split: TrainSplit }> {
  const { train, validation, test, classNames } = dataset;
  const { data, splitFile, perClass, seed } = options;
  if (train === undefined) {
    throw new L2TError('INVALID_DATA', `${data} has no training images: put them into a folder train/.`);
  }
  checkEveryClass(train, classNames, data);
  const published = splitFile === undefined ? undefined : await readSplit(splitFile, dataset);
  const split =
    published ??
    splitTrain(train.labels, classNames, { perClass, seed, hasValidation: validation !== undefined, folder: data });
  if (split.train.length < 2) {
    throw new L2TError('INVALID_DATA', `${data} has one training image: batch norm needs at least two.`);
  }
  const heldOut = split.validation.length > 0 ? subset(train, split.validation) : undefined;
  const lists = {
    train: subset(train, split.train),
    validation: published ? heldOut : (validation ?? heldOut),
    test: published?.test && test ? subset(test, published.test) : test,
  };
  return { lists, split };
}

/** Images are kept no larger than they are, no smaller than the target wants them, and for a larger source as it wants them. */
async function trainingSide(train: ImageList, { size, sourceSizes }: TrainingDataOptions): Promise<number> {
  const wanted = Math.max(size, ...sourceSizes);
  if (wanted === size) return size;
  const [height, width] = train.sides ?? (await sidesOfFirst(train));
  return Math.min(wanted, Math.max(size, Math.min(height, width)));
}

async function sidesOfFirst(train: ImageList): Promise<[number, number]> {
  const { height, width } = await train.read(0);
  return [height, width];
}

/** Decodes the sets of small images; the others are streamed. */
async function decodeSmall(lists: Lists, sizes: Readonly<Record<SplitName, number>>, options: TrainingDataOptions) {
  const { resize } = addon();
  const { data, size, cache } = options;
  const present = splitNames.flatMap((name) => {
    const list = lists[name];
    return list === undefined ? [] : [{ name, list, size: sizes[name] }];
  });
  const small = present.filter((set) => set.size < largeSize);
  const decoded = await decodeAll(small, data, { ...options, resize });
  const pixels = new Map(small.map(({ name }, k) => [name, decoded[k]]));
  const streamed: Partial<Record<SplitName, StreamedImages>> = {};
  for (const { name, list, size: side } of present) {
    if (side < largeSize) continue;
    const kept = cache === undefined ? list : cached(list, cache, shortSide(side), resize);
    streamed[name] = { list: kept, size: side, squash: size < largeSize };
  }
  const set = (name: SplitName): NativeImages | undefined => {
    const list = lists[name];
    return list && { pixels: pixels.get(name), labels: list.labels, size: sizes[name] };
  };
  return { sets: { train: set('train') as NativeImages, validation: set('validation'), test: set('test') }, streamed };
}
