import { createHash } from 'node:crypto';
import { splitNames } from '../options/datasets.js';
import { throwIfAborted } from '../system/abort.js';
import type { Dataset } from './dataset.js';

/** Files whose sizes are read at once. */
const together = 256;

/**
 * SHA-256 (hex) that identifies a data set: of its class names, and of each split's labels and images (pixels of an
 * array, names and sizes of files). The folder's path and its layout are not part of it, so data may be moved between a
 * run and its resume.
 *
 * Throws FILE_ACCESS; ABORTED if `signal` fires.
 */
export async function fingerprint(dataset: Dataset, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  const lists = splitNames.map((name) => dataset[name]);
  // The lengths come first, so that different data sets cannot give the same stream of bytes.
  hash.update(JSON.stringify([dataset.classNames, lists.map((list) => list && [list.count, list.sides])]));
  for (const list of lists) {
    if (list === undefined) continue;
    hash.update(new Uint8Array(list.labels.buffer, list.labels.byteOffset, list.labels.byteLength));
    for (let start = 0; start < list.count; start += together) {
      const identities = Array.from({ length: Math.min(together, list.count - start) }, (_, k) =>
        list.identity(start + k),
      );
      for (const identity of await Promise.all(identities)) hash.update(identity);
      throwIfAborted(`Loading ${dataset.folder}`, signal);
      await new Promise(setImmediate);
    }
  }
  return hash.digest('hex');
}
