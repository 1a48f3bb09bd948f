import { takeOptions } from '../options/arguments.js';
import type { Given, Written } from '../options/check.js';
import { compareSchema } from '../options/schemas.js';
import { methodEntries, requireUseful } from './entries.js';
import {
  beginExperiment,
  type ExperimentControl,
  type ExperimentKind,
  type ExperimentResult,
  experimentControls,
  type Plan,
  type PlanControl,
  planControls,
  planExperiment,
  type ResumeControl,
  resumeExperiment,
} from './experiment.js';

/** Options of `compare`: those of docs/options.md, and what only the API has. */
export type CompareOptions = Written<typeof compareSchema, 'data'> & ExperimentControl;

/** Methods × seeds. */
export const comparison: ExperimentKind<Given<typeof compareSchema>> = {
  verb: 'compare',
  schema: compareSchema,
  entries: methodEntries,
};

/**
 * Runs several methods with several seeds, all else equal, in folders below `out`, and writes the table there
 * (comparison.md, .csv, .json). The results do not depend on how many runs go in parallel.
 * @throws L2TError as `transfer`; INVALID_OPTION for an unknown method. If a run fails, the others are saved, and it
 * throws the error of that run.
 */
export async function compare(given: CompareOptions): Promise<ExperimentResult> {
  const { options, control } = takeOptions(compareSchema, given, experimentControls);
  requireUseful(methodEntries(options), options);
  return beginExperiment(comparison, options, control);
}

/** Options of `planComparison`: those of `compare`, without `out`, `parallel`, `live` and `follow`. */
export type PlanComparisonOptions = Written<typeof compareSchema, 'data'> & PlanControl;

/**
 * Writes a comparison into `folder` as commands, one a run, for any scheduler: runs.txt has them, array.sbatch is a
 * SLURM array of them, and `collect` makes the table. Checks everything as `compare` does before its first run.
 * @throws L2TError as `compare` before it trains; INVALID_RUN if the folder holds an experiment already.
 */
export async function planComparison(folder: string, given: PlanComparisonOptions): Promise<Plan> {
  const { options, control } = takeOptions(compareSchema, given, planControls);
  requireUseful(methodEntries(options), options);
  return planExperiment(comparison, folder, options, control);
}

/** Continues a comparison: finished runs are read, interrupted ones resume, the others begin. */
export const resumeComparison = (out: string, control?: ResumeControl): Promise<ExperimentResult> =>
  resumeExperiment('compare', out, control);
