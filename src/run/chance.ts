import { countPerClass } from '../data/dataset.js';
import type { EpochMetrics } from '../native/addon.js';
import type { RunSpec } from '../options/spec.js';
import { largest, probabilityOfAtLeast, sum } from '../system/statistics.js';

/** A run is checked once: after this fraction of its steps, but not before this many steps. */
const [checkAfter, minSteps] = [0.1, 50];
/** An epoch is above chance if guessing gets as many images right with at most this probability. */
const significance = 0.01;
/** The loss counts as better than guessing if it is lower by more than this fraction. */
const lossMargin = 0.02;

/** Options that change the training loss: `balance` counts classes alike, `labelSmoothing` adds a share of each. */
type Counting = Partial<Pick<RunSpec, 'balance' | 'labelSmoothing'>>;

/** The accuracy and loss of a network that knows only how frequent each class is. */
export function guessing(labels: Int32Array, classes: number, { balance, labelSmoothing = 0 }: Counting = {}) {
  const counts = countPerClass(labels, classes);
  const present = counts.filter((count) => count > 0).length;
  const shares = counts.map((count) => (balance ? Number(count > 0) / present : count / labels.length));
  const smooth = shares.map((share) => (1 - labelSmoothing) * share + labelSmoothing / classes);
  return {
    /**
     * Accuracy of always guessing the most frequent class, in [0, 1]; undefined with `balance`, which gives that up.
     */
    accuracy: balance ? undefined : largest(shares),
    /** The entropy of the classes' shares, nats: ln(classes) where they are equal. */
    loss: -sum(smooth.map((share) => (share > 0 ? share * Math.log(share) : 0))),
  };
}

/** Returns whether the run is checked after this epoch: the first that ends after enough steps to learn something. */
export function isLookedAt(epoch: number, { epochs, steps }: { epochs: number; steps: number }): boolean {
  const due = Math.max(checkAfter * epochs * steps, minSteps);
  return (epoch + 1) * steps >= due && epoch * steps < due;
}

/** Checks whether an epoch's training did no better than guessing, neither in accuracy nor in loss. */
export function isAtChance(
  { trainAccuracy, losses }: Pick<EpochMetrics, 'trainAccuracy' | 'losses'>,
  images: number,
  { accuracy, loss }: ReturnType<typeof guessing>,
): boolean {
  if (losses.org < (1 - lossMargin) * loss) return false;
  if (accuracy === undefined) return true;
  return probabilityOfAtLeast(Math.round(trainAccuracy * images), images, accuracy) > significance;
}
