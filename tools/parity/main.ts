#!/usr/bin/env node
import { Command, Option } from 'commander';
import { runProgram } from '../../src/cli/program.js';
import { convolutionNames, engineNames } from '../../src/options/schemas.js';
import { type ParityOptions, parity } from './parity.js';
import { formatReport } from './report.js';

const program = new Command('parity')
  .description('Runs every fixture of a folder through the addon and compares every quantity.')
  .argument('<dir>', 'folder of NAME.json and NAME.safetensors')
  .addOption(new Option('--dtype <type>', 'what to compute in').choices(['float64', 'float32']).default('float64'))
  .addOption(new Option('--engine <name>', 'which engine').choices(engineNames).default('native'))
  .addOption(new Option('--convolution <which>', 'of the native engine').choices(convolutionNames).default('auto'))
  .action(async (folder: string, options: Omit<ParityOptions, 'onCase'>) => {
    const onCase = (name: string, index: number, count: number) => {
      process.stderr.write(`${index + 1}/${count} ${name}\n`);
    };
    const report = await parity(folder, { ...options, onCase });
    process.stdout.write(`${formatReport(report)}\n`);
    if (report.cases.some(({ outcome }) => outcome === 'failed')) process.exitCode = 1;
  });

await runProgram(program);
