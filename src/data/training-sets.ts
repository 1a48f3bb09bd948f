import { createHash, hash } from 'node:crypto';
import { splitNames } from '../options/datasets.js';
import { type DivideOptions, divide } from './divide.js';
import { fingerprint } from './fingerprint.js';
import type { ImageList } from './image-list.js';
import { type ImageSetOptions, makeImageSets } from './image-sets.js';
import { loadData } from './load.js';
import { formatSplit } from './split-file.js';

export type TrainingDataOptions = DivideOptions & Omit<ImageSetOptions, 'folder'>;

export type TrainingData = Awaited<ReturnType<typeof prepareTrainingData>>;

/** Node hashes fewer than 2 GiB in one call. */
const mostHashed = 2 ** 30;

/**
 * Loads a data set for training and splits its training images into those that train and those that validate. Small
 * images are decoded here, once; images from 64 pixels on are decoded when training needs them.
 */
export async function prepareTrainingData(options: TrainingDataOptions) {
  const dataset = await loadData({ ...options, drawTest: true });
  const { lists, division } = divide(dataset, options);
  const images = createHash('sha256').update(await fingerprint(dataset, options.signal));
  const sets = await makeImageSets(lists, dataset.train as ImageList, { ...options, folder: options.data });
  // File names and sizes do not detect every change, so the decoded pixels are hashed as well, where there are any.
  for (const name of splitNames) {
    const pixels = sets[name]?.pixels ?? new Uint8Array();
    for (let at = 0; at < pixels.length; at += mostHashed) images.update(pixels.subarray(at, at + mostHashed));
  }
  return {
    classNames: dataset.classNames,
    ...sets,
    division,
    /** True if the data has no test images, so that a tenth of each class was drawn for the test. */
    testDrawn: dataset.testDrawn === true,
    /** SHA-256 that identifies the data. */
    fingerprint: images.digest('hex'),
    /** SHA-256 of the division: which images train, validate and test. */
    splitHash: hash('sha256', formatSplit(division)),
  };
}
