import { L2TError } from '../errors.js';
import { type MethodName, methodNeeds } from '../options/methods.js';
import type { FoundRate, RateTrial } from '../report/run-files.js';
import { mean } from '../system/statistics.js';

/** How many steps a search takes at most. */
const steps = 40;

/** The rates that are tried, from the lowest to the highest, each by the same factor above the one before. */
const [lowest, highest] = [1e-4, 1];
export const triedRates: readonly number[] = Array.from(
  { length: steps },
  (_, k) => lowest * (highest / lowest) ** (k / (steps - 1)),
);

/** The steps at the lowest rates, where nothing moves: their mean is where the loss began. */
const beginning = 5;

/**
 * The loss is lost once the mean of as many steps as are `averaged` lies by this part of ln(classes), the loss of guessing, above
 * where it began: batches of a few images differ by less.
 */
const [averaged, lostAbove] = [3, 0.15];

/**
 * The rate at which the loss was lost is divided by this, and never more is taken than the paper's rate. Matching the source's
 * feature maps steadies the target: it bears more, and gains by it.
 */
const margin = { matching: 2.5, other: 4 } as const;
const paperRate = 0.1;
const warmUp = 0.1;

/**
 * A learning rate range test (Smith, arXiv 1506.01186), one step a rate. The rate that is taken lies below the first at
 * which the loss was lost.
 */
export class RateSearch {
  readonly tried: RateTrial[] = [];

  /** `classes`: of the data. */
  constructor(
    private readonly classes: number,
    private readonly method: MethodName,
  ) {}

  /** The loss of the batch before the step at the next rate, nats. Returns whether the search is over. */
  add(loss: number): boolean {
    this.tried.push({ lr: triedRates[this.tried.length] as number, loss: Number.isFinite(loss) ? loss : null });
    return this.#lost() || this.tried.length === triedRates.length;
  }

  #lost(): boolean {
    const losses = this.tried.map(({ loss }) => loss ?? Number.POSITIVE_INFINITY);
    if (losses.at(-1) === Number.POSITIVE_INFINITY) return true;
    const limit = mean(losses.slice(0, beginning)) + lostAbove * Math.log(this.classes);
    return losses.length > beginning && mean(losses.slice(-averaged)) > limit;
  }

  /** @throws L2TError DIVERGED where even the lowest rate is too high. */
  result(): FoundRate {
    const diverged = this.#lost() ? (this.tried.at(-1)?.lr as number) : null;
    if (diverged !== null && this.tried.length <= beginning) {
      throw new L2TError(
        'DIVERGED',
        `The loss became NaN or infinite at a learning rate of ${diverged.toPrecision(2)}: no rate can be found. Look at the source's weights and at --beta, or give a lower --lr yourself.`,
      );
    }
    const below = methodNeeds[this.method].beta ? margin.matching : margin.other;
    const lr = Math.min(paperRate, (diverged ?? highest) / below);
    return { lr: Number(lr.toPrecision(2)), warmUp, diverged, tried: this.tried };
  }
}
