import { createHash } from 'node:crypto';
import {
  checkEveryClass,
  countPerClass,
  type Dataset,
  type Division,
  selectClasses,
  splitNames,
} from './datasets/dataset.js';
import { fingerprint } from './datasets/fingerprint.js';
import { type ImageList, subset } from './datasets/image-list.js';
import type { Layout } from './datasets/layouts.js';
import { openDataset } from './datasets/load.js';
import { splitTrain, withTest } from './datasets/split.js';
import { divided, formatSplit, readSplit } from './datasets/split-file.js';
import type { ListingOptions } from './datasets/walk.js';
import { L2TError } from './errors.js';
import { type ImageLists, type ImageSetOptions, type ImageSets, makeImageSets } from './image-sets.js';
import { shown } from './printable.js';
import type { Rules } from './rules.js';
import { hashText } from './run-record.js';
import { didYouMean } from './suggest.js';

export interface DataOptions extends ListingOptions {
  readonly data: string;
  readonly layout?: Layout | undefined;
  readonly splitFile?: string | undefined;
  readonly fold?: number | undefined;
  readonly classes?: string | undefined;
  /** Of a run, which may draw test images; absent: the data set as it lies there. */
  readonly rules?: Rules | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** The data set in a folder, divided as a split file says, of the asked fold and classes only; nothing is decoded. */
export async function loadData(options: DataOptions): Promise<Dataset> {
  const { data, layout, splitFile, fold, classes, rules, onWarning } = options;
  const opened = await openDataset(data, layout, options);
  for (const warning of opened.warnings) onWarning?.(warning);
  const tested = rules?.drawTest ? withTest(opened) : opened;
  const whole = splitFile === undefined ? tested : divided(opened, await readSplit(splitFile, opened));
  const dataset = fold === undefined ? whole : withFold(whole, fold);
  return classes === undefined ? dataset : selectClasses(dataset, classIndices(classes, dataset.classNames));
}

/**
 * SHA-256 of what tells the whole folder from another. With this one unchanged, places in its images are of the same images.
 * @throws L2TError FILE_ACCESS, INVALID_DATA; ABORTED.
 */
export async function folderFingerprint(
  { data, layout }: Pick<DataOptions, 'data' | 'layout'>,
  listing: ListingOptions = {},
): Promise<string> {
  return fingerprint(await openDataset(data, layout, listing), listing.signal);
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
      `--classes: '${shown(given)}' is no class of the data set: it must be a name, or an index from 0 to ${classNames.length - 1}.${didYouMean(given, classNames)}`,
    );
  });
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

/** Which images train and which validate. */
export interface SplitOptions extends DataOptions {
  readonly perClass?: number | undefined;
  readonly validation?: number | undefined;
  readonly seed: number;
  readonly rules: Rules;
}

export type TrainingDataOptions = SplitOptions & Omit<ImageSetOptions, 'folder'>;

export interface TrainingData extends ImageSets {
  readonly classNames: readonly string[];
  readonly division: Division;
  /** The test images are a tenth of each class of the data, which has none of its own. */
  readonly testDrawn: boolean;
  /** SHA-256 of what tells the data from others, and of which images are trained on, validate and test. */
  readonly fingerprint: string;
  readonly splitHash: string;
}

/**
 * A data set for training, its training images split into those trained on and those that validate. Small images are decoded here,
 * once; from 64 pixels on they are decoded as training needs them.
 */
export async function prepareTrainingData(options: TrainingDataOptions): Promise<TrainingData> {
  const dataset = await loadData(options);
  const { lists, division } = divide(dataset, options);
  const hash = createHash('sha256').update(await fingerprint(dataset, options.signal));
  const sets = await makeImageSets(lists, dataset.train as ImageList, { ...options, folder: options.data });
  // The names and sizes of files do not tell everything; what is in memory does.
  for (const name of splitNames) if (sets[name]?.pixels) hash.update(sets[name].pixels);
  return {
    ...{ classNames: dataset.classNames, ...sets, division, testDrawn: dataset.testDrawn === true },
    fingerprint: hash.digest('hex'),
    splitHash: hashText(formatSplit(division)),
  };
}

/** How many images a run with these options trains on; nothing is decoded. Throws as `prepareTrainingData`. */
export async function countTrained(options: SplitOptions): Promise<number> {
  return divide(await loadData(options), options).lists.train.count;
}

/**
 * The images of each set, before anything is decoded, and where they are in the data set's own lists.
 *
 * Throws INVALID_DATA where there are no training images, a class has none, fewer than `perClass` or none beside those that
 * validate or test, or there is but one.
 */
export function divide(
  dataset: Dataset,
  options: Pick<SplitOptions, 'data' | 'perClass' | 'validation' | 'seed' | 'rules'>,
): { lists: ImageLists; division: Division } {
  const { train, validation, test, classNames, division, testDrawn } = dataset;
  const { data } = options;
  if (testDrawn) checkBesideTest(dataset, data);
  if (train === undefined) {
    throw new L2TError('INVALID_DATA', `${data} has no training images: put them into a folder train/.`);
  }
  if (classNames.length < 2) {
    throw new L2TError(
      'INVALID_DATA',
      `${data} has one class, '${shown(classNames[0] as string)}': there is nothing to tell apart.`,
    );
  }
  checkEveryClass(train, classNames, data);
  const lists = division ? { train, validation, test } : split(dataset, train, options);
  if (lists.train.count < 2) {
    throw new L2TError('INVALID_DATA', `${data} has one training image: batch norm needs at least two.`);
  }
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

/** Each class needs an image to train on beside the one that the test takes. */
function checkBesideTest({ train, classNames }: Dataset, data: string): void {
  const few = countPerClass(train?.labels ?? new Int32Array(0), classNames.length).indexOf(0);
  if (few === -1) return;
  throw new L2TError(
    'INVALID_DATA',
    `${data}: class '${shown(classNames[few] as string)}' has too few images: it needs one to train on and one to test on, since the data has no test images. Add images of it, or a folder test/.`,
  );
}

/** Where `validation` says how many images validate, the data set's own do not. */
function split(
  { validation: own, test, classNames, testDrawn }: Dataset,
  train: ImageList,
  {
    data,
    perClass,
    validation,
    seed,
    rules,
  }: Pick<SplitOptions, 'data' | 'perClass' | 'validation' | 'seed' | 'rules'>,
): ImageLists {
  const heldOut = validation ?? (own === undefined ? rules.validation : 0);
  const drawn = splitTrain(train.labels, classNames, { perClass, validation: heldOut, seed, folder: data, testDrawn });
  const held = drawn.validation.length > 0 ? subset(train, drawn.validation) : undefined;
  return { train: subset(train, drawn.train), validation: validation === undefined ? (own ?? held) : held, test };
}

const positions = (list: ImageList | undefined): Int32Array =>
  Int32Array.from({ length: list?.count ?? 0 }, (_, index) => list?.position(index) as number);
