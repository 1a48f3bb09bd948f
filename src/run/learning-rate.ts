import { L2TError } from '../errors.js';
import type { StepEvent } from '../native/addon.js';
import { type MethodName, needsOf } from '../options/methods.js';
import type { FoundRate, RateTrial } from '../store/run-data.js';
import { mean } from '../system/statistics.js';
import { type Materials, nativeMaterials, type Rates } from './materials.js';
import { aborted } from './result.js';
import type { OpenRun, RunContext } from './run.js';
import { driveRun } from './train.js';

/** The maximum number of steps of a search. */
const steps = 40;

/** The rates to try, from the lowest to the highest, each higher than the one before by the same factor. */
const [lowest, highest] = [1e-4, 1];
export const triedRates: readonly number[] = Array.from(
  { length: steps },
  (_, k) => lowest * (highest / lowest) ** (k / (steps - 1)),
);

/** The number of first steps, whose rates are too low to change the loss: their mean loss is the initial loss. */
const beginning = 5;

/**
 * The loss has diverged if its mean over the last `averaged` steps exceeds the initial loss by more than this fraction
 * of ln(classes), the loss of guessing. Means over small batches vary by less.
 */
const [averaged, divergedAbove] = [3, 0.15];

/**
 * The rate at which the loss diverged is divided by this; the result is at most the paper's rate. Matching the source's
 * feature maps stabilises the target, so it tolerates a higher rate, and learns better with it.
 */
const margin = { matching: 2.5, other: 4 } as const;
const paperRate = 0.1;
const warmUp = 0.1;

/**
 * A learning rate range test (Smith, arXiv 1506.01186), one step per rate. It chooses a rate below the first one at
 * which the loss diverged.
 */
export class RateSearch {
  readonly tried: RateTrial[] = [];

  /** `classes`: the number of classes of the data. */
  constructor(
    private readonly classes: number,
    private readonly method: MethodName,
  ) {}

  /** Adds the loss of the batch before the step at the next rate, nats. Returns whether the search is over. */
  add(loss: number): boolean {
    this.tried.push({ lr: triedRates[this.tried.length] as number, loss: Number.isFinite(loss) ? loss : null });
    return this.#hasDiverged() || this.tried.length === triedRates.length;
  }

  #hasDiverged(): boolean {
    const losses = this.tried.map(({ loss }) => loss ?? Number.POSITIVE_INFINITY);
    if (losses.at(-1) === Number.POSITIVE_INFINITY) return true;
    const limit = mean(losses.slice(0, beginning)) + divergedAbove * Math.log(this.classes);
    return losses.length > beginning && mean(losses.slice(-averaged)) > limit;
  }

  /** @throws L2TError DIVERGED if even the lowest rate is too high. */
  result(): FoundRate {
    const diverged = this.#hasDiverged() ? (this.tried.at(-1)?.lr as number) : null;
    if (diverged !== null && this.tried.length <= beginning) {
      throw new L2TError(
        'DIVERGED',
        `The loss became NaN or infinite at a learning rate of ${diverged.toPrecision(2)}: no rate can be found. Look at the source's weights and at {beta}, or give a lower {lr} yourself.`,
      );
    }
    const divisor = needsOf(this.method).settings.includes('beta') ? margin.matching : margin.other;
    const lr = Math.min(paperRate, (diverged ?? highest) / divisor);
    return { lr: Number(lr.toPrecision(2)), warmUp, diverged, tried: this.tried };
  }
}

/** Returns the steps of an epoch. A short last batch counts; a remainder of one image joins the batch before it. */
export const stepsPerEpoch = (images: number, batch: number): number =>
  Math.max(1, Math.ceil(images / batch) - (images % batch === 1 ? 1 : 0));

/** Distance that Adam may move a weight of the meta-networks in a whole run: about its rate in each of their steps. */
const metaDistance = 2;

/** Returns η_φ for this many steps of the meta-networks: `metaDistance` in all, within the range of useful rates. */
export const metaRateFor = (steps: number): number =>
  Number(Math.min(0.01, Math.max(1e-4, metaDistance / steps)).toPrecision(2));

/**
 * Returns the given learning rates, and finds those that are 'auto'. Found rates are saved before training begins, and
 * a resume takes the saved ones.
 */
export async function findRates(materials: Materials, run: OpenRun, context: RunContext): Promise<Rates> {
  const { spec, data } = materials;
  const { lr, metaLr } = spec;
  let found = await context.ranks.once(() => run.store?.rates);
  if (found === undefined && (lr === 'auto' || metaLr === 'auto')) {
    const metaSteps = Math.ceil(
      (spec.epochs * stepsPerEpoch(data.train.labels.length, spec.batch)) / (spec.metaEvery ?? 1),
    );
    found = {
      ...(lr === 'auto' && { lr: await searchRate(materials, run, context) }),
      ...(metaLr === 'auto' && { metaLr: metaRateFor(metaSteps) }),
    };
    const rates = found;
    await context.ranks.once(() => run.store?.saveRates(rates));
  }
  return {
    lr: lr === 'auto' ? (found?.lr?.lr as number) : lr,
    found: found?.lr,
    metaLr: metaLr === 'auto' ? found?.metaLr : metaLr,
  };
}

async function searchRate(materials: Materials, run: OpenRun, context: RunContext): Promise<FoundRate> {
  const { method } = materials.spec;
  const { emit, ranks, signal } = context;
  const search = new RateSearch(materials.data.classNames.length, method);
  let over = false;
  const step = ({ step: done, losses }: StepEvent, stop: () => void) => {
    // Ignores steps that were under way when the search ended: the result must not depend on their number.
    if (over) return;
    over = search.add(losses.org);
    emit({ type: 'rate', done, total: triedRates.length, lr: triedRates[done - 1] as number, loss: losses.org });
    if (over) stop();
  };
  // Nothing is saved: the search's native run is discarded with its weights.
  const listener = { step, save: async () => {} };
  const { spec } = materials;
  await driveRun(spec, nativeMaterials(materials, { lr: 0, metaLr: 0 }), materials, context, listener, (native) =>
    native.tryRates(triedRates),
  );
  return ranks.once(async () => {
    if (!over) throw aborted(run, signal);
    return search.result();
  });
}
