import type { NetworkSpec } from '../native/addon.js';
import { countParameters } from '../networks/describe.js';
import type { MethodName } from '../options/methods.js';
import type { RunResult } from '../run/run.js';
import type { FinetunedSource } from '../store/run-data.js';
import { invalidData } from '../system/failures.js';
import { deviation, type Interval, intervalOf, mean, sum } from '../system/statistics.js';
import type { InferenceTimes, TimesOf } from './inference-times.js';
import type { Experiment, OtherNetwork, PlannedRow, RowTitle } from './plan.js';

/** The outcome of a run. */
export type RunOutcome =
  | FinishedRun
  | {
      readonly run: string;
      /** `missing`: it is not finished, or failed otherwise. */
      readonly ended: 'diverged' | 'missing';
    };

/** The kept facts of a finished run, without its weights, since there may be many runs. */
export interface FinishedRun extends Pick<RunResult, 'run' | 'best' | 'lr' | 'seconds' | 'steps'> {
  readonly ended: 'finished';
  readonly accuracy: number;
  /** Seconds of its sources' fine-tuning; undefined without any. */
  readonly finetuning: number | undefined;
  readonly network: NetworkSpec;
  /** Side of the network's images, pixels. */
  readonly size: number;
}

/** Returns the runs that finished. */
export const finishedOf = (outcomes: readonly RunOutcome[]): FinishedRun[] =>
  outcomes.filter((outcome) => outcome.ended === 'finished');

/** @throws L2TError INVALID_DATA if there were no test images. */
export function outcomeOf({ run, accuracy, best, lr, finetuned, seconds, steps, network }: RunResult): RunOutcome {
  const tested = requireTested(run, accuracy);
  const trained = { network: network.network, size: network.size };
  const finetuning = finetuningOf(finetuned);
  return { run, accuracy: tested, best, lr, finetuning, seconds, steps, ...trained, ended: 'finished' };
}

/** Returns the seconds of the fine-tuning of a run's sources; undefined if there was none. */
export const finetuningOf = (sources: readonly FinetunedSource[] = []): number | undefined =>
  sources.length > 0 ? sum(sources.map(({ seconds }) => seconds)) : undefined;

/** @throws L2TError INVALID_DATA if there were no test images. */
export function requireTested(run: string, accuracy: number | null): number {
  if (accuracy !== null) return accuracy;
  throw invalidData(`A comparison is of test images, and the data of ${run} has none.`);
}

/** The results of one method over its seeds, or of a network of `with`. */
export interface ExperimentRow extends RowTitle {
  /** The method that ran; for the row finetune-source it is 'finetune'; null for a network of `with`. */
  readonly method: MethodName | null;
  /**
   * Test accuracy of each seed, in [0, 1]; null for a run that diverged, or is `missing`. That of a network of `with` is
   * the same for each.
   */
  readonly accuracies: readonly (number | null)[];
  /** The seeds whose runs are not finished, or failed otherwise; absent if there are none. */
  readonly missing?: readonly number[];
  /**
   * Mean test accuracy; null if no run finished. Like the numbers below, it is over the runs that finished.
   */
  readonly mean: number | null;
  /** The sample's standard deviation; absent for fewer than two runs. */
  readonly deviation?: number;
  /** Validation accuracy of each run; absent without validation images. */
  readonly validation?: readonly number[];
  /**
   * The accuracy minus that of the row with the highest mean (for the same number of images a class), over the seeds
   * that both finished; null for that row itself, and for fewer than two such seeds.
   */
  readonly toBest: Interval | null;
  /** The learning rate with which SGD began, one a run. */
  readonly learningRates: readonly number[];
  /** The number of trained parameters of the target, without branches and meta-networks; null for an ONNX file. */
  readonly parameters: number | null;
  /** Milliseconds of a training step, validation included: seconds ÷ steps of all runs. */
  readonly msPerStep: number | null;
  /** Mean seconds of a run: training and validation. */
  readonly seconds: number | null;
  /**
   * Mean seconds of fine-tuning a run's sources first; absent without `sourceFinetune`. Runs with equal images and seed
   * share it.
   */
  readonly finetuning?: number;
  /** The trained network's speed, on the experiment's device and threads; null until all runs have ended. */
  readonly inference: InferenceTimes | null;
  /** The path of a network of `with`; absent for a method. */
  readonly path?: string;
  /** The run folders, one a seed, those that diverged or are missing too. */
  readonly runs: readonly string[];
}

/** A run's place in the table, and its outcome. */
interface Placed {
  readonly planned: { readonly row: PlannedRow };
  readonly outcome: RunOutcome;
}

/** Returns the rows of the table, from runs by row, then by seed; then the networks of `with`. */
export function rowsOf(
  { with: others, seeds }: Pick<Experiment, 'with' | 'seeds'>,
  runs: readonly Placed[],
  timesOf: TimesOf = () => undefined,
): ExperimentRow[] {
  const planned = [...new Set(runs.map((run) => run.planned.row))];
  const trained = planned.map((row) => {
    const ofRow = runs.filter((run) => run.planned.row === row);
    return rowOf(
      row,
      ofRow.map(({ outcome }) => outcome),
      timesOf,
    );
  });
  const rows = [...trained, ...others.map((each) => rowOfOther(each, seeds, timesOf(each)))];
  return rows.map((row) => {
    const [best] = ranked(rows.filter(({ perClass }) => perClass === row.perClass));
    const toBest = best && best !== row ? (intervalOf(pairedDifferences(row, best)) ?? null) : null;
    return { ...row, toBest };
  });
}

/** Groups the rows that can be compared: those with the same number of images a class, by that number. */
export function byCount<Row extends Pick<ExperimentRow, 'perClass'>>(rows: readonly Row[]) {
  const counts = [...new Set(rows.map(({ perClass }) => perClass))];
  return counts.map((count) => ({ count, rows: rows.filter(({ perClass }) => perClass === count) }));
}

/** Returns the rows with a finished run, the highest mean first. */
export function ranked<Row extends Pick<ExperimentRow, 'mean'>>(rows: readonly Row[]): Row[] {
  const known = rows.filter(({ mean: accuracy }) => accuracy !== null);
  return known.toSorted((a, b) => (b.mean as number) - (a.mean as number));
}

type Accuracies = Pick<ExperimentRow, 'accuracies' | 'method'>;

/** Checks whether a row is the same for every seed. */
export const isFixed = ({ method }: Pick<ExperimentRow, 'method'>): boolean => method === null;

/**
 * Returns `row` minus `other`, for each seed that both finished; one difference if no seed changes either. Equal seeds
 * draw equal images, so these differences vary less than the accuracies.
 */
export function pairedDifferences(row: Accuracies, other: Accuracies): number[] {
  const { accuracies: b } = other;
  const a = isFixed(row) && isFixed(other) ? row.accuracies.slice(0, 1) : row.accuracies;
  return a.flatMap((accuracy, seed) => {
    const other = b[seed] ?? null;
    return accuracy === null || other === null ? [] : [accuracy - other];
  });
}

function rowOf(
  { label, perClass, spec: { method } }: PlannedRow,
  outcomes: readonly RunOutcome[],
  timesOf: TimesOf,
): Omit<ExperimentRow, 'toBest'> {
  const finished = finishedOf(outcomes);
  const [first] = finished;
  const accuracies = finished.map(({ accuracy }) => accuracy);
  const validation = finished.map(({ best }) => best.accuracy).filter((accuracy) => accuracy !== null);
  const spread = deviation(accuracies);
  const missing = [...outcomes.keys()].filter((seed) => outcomes[seed]?.ended === 'missing');
  const finetunings = finished.flatMap(({ finetuning = [] }) => finetuning);
  const [seconds, steps] = [sum(finished.map((run) => run.seconds)), sum(finished.map((run) => run.steps))];
  return {
    label,
    method,
    ...(perClass !== undefined && { perClass }),
    accuracies: outcomes.map((outcome) => (outcome.ended === 'finished' ? outcome.accuracy : null)),
    ...(missing.length > 0 && { missing }),
    mean: first ? mean(accuracies) : null,
    ...(spread !== undefined && { deviation: spread }),
    ...(first && validation.length === finished.length && { validation }),
    learningRates: finished.map(({ lr }) => lr),
    parameters: first ? countParameters(first.network) : null,
    msPerStep: steps > 0 ? (1000 * seconds) / steps : null,
    seconds: first ? seconds / finished.length : null,
    ...(finetunings.length > 0 && { finetuning: mean(finetunings) }),
    inference: (first && timesOf(first)) ?? null,
    runs: outcomes.map(({ run }) => run),
  };
}

function rowOfOther(
  { label, path, accuracy, parameters }: OtherNetwork,
  seeds: number,
  inference: InferenceTimes | undefined,
): Omit<ExperimentRow, 'toBest'> {
  return {
    label,
    method: null,
    path,
    accuracies: Array<number>(seeds).fill(accuracy),
    mean: accuracy,
    learningRates: [],
    parameters,
    msPerStep: null,
    seconds: null,
    inference: inference ?? null,
    runs: [],
  };
}
