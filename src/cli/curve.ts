import type { Command } from 'commander';
import { curve, planCurve, resumeCurve } from '../experiments/compare.js';
import { curveSchema } from '../options/schemas.js';
import { addExperimentFlags, runExperiment } from './experiment-verb.js';

export function register(program: Command): void {
  const command = program
    .command('curve')
    .description('run several methods and seeds with several numbers of training images a class, and print a table');
  addExperimentFlags(command, curveSchema).action((flags) =>
    runExperiment(curveSchema, flags, { begin: curve, plan: planCurve, resume: resumeCurve }),
  );
}
