import { createHash } from 'node:crypto';
import { splitNames } from '../options/datasets.js';
import { hashText } from '../options/run-record.js';
import type { Division } from './dataset.js';
import { type DivideOptions, divide } from './divide.js';
import { fingerprint } from './fingerprint.js';
import type { ImageList } from './image-list.js';
import { type ImageSetOptions, type ImageSets, makeImageSets } from './image-sets.js';
import { loadData } from './load.js';
import { formatSplit } from './split-file.js';

export type TrainingDataOptions = DivideOptions & Omit<ImageSetOptions, 'folder'>;

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
    classNames: dataset.classNames,
    ...sets,
    division,
    testDrawn: dataset.testDrawn === true,
    fingerprint: hash.digest('hex'),
    splitHash: hashText(formatSplit(division)),
  };
}
