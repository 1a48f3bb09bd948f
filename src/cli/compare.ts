import type { Command } from 'commander';
import { type CompareOptions, compare, resumeComparison } from '../experiments/compare.js';
import { compareSchema } from '../options/schemas.js';
import { addExperimentFlags, type ExperimentFlags, runExperiment } from './experiment-verb.js';
import { addFlags, mergedOptions } from './flags.js';

export function register(program: Command): void {
  const command = program
    .command('compare')
    .description('run several methods with several seeds on one data set, all else equal, and print a table');
  addFlags(command, compareSchema);
  addExperimentFlags(command).action((flags: ExperimentFlags) =>
    runExperiment(
      flags,
      async (control) => compare({ ...((await mergedOptions(compareSchema, flags)) as CompareOptions), ...control }),
      resumeComparison,
    ),
  );
}
