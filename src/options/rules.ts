import { type MethodName, methodNeeds } from './methods.js';

/** What holds where no option says: how a run's images are divided, which epoch gives its result, its learning rate, batch and pairs. */
export interface Rules {
  /** Where the data has no test images: is a tenth of each class kept for the test (`withTest` in datasets/split.ts)? */
  readonly drawTest: boolean;
  /** The fraction of each class's training images that validates where the data has no validation images of its own. */
  readonly validation: number;
  /** With this many validation images or more, the result is the best validated epoch; with fewer it is the last. */
  readonly enoughToSelect: number;
  readonly lr: number | 'auto';
  /** An epoch has as many steps, if need be of smaller batches (`defaultBatch` in networks.ts). */
  readonly fewestSteps: number;
  /** Of methods that match others than `methodNeeds` says. */
  readonly pairs: { readonly [method in MethodName]?: string };
}

/**
 * By the format of a run folder: a run goes on by the rules that it began with.
 *
 * Why 400: the standard error of an accuracy is then at most √(0.25 / 400) = 2.5 points, and every validation set of the
 * paper's full data sets has that many. With fewer images, the best of many epochs is mostly the luckiest.
 */
export const rules = {
  1: { drawTest: false, validation: 0.1, enoughToSelect: 1, lr: 0.1, fewestSteps: 1, pairs: { fm: 'one-to-one' } },
  2: { drawTest: true, validation: 0, enoughToSelect: 400, lr: 'auto', fewestSteps: 16, pairs: {} },
} as const satisfies Record<number, Rules>;

export type RunFormat = keyof typeof rules;

/** The format of new run folders. */
export const currentFormat: RunFormat = 2;

/** Which features a method matches where no option says; undefined where it matches none. */
export const defaultPairs = (method: MethodName, { pairs }: Rules): string | undefined =>
  pairs[method] ?? methodNeeds[method].pairs;
