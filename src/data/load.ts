import { didYouMean } from '../options/suggest.js';
import { invalidOption } from '../system/failures.js';
import { shown } from '../system/printable.js';
import { type Dataset, selectClasses } from './dataset.js';
import { fingerprint } from './fingerprint.js';
import { subset } from './image-list.js';
import type { DataKind } from './layout-reader.js';
import { openDataset } from './open.js';
import { withTest } from './split.js';
import { divided, readSplit } from './split-file.js';
import type { ListingOptions } from './walk.js';

export interface DataOptions extends DataKind, ListingOptions {
  readonly data: string;
  readonly splitFile?: string | undefined;
  readonly fold?: number | undefined;
  readonly classes?: string | undefined;
  /** True for runs: of data without test images, a tenth of each class becomes the test images. */
  readonly drawTest?: boolean | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * Lists the data set in a folder, divided by the split file and reduced to the given fold and classes. Decodes nothing.
 */
export async function loadData(options: DataOptions): Promise<Dataset> {
  const { data, splitFile, fold, classes, drawTest, onWarning } = options;
  const opened = await openDataset(data, options);
  for (const warning of opened.warnings) onWarning?.(warning);
  const tested = drawTest ? withTest(opened) : opened;
  const whole = splitFile === undefined ? tested : divided(opened, await readSplit(splitFile, opened));
  const dataset = fold === undefined ? whole : withFold(whole, fold);
  return classes === undefined ? dataset : selectClasses(dataset, classIndices(classes, dataset.classNames));
}

/**
 * SHA-256 that identifies the whole folder. If it is unchanged, indices into the folder's images mean the same images.
 * @throws L2TError FILE_ACCESS, INVALID_DATA; ABORTED.
 */
export async function folderFingerprint(
  { data, ...kind }: DataKind & Pick<DataOptions, 'data'>,
  listing: ListingOptions = {},
): Promise<string> {
  return fingerprint(await openDataset(data, { ...kind, ...listing }), listing.signal);
}

/** `classes`: names or indices, separated by commas. A name has precedence over an index: a class may be called `7`. */
function classIndices(classes: string, classNames: readonly string[]): number[] {
  return classes.split(',').map((item) => {
    const given = item.trim();
    const named = classNames.indexOf(given);
    if (named !== -1) return named;
    if (/^\d{1,9}$/.test(given) && Number(given) < classNames.length) return Number(given);
    throw invalidOption(
      `{classes}: '${shown(given)}' is no class of the data set: it must be a name, or an index from 0 to ${classNames.length - 1}.${didYouMean(given, classNames)}`,
    );
  });
}

/** The data set with only one published fold of its training images (STL-10). */
function withFold(dataset: Dataset, fold: number): Dataset {
  const { folder, folds, train } = dataset;
  const positions = folds[fold];
  if (positions === undefined || train === undefined) {
    const has = folds.length === 0 ? 'no folds' : `folds 0 to ${folds.length - 1}`;
    throw invalidOption(`{fold=${fold}}: ${folder} has ${has} (STL-10's are known, where fold_indices.txt is there).`);
  }
  return { ...dataset, train: subset(train, positions), folds: [] };
}
