import { type Given, required, type Written } from '../options/check.js';
import type { OwnHelp } from '../options/option-help.js';
import { compareSchema, curveSchema } from '../options/schemas.js';
import { invalidOption } from '../system/failures.js';
import { type ExperimentKind, methodEntries } from './entries.js';
import {
  beginChecked,
  type ExperimentControl,
  type ExperimentResult,
  type Plan,
  type PlanControl,
  planChecked,
  type ResumeControl,
  resumeExperiment,
} from './experiment.js';

/** Options of `compare`: those of docs/options.md, and those that only the API has. */
export type CompareOptions = Written<typeof compareSchema, 'data'> & ExperimentControl;

/** The experiment of methods × seeds. */
export const comparison = {
  verb: 'compare',
  schema: compareSchema,
  entries: methodEntries,
} as const satisfies ExperimentKind;

/**
 * Runs several methods with several seeds, all else equal, in folders below `out`, and writes the table there
 * (comparison.md, .csv, .json). The results do not depend on how many runs go in parallel.
 * @throws L2TError as `transfer`; INVALID_OPTION for an unknown method. If a run fails, the others are saved, and it
 * throws the error of that run.
 */
export const compare = (options: CompareOptions): Promise<ExperimentResult> => beginChecked(comparison, options);

/** Options of `planComparison`: those of `compare`, without `out`, `parallel` and `follow`. */
export type PlanComparisonOptions = Written<typeof compareSchema, 'data'> & PlanControl;

/**
 * Writes a comparison into `folder` as commands, one a run, for any scheduler: runs.txt has them, array.sbatch is a
 * SLURM array of them, and `collect` makes the table. Checks everything as `compare` does before its first run.
 * @throws L2TError as `compare` before it trains; INVALID_RUN if the folder holds an experiment already.
 */
export const planComparison = (folder: string, options: PlanComparisonOptions): Promise<Plan> =>
  planChecked(comparison, folder, options);

/** Continues a comparison: finished runs are read, interrupted ones resume, the others begin. */
export const resumeComparison = (out: string, control?: ResumeControl): Promise<ExperimentResult> =>
  resumeExperiment('compare', out, control);

/** Options of `curve`: those of docs/options.md, and those that only the API has. */
export type CurveOptions = Written<typeof curveSchema, 'data' | 'perClass', OwnHelp['curve']> & ExperimentControl;

/** The experiment of images a class × methods × seeds. Runs begin in the order of the listed numbers of images. */
export const limitedData = {
  verb: 'curve',
  schema: curveSchema,
  entries: ({ perClass, ...options }: Given<typeof curveSchema>) =>
    parseCounts(required(curveSchema, { perClass }, 'perClass')).flatMap((count) =>
      methodEntries({ ...options, perClass: count }).map((entry) => ({ ...entry, perClass: count })),
    ),
} as const satisfies ExperimentKind;

function parseCounts(list: string): number[] {
  const counts = list.split(',').map((item) => {
    const count = Number(item);
    if (/^\s*\d{1,8}\s*$/.test(item) && count >= 1) return count;
    throw invalidOption(`{perClass}: '${item.trim()}' is no count: it must be a whole number from 1.`);
  });
  const twice = counts.find((count, i) => counts.indexOf(count) !== i);
  if (twice !== undefined) throw invalidOption(`{perClass}: ${twice} is listed twice: leave one out.`);
  return counts;
}

/**
 * Measures accuracy against the number of training images a class: several methods, counts and seeds, all else equal,
 * in folders below `out`, and one table with the counts as columns (comparison.md; in .csv and .json each count has its
 * own rows). Fails as `compare`.
 */
export const curve = (options: CurveOptions): Promise<ExperimentResult> => beginChecked(limitedData, options);

/** Options of `planCurve`: those of `curve`, without `out`, `parallel` and `follow`. */
export type PlanCurveOptions = Written<typeof curveSchema, 'data' | 'perClass', OwnHelp['curve']> & PlanControl;

/** Does the same as `planComparison`, for a curve. */
export const planCurve = (folder: string, options: PlanCurveOptions): Promise<Plan> =>
  planChecked(limitedData, folder, options);

/** Continues a curve: finished runs are read, interrupted ones resume, the others begin. */
export const resumeCurve = (out: string, control?: ResumeControl): Promise<ExperimentResult> =>
  resumeExperiment('curve', out, control);
