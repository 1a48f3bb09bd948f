import type { Command } from 'commander';
import { pretrainSchema } from '../options.js';
import { pretrain } from '../pretrain.js';
import { addFlags, mergedOptions } from './flags.js';
import { runTraining, type TrainingFlags } from './training-verb.js';

export function register(program: Command): void {
  const command = program.command('pretrain').description('train a network by itself, as a source for later');
  addFlags(command, pretrainSchema);
  command
    .option('--config <file.yaml>', 'options from a YAML file; flags go over them')
    .option('--resume <run>', 'go on with an interrupted run')
    .option('--json', 'print the result as one JSON document')
    .action((flags: TrainingFlags) =>
      runTraining(command, flags, async (signal) =>
        pretrain({ ...(await mergedOptions(pretrainSchema, flags)), signal }),
      ),
    );
}
