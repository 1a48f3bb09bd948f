import { type MethodName, methodOf } from './methods.js';

/**
 * Defaults that depend on a run folder's format: division of the images, choice of epoch, learning rate, batch, pairs.
 */
export interface Rules {
  /** If the data has no test images, is a tenth of each class kept for the test (`withTest` in data/split.ts)? */
  readonly drawTest: boolean;
  /** The fraction of each class's training images held out for validation, if the data has no validation images. */
  readonly validation: number;
  /**
   * With at least this many validation images, the result is the epoch with the best accuracy on them; else the last.
   */
  readonly enoughToSelect: number;
  readonly lr: number | 'auto';
  /** The default batch is made smaller until an epoch has this many steps (`defaultBatch` in networks.ts). */
  readonly fewestSteps: number;
  /** Default pairs that differ from those of methods.ts. */
  readonly pairs: { readonly [method in MethodName]?: string };
}

/**
 * The rules of each format of a run folder. A resumed run keeps the rules that it began with.
 *
 * Why 400: the standard error of an accuracy is then at most √(0.25 / 400) = 2.5 percentage points, and every
 * validation set of the paper's full data sets has that many images. With fewer images, the best of many epochs is
 * mostly luck.
 */
export const rules = {
  1: { drawTest: false, validation: 0.1, enoughToSelect: 1, lr: 0.1, fewestSteps: 1, pairs: { fm: 'one-to-one' } },
  2: { drawTest: true, validation: 0, enoughToSelect: 400, lr: 'auto', fewestSteps: 16, pairs: {} },
} as const satisfies Record<number, Rules>;

export type RunFormat = keyof typeof rules;

/** The format of new run folders. */
export const currentFormat: RunFormat = 2;

/** A method's default pairs; undefined if it matches no features. */
export const defaultPairs = (method: MethodName, { pairs }: Rules): string | undefined =>
  pairs[method] ?? methodOf(method).pairs;

/** K of the top-K accuracy. It is measured where there are more classes. */
export const defaultTop = 5;
