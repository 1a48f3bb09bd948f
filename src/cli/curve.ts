import type { Command } from 'commander';
import { type CurveOptions, curve, type PlanCurveOptions, planCurve, resumeCurve } from '../experiments/curve.js';
import { curveSchema } from '../options/schemas.js';
import { addExperimentFlags, type ExperimentFlags, runExperiment } from './experiment-verb.js';
import { addFlags, mergedOptions } from './flags.js';

export function register(program: Command): void {
  const command = program
    .command('curve')
    .description('run several methods and seeds with several numbers of training images a class, and print a table');
  addFlags(command, curveSchema);
  addExperimentFlags(command).action((flags: ExperimentFlags) =>
    runExperiment(flags, {
      begin: async (control) => curve({ ...(await mergedOptions(curveSchema, flags)), ...control } as CurveOptions),
      plan: async (folder, control) =>
        planCurve(folder, { ...(await mergedOptions(curveSchema, flags)), ...control } as PlanCurveOptions),
      resume: resumeCurve,
    }),
  );
}
