import type { Command } from 'commander';
import { transferSchema } from '../options/schemas.js';
import { resumeOrStart, type TransferOptions, transfer } from '../run/transfer.js';
import { addExamples, addFlags, type Flags, mergedOptions } from './flags.js';
import { groupFlags } from './group-flags.js';
import { addJsonFlags } from './json-lines.js';
import { runTraining } from './training-verb.js';

export function register(command: Command): void {
  addExamples(
    command,
    '--data photos --source resnet34.pth --target mobilenet_v2',
    '--data photos --target resnet18 --method scratch',
  );
  addJsonFlags(
    addFlags(command, transferSchema.extend(groupFlags))
      .option(
        '--config <file.yaml>',
        'options from a YAML file, named as in TypeScript (weightDecay); flags go over them',
      )
      .option('--resume <run>', 'continue an interrupted run')
      .option(
        '--resume-or-start',
        'start the run in --out, continue it if it was interrupted, or print its result if it is finished',
      ),
  ).action((flags: Flags) =>
    runTraining(
      command,
      flags,
      () => mergedOptions(transferSchema, flags),
      (options, control) =>
        (flags.resumeOrStart ? resumeOrStart : transfer)({ ...(options as TransferOptions), ...control }),
    ),
  );
}
