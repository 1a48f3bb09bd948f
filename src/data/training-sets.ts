import { createHash, hash } from 'node:crypto';
import { splitNames } from '../options/datasets.js';
import { type SkippedImage, withoutSkipped } from './damaged.js';
import { type DivideOptions, divide } from './divide.js';
import { fingerprint } from './fingerprint.js';
import { type ImageSetOptions, makeImageSets } from './image-sets.js';
import { loadData } from './load.js';
import { formatSplit } from './split-file.js';

export type TrainingDataOptions = DivideOptions &
  Omit<ImageSetOptions, 'folder' | 'check'> & {
    /** Of a resume: the damaged images that the run left out when it began. Nothing is then looked for. */
    readonly skipped?: readonly SkippedImage[] | undefined;
  };

export type TrainingData = Awaited<ReturnType<typeof prepareTrainingData>>;

/** Node hashes fewer than 2 GiB in one call. */
const mostHashed = 2 ** 30;

/**
 * Loads a data set for training and splits its training images into those that train and those that validate. Small
 * images are decoded here, once; images from 64 pixels on are decoded when training needs them.
 */
export async function prepareTrainingData(options: TrainingDataOptions) {
  const dataset = await loadData({ ...options, drawTest: true });
  const { data: folder, skipped: known } = options;
  const { lists, division } = divide(dataset, options);
  const left = withoutSkipped(lists, known ?? [], { ...dataset, folder });
  const images = createHash('sha256').update(await fingerprint(dataset, options.signal));
  const check = known === undefined;
  const skipDamaged = check && options.skipDamaged;
  const { skipped, ...sets } = await makeImageSets(left, dataset, { ...options, folder, check, skipDamaged });
  // File names and sizes do not detect every change, so the decoded pixels are hashed as well, where there are any.
  for (const name of splitNames) {
    const pixels = sets[name]?.pixels ?? new Uint8Array();
    for (let at = 0; at < pixels.length; at += mostHashed) images.update(pixels.subarray(at, at + mostHashed));
  }
  return {
    classNames: dataset.classNames,
    ...sets,
    division,
    skipped: known ?? skipped,
    /** True if the data has no test images, so that a tenth of each class was drawn for the test. */
    testDrawn: dataset.testDrawn === true,
    /** SHA-256 that identifies the data. */
    fingerprint: images.digest('hex'),
    /** SHA-256 of the division: which images train, validate and test. */
    splitHash: hash('sha256', formatSplit(division)),
  };
}
