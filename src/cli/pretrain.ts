import type { Command } from 'commander';
import { pretrainPreset } from '../experiments/presets.js';
import { pretrainSchema } from '../options/schemas.js';
import { type PretrainOptions, pretrain } from '../run/transfer.js';
import { addExamples, addFlags, type Flags, mergedOptions } from './flags.js';
import { groupFlags } from './group-flags.js';
import { addJsonFlags } from './json-lines.js';
import { runTraining } from './training-verb.js';

export function register(command: Command): void {
  addExamples(command, '--data photos --network resnet18', '--data photos --network resnet32 --size 64 --epochs 100');
  addJsonFlags(
    addFlags(command, pretrainSchema.extend(groupFlags))
      .option('--preset <name>', 'options of one of the sources that the paper trains (l2t-native reproduce --list)')
      .option('--config <file.yaml>', 'options from a YAML file; flags go over them')
      .option('--resume <run>', 'continue an interrupted run'),
  ).action((flags: Flags) =>
    runTraining(
      command,
      flags,
      async () => {
        const { preset } = flags;
        const options = await mergedOptions(pretrainSchema, flags);
        return typeof preset === 'string' ? pretrainPreset(preset, options) : options;
      },
      (options, control) => pretrain({ ...(options as PretrainOptions), ...control }),
    ),
  );
}
