import { takeOptions } from '../options/arguments.js';
import { type Given, required, type Written } from '../options/check.js';
import { curveSchema } from '../options/schemas.js';
import { invalidOption } from '../system/failures.js';
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

/** Options of `curve`: those of docs/options.md, and what only the API has. */
export type CurveOptions = Written<typeof curveSchema, 'data' | 'perClass'> & ExperimentControl;

/** Images a class × methods × seeds. Runs begin in the order in which the numbers of images are listed. */
export const limitedData: ExperimentKind<Given<typeof curveSchema>> = {
  verb: 'curve',
  schema: curveSchema,
  entries: ({ perClass, ...options }) =>
    parseCounts(required(curveSchema, { perClass }, 'perClass')).flatMap((count) =>
      methodEntries({ ...options, perClass: count }).map((entry) => ({ ...entry, perClass: count })),
    ),
};

/**
 * Measures accuracy against the number of training images a class: several methods, counts and seeds, all else equal,
 * in folders below `out`, and one table with the counts as columns (comparison.md; in .csv and .json each count has its
 * own rows). Fails as `compare`.
 */
export async function curve(given: CurveOptions): Promise<ExperimentResult> {
  const { options, control } = takeOptions(curveSchema, given, experimentControls);
  requireUseful(limitedData.entries(options), options);
  return beginExperiment(limitedData, options, control);
}

/** Options of `planCurve`: those of `curve`, without `out`, `parallel`, `live` and `follow`. */
export type PlanCurveOptions = Written<typeof curveSchema, 'data' | 'perClass'> & PlanControl;

/** As `planComparison`, for a curve. */
export async function planCurve(folder: string, given: PlanCurveOptions): Promise<Plan> {
  const { options, control } = takeOptions(curveSchema, given, planControls);
  requireUseful(limitedData.entries(options), options);
  return planExperiment(limitedData, folder, options, control);
}

/** Continues a curve: finished runs are read, interrupted ones resume, the others begin. */
export const resumeCurve = (out: string, control?: ResumeControl): Promise<ExperimentResult> =>
  resumeExperiment('curve', out, control);

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
