import type { Command } from 'commander';
import {
  type CompareOptions,
  compare,
  type PlanComparisonOptions,
  planComparison,
  resumeComparison,
} from '../experiments/compare.js';
import { compareSchema } from '../options/schemas.js';
import { addExperimentFlags, type ExperimentFlags, runExperiment } from './experiment-verb.js';
import { addFlags, mergedOptions } from './flags.js';

export function register(program: Command): void {
  const command = program
    .command('compare')
    .description('run several methods with several seeds on one data set, all else equal, and print a table');
  addFlags(command, compareSchema);
  addExperimentFlags(command).action((flags: ExperimentFlags) =>
    runExperiment(flags, {
      begin: async (control) =>
        compare({ ...(await mergedOptions(compareSchema, flags)), ...control } as CompareOptions),
      plan: async (folder, control) =>
        planComparison(folder, { ...(await mergedOptions(compareSchema, flags)), ...control } as PlanComparisonOptions),
      resume: resumeComparison,
    }),
  );
}
