import { L2TError } from '../errors.js';

/** The layouts that are understood. */
export const layouts = ['folder', 'cifar10', 'cifar100', 'idx'] as const;
export type Layout = (typeof layouts)[number];

const understood = `Understood are:
  - folder: a folder per class, FOLDER/train/CLASS/*.png with any of train, val and test, or FOLDER/CLASS/*.png (PNG, JPEG, WebP);
  - cifar10, cifar100: the binary version (data_batch_1.bin … and test_batch.bin, or train.bin and test.bin);
  - idx: MNIST's format (train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-…, plain or .gz).`;

/** INVALID_DATA for a folder that cannot be read as a data set: what it is, or holds, and what would be understood. */
export function unknownLayout(folder: string, problem: string): L2TError {
  return new L2TError('INVALID_DATA', `${folder} ${problem}. ${understood}`);
}

/** A few names for an error message. */
export function nameSome(names: readonly string[]): string {
  if (names.length === 0) return 'nothing';
  return names.slice(0, 8).join(', ') + (names.length > 8 ? ` and ${names.length - 8} more` : '');
}
