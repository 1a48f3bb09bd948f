#!/usr/bin/env node
import { Command, InvalidArgumentError, Option } from 'commander';
import { benchDevice } from '../../src/bench/cases.js';
import { runProgram } from '../../src/cli/program.js';
import { convolutionNames, engineNames } from '../../src/native/contract/names.js';
import { type ParityOptions, parity } from './parity.js';
import { formatEffects, precisionEffects } from './precisions.js';
import { startedRank, withRanks } from './ranks.js';
import { formatReport } from './report.js';

interface Flags extends Pick<ParityOptions, 'engine' | 'convolution'> {
  readonly dtype?: ParityOptions['dtype'];
  readonly device: string;
  readonly nproc: number;
}

function onCase(name: string, index: number, count: number): void {
  process.stderr.write(`${index + 1}/${count} ${name}\n`);
}

function ranks(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= 64) return count;
  throw new InvalidArgumentError('It must be a whole number from 1 to 64.');
}

const program = new Command('parity')
  .description(
    'Runs every fixture of a folder through the addon and compares every quantity. On a GPU, it says what tf32 and bf16 do to ∇φ, too.',
  )
  .argument('<dir>', 'folder of NAME.json and NAME.safetensors')
  .addOption(
    new Option('--dtype <type>', 'what to compute in (float64; on a GPU both)').choices(['float64', 'float32']),
  )
  .addOption(new Option('--engine <name>', 'which engine').choices(engineNames).default('native'))
  .addOption(new Option('--convolution <which>', 'of the native engine').choices(convolutionNames).default('auto'))
  .addOption(new Option('--device <name>', 'auto, cpu, cuda or cuda:N').default('cpu'))
  .option('--nproc <n>', 'how many processes share each batch (1 to 64)', ranks, 1)
  .action(async (folder: string, { dtype, nproc, ...options }: Flags) => {
    const started = startedRank();
    if (started !== undefined) {
      await parity(folder, { ...options, dtype: dtype ?? 'float64', group: started });
      return;
    }
    if (nproc > 1) {
      const type = dtype ?? 'float64';
      const report = await withRanks(nproc, (group) => parity(folder, { ...options, dtype: type, group, onCase }));
      process.stdout.write(`${formatReport(report)}\n`);
      if (report.cases.some(({ outcome }) => outcome === 'failed')) process.exitCode = 1;
      return;
    }
    const { gpu } = benchDevice(options.device);
    const reports = [];
    for (const type of dtype ? [dtype] : gpu ? (['float64', 'float32'] as const) : (['float64'] as const)) {
      reports.push(await parity(folder, { ...options, dtype: type, onCase }));
    }
    const effects = gpu ? [formatEffects(await precisionEffects(folder, options))] : [];
    // The counts of the last report stay the last line.
    process.stdout.write(`${[...effects, ...reports.map(formatReport)].join('\n')}\n`);
    if (reports.some(({ cases }) => cases.some(({ outcome }) => outcome === 'failed'))) process.exitCode = 1;
  });

await runProgram(program);
