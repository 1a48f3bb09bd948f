import { L2TError } from '../errors.js';
import type { NetworkSpec } from '../native/addon.js';
import { countParameters } from '../networks/describe.js';
import type { MethodName } from '../options/methods.js';
import type { RunResult } from '../run/run.js';
import { deviation, type Interval, intervalOf, mean } from '../system/statistics.js';
import type { Entry } from './entries.js';
import type { InferenceTimes, TrainedNetwork } from './inference-times.js';

/** What is kept of a run: not its weights, since there may be many runs. */
export type RunOutcome =
  | { readonly run: string; readonly diverged: true }
  | (Pick<RunResult, 'run' | 'best' | 'lr' | 'seconds' | 'steps'> & {
      readonly diverged: false;
      readonly accuracy: number;
      readonly network: NetworkSpec;
      /** Side of the network's images, pixels. */
      readonly size: number;
    });
type Finished = Extract<RunOutcome, { readonly diverged: false }>;

/** The runs that did not diverge. */
export const finishedOf = (outcomes: readonly RunOutcome[]): Finished[] =>
  outcomes.filter((outcome): outcome is Finished => !outcome.diverged);

/** @throws L2TError INVALID_DATA where there were no test images. */
export function outcomeOf({ run, accuracy, best, lr, seconds, steps, network }: RunResult): RunOutcome {
  if (accuracy === null) {
    throw new L2TError('INVALID_DATA', `A comparison is of test images, and the data of ${run} has none.`);
  }
  return {
    run,
    accuracy,
    best,
    lr,
    seconds,
    steps,
    network: network.network,
    size: network.size,
    diverged: false,
  };
}

/** What one method gave, over its seeds. */
export interface ExperimentRow {
  /** What was listed, with its pairs where they were named: fm:all-to-all. */
  readonly label: string;
  readonly method: MethodName;
  /** N, training images a class, where rows differ in it. */
  readonly perClass?: number;
  /** On the test images, in [0, 1], one a seed; null of a run that diverged. */
  readonly accuracies: readonly (number | null)[];
  /** Of the runs that did not diverge, as are the other numbers; null where all did. */
  readonly mean: number | null;
  /** The sample's standard deviation; absent of fewer than two. */
  readonly deviation?: number;
  /** On the validation images, one a run; absent where there are none. */
  readonly validation?: readonly number[];
  /**
   * The accuracy less that of the row with the highest mean (of as many images a class), over the seeds that both finished;
   * null of that row itself, and where fewer than two seeds did.
   */
  readonly toBest: Interval | null;
  /** At which SGD began, one a run. */
  readonly learningRates: readonly number[];
  /** Trained numbers of the target as it is used afterwards: without branches and meta-networks. */
  readonly parameters: number | null;
  /** Milliseconds of a training step: `seconds` by the steps that they were for, validation included. */
  readonly msPerStep: number | null;
  /** Training and validation of one run, mean. */
  readonly seconds: number | null;
  /** Of the trained network, on the experiment's device and threads; null until all runs have ended. */
  readonly inference: InferenceTimes | null;
  readonly runs: readonly string[];
}

type TimesOf = (trained: TrainedNetwork) => InferenceTimes | undefined;

/** Outcomes in the order of the seeds, as far as they are known. */
export interface EntryOutcomes {
  readonly entry: Entry;
  readonly outcomes: readonly RunOutcome[];
}

/** A row for each entry. `timesOf`: how fast a trained network is, where that was measured. */
export function rowsOf(entries: readonly EntryOutcomes[], timesOf: TimesOf = () => undefined): ExperimentRow[] {
  const rows = entries.map(({ entry, outcomes }) => rowOf(entry, outcomes, timesOf));
  return rows.map((row) => {
    const [best] = ranked(rows.filter(({ perClass }) => perClass === row.perClass));
    const toBest = best && best !== row ? (intervalOf(pairedDifferences(row, best)) ?? null) : null;
    return { ...row, toBest };
  });
}

/** Those of which a run finished, the highest mean first. */
export function ranked<Row extends Pick<ExperimentRow, 'mean'>>(rows: readonly Row[]): Row[] {
  const known = rows.filter(({ mean: accuracy }) => accuracy !== null);
  return known.toSorted((a, b) => (b.mean as number) - (a.mean as number));
}

type Accuracies = Pick<ExperimentRow, 'accuracies'>;

/** `a` less `b`, for each seed that both finished. Equal seeds draw equal images, so these differences vary less than the accuracies. */
export function pairedDifferences({ accuracies: a }: Accuracies, { accuracies: b }: Accuracies): number[] {
  return a.flatMap((accuracy, seed) => {
    const other = b[seed] ?? null;
    return accuracy === null || other === null ? [] : [accuracy - other];
  });
}

function rowOf(
  { label, method, perClass }: Entry,
  outcomes: readonly RunOutcome[],
  timesOf: TimesOf,
): Omit<ExperimentRow, 'toBest'> {
  const finished = finishedOf(outcomes);
  const [first] = finished;
  const accuracies = finished.map(({ accuracy }) => accuracy);
  const validation = finished.map(({ best }) => best.accuracy).filter((accuracy) => accuracy !== null);
  const spread = deviation(accuracies);
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const [seconds, steps] = [sum(finished.map((run) => run.seconds)), sum(finished.map((run) => run.steps))];
  return {
    label,
    method,
    ...(perClass !== undefined && { perClass }),
    accuracies: outcomes.map((outcome) => (outcome.diverged ? null : outcome.accuracy)),
    mean: first ? mean(accuracies) : null,
    ...(spread !== undefined && { deviation: spread }),
    ...(first && validation.length === finished.length && { validation }),
    learningRates: finished.map(({ lr }) => lr),
    parameters: first ? countParameters(first.network) : null,
    msPerStep: steps > 0 ? (1000 * seconds) / steps : null,
    seconds: first ? seconds / finished.length : null,
    inference: (first && timesOf(first)) ?? null,
    runs: outcomes.map(({ run }) => run),
  };
}
