import { countPerClass } from '../data/dataset.js';
import type { EpochMetrics } from '../native/addon.js';
import { largest, probabilityOfAtLeast } from '../system/statistics.js';

/** A run is checked once: after this fraction of its steps, but not before this many steps. */
const [lookAfter, fewestSteps] = [0.1, 50];
/** An epoch is above chance if guessing gets as many images right with at most this probability. */
const significance = 0.01;
/** The loss counts as better than guessing if it is lower by more than this fraction. */
const moved = 0.02;

/** The accuracy and loss of a network that knows only how frequent each class is. */
export interface Guessing {
  /** Of always guessing the most frequent class, in [0, 1]. */
  readonly accuracy: number;
  /** The entropy of the classes' shares, nats: ln(classes) where they are equal. */
  readonly loss: number;
}

export function guessing(labels: Int32Array, classes: number): Guessing {
  const shares = countPerClass(labels, classes).map((count) => count / labels.length);
  return {
    accuracy: largest(shares),
    loss: -shares.reduce((sum, share) => sum + (share > 0 ? share * Math.log(share) : 0), 0),
  };
}

/** Is the run checked after this epoch? It is the first epoch that ends after enough steps to learn something. */
export function isLookedAt(epoch: number, { epochs, steps }: { epochs: number; steps: number }): boolean {
  const due = Math.max(lookAfter * epochs * steps, fewestSteps);
  return (epoch + 1) * steps >= due && epoch * steps < due;
}

/** Did an epoch's training do no better than guessing, neither in accuracy nor in loss? */
export function isAtChance(
  { trainAccuracy, losses }: Pick<EpochMetrics, 'trainAccuracy' | 'losses'>,
  images: number,
  { accuracy, loss }: Guessing,
): boolean {
  if (losses.org < (1 - moved) * loss) return false;
  return probabilityOfAtLeast(Math.round(trainAccuracy * images), images, accuracy) > significance;
}
