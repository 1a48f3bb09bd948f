import { methodEntries } from './entries.js';
import {
  beginExperiment,
  type ExperimentControl,
  type ExperimentKind,
  type ExperimentResult,
  resumeExperiment,
} from './experiment.js';
import { compareSchema, type Given } from './options.js';

export type CompareOptions = Given<typeof compareSchema> & ExperimentControl;

/** Methods × seeds. */
export const comparison: ExperimentKind<Given<typeof compareSchema>> = {
  verb: 'compare',
  schema: compareSchema,
  entries: methodEntries,
};

/**
 * Runs several methods with several seeds, all else equal, in folders below `out`, and writes the table there
 * (comparison.md, .csv, .json). The runs' results do not depend on how many go side by side.
 * @throws L2TError as `transfer`; INVALID_OPTION for a method that is none. Where one run fails, the others are saved, and
 * its error is thrown.
 */
export const compare = (options: CompareOptions): Promise<ExperimentResult> => beginExperiment(comparison, options);

/** Goes on with a comparison: finished runs are read, interrupted ones resume, the others begin. */
export const resumeComparison = (
  out: string,
  control: ExperimentControl & { readonly parallel?: number | undefined } = {},
): Promise<ExperimentResult> => resumeExperiment(comparison, out, control);
