import type { Command } from 'commander';
import { compare, planComparison, resumeComparison } from '../experiments/compare.js';
import { compareSchema } from '../options/schemas.js';
import { addExperimentFlags, runExperiment } from './experiment-verb.js';

export function register(program: Command): void {
  const command = program
    .command('compare')
    .description('run several methods with several seeds on one data set, all else equal, and print a table');
  addExperimentFlags(command, compareSchema).action((flags) =>
    runExperiment(compareSchema, flags, { begin: compare, plan: planComparison, resume: resumeComparison }),
  );
}
