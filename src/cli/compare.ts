import type { Command } from 'commander';
import { compare, planComparison, resumeComparison } from '../experiments/compare.js';
import { compareSchema } from '../options/schemas.js';
import { addExperimentFlags, runExperiment } from './experiment-verb.js';
import { addExamples } from './flags.js';

export function register(command: Command): void {
  addExamples(
    command,
    '--data photos --source resnet34.pth --target mobilenet_v2',
    '--data photos --target resnet18 --methods scratch --seeds 5',
  );
  addExperimentFlags(command, compareSchema).action((flags) =>
    runExperiment(compareSchema, flags, { begin: compare, plan: planComparison, resume: resumeComparison }),
  );
}
