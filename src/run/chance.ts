import { countPerClass } from '../data/dataset.js';
import type { EpochMetrics } from '../native/addon.js';
import { probabilityOfAtLeast } from '../system/statistics.js';

/** A run is looked at once, after this part of its steps, and after so many. */
const [lookAfter, fewestSteps] = [0.1, 50];
/** How likely guessing may be to get as many images right. */
const significance = 0.01;
/** By what part of it the loss must lie below that of guessing. */
const moved = 0.02;

/** How well a network does that knows nothing but how frequent each class is. */
export interface Guessing {
  /** Always the most frequent class, in [0, 1]. */
  readonly accuracy: number;
  /** The entropy of the classes' shares, nats: ln(classes) where they are equal. */
  readonly loss: number;
}

export function guessing(labels: Int32Array, classes: number): Guessing {
  const shares = countPerClass(labels, classes).map((count) => count / labels.length);
  return {
    accuracy: Math.max(...shares),
    loss: -shares.reduce((sum, share) => sum + (share > 0 ? share * Math.log(share) : 0), 0),
  };
}

/** Is an epoch the first that ends after so much of the run that something should have been learned? */
export function isLookedAt(epoch: number, { epochs, steps }: { epochs: number; steps: number }): boolean {
  const due = Math.max(lookAfter * epochs * steps, fewestSteps);
  return (epoch + 1) * steps >= due && epoch * steps < due;
}

/** Does an epoch's training tell nothing of its images but guessing? Neither more right than by chance, nor a lower loss. */
export function isAtChance(
  { trainAccuracy, lossOrg }: Pick<EpochMetrics, 'trainAccuracy' | 'lossOrg'>,
  images: number,
  { accuracy, loss }: Guessing,
): boolean {
  if (lossOrg < (1 - moved) * loss) return false;
  return probabilityOfAtLeast(Math.round(trainAccuracy * images), images, accuracy) > significance;
}
