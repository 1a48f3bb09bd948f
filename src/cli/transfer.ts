import type { Command } from 'commander';
import { transferSchema } from '../options/schemas.js';
import { resumeOrStart } from '../run/resume.js';
import { type TransferOptions, transfer } from '../run/transfer.js';
import { addFlags, mergedOptions } from './flags.js';
import { groupFlags } from './group-flags.js';
import { runTraining, type TrainingFlags } from './training-verb.js';

export function register(program: Command): void {
  const command = program
    .command('transfer')
    .description(
      'train a target network with the help of a pretrained source, by L2T-ww or another method, or without one',
    );
  addFlags(command, transferSchema.extend(groupFlags))
    .option(
      '--config <file.yaml>',
      'options from a YAML file, named as in TypeScript (weightDecay); flags go over them',
    )
    .option('--resume <run>', 'continue an interrupted run')
    .option(
      '--resume-or-start',
      'start the run in --out, continue it if it was interrupted, or print its result if it is finished',
    )
    .option('--json', 'print the result as one JSON document')
    .action((flags: TrainingFlags) =>
      runTraining(
        command,
        flags,
        () => mergedOptions(transferSchema, flags),
        (options, control) =>
          (flags.resumeOrStart ? resumeOrStart : transfer)({ ...(options as TransferOptions), ...control }),
      ),
    );
}
