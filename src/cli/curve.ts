import type { Command } from 'commander';
import { curve, planCurve, resumeCurve } from '../experiments/compare.js';
import { curveSchema } from '../options/schemas.js';
import { addExperimentFlags, runExperiment } from './experiment-verb.js';
import { addExamples } from './flags.js';

export function register(command: Command): void {
  addExamples(
    command,
    '--data photos --per-class 10,20 --source resnet34.pth \\\n    --target mobilenet_v2',
    '--data photos --per-class 10,20 --target resnet18 \\\n    --methods scratch',
  );
  addExperimentFlags(command, curveSchema).action((flags) =>
    runExperiment(curveSchema, flags, { begin: curve, plan: planCurve, resume: resumeCurve }),
  );
}
