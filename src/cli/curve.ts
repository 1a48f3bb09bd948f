import type { Command } from 'commander';
import { curve, planCurve, resumeCurve } from '../experiments/compare.js';
import { curveSchema } from '../options/schemas.js';
import { addExperimentFlags, runExperiment } from './experiment-verb.js';
import { addExamples } from './flags.js';

export function register(command: Command): void {
  addExamples(
    command,
    '--data photos --target resnet18 --source resnet34.pth --per-class 10,20',
    '--data photos --target resnet18 --methods scratch --per-class 10,20',
  );
  addExperimentFlags(command, curveSchema).action((flags) =>
    runExperiment(curveSchema, flags, { begin: curve, plan: planCurve, resume: resumeCurve }),
  );
}
