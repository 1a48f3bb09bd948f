import { createHash } from 'node:crypto';
import { type Dataset, splitNames } from './image-set.js';

/**
 * SHA-256 (hex) of everything a run can see of a data set: class names, image size, and each split's labels and
 * pixels. Neither the folder's place nor its layout counts, so data may be moved between a run and its resume.
 */
export function fingerprint(dataset: Dataset): string {
  const hash = createHash('sha256');
  const splits = splitNames.map((name) => dataset[name]);
  // The lengths come first, so that no two data sets give the same stream of bytes.
  const shape = splits.map((set) => set && [set.count, set.size]);
  hash.update(JSON.stringify([dataset.classNames, shape]));
  for (const set of splits) {
    if (set === undefined) continue;
    hash.update(new Uint8Array(set.labels.buffer, set.labels.byteOffset, set.labels.byteLength));
    hash.update(set.pixels);
  }
  return hash.digest('hex');
}
