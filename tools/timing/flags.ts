import { Command, InvalidArgumentError, Option } from 'commander';
import { type BenchCaseName, type BenchSettings, benchCases } from '../../src/bench/cases.js';
import { convolutionNames } from '../../src/native/contract/names.js';
import { defaultThreads } from '../../src/system/threads.js';

/** Flags of the programs that time the cases of `bench` on the CPU. */
export interface Flags extends Omit<BenchSettings, 'device'> {
  readonly case: BenchCaseName;
  readonly rounds: number;
}

export function whole(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new InvalidArgumentError('Use a whole number from 1 on.');
}

/** `rounds`: what the flag counts. */
export const timingCommand = (name: string, rounds: string): Command =>
  new Command(name)
    .addOption(new Option('--case <name>', 'what to time').choices(Object.keys(benchCases)).default('demo'))
    .addOption(new Option('--rounds <n>', rounds).argParser(whole).default(5))
    .addOption(new Option('--threads <n>', 'CPU threads').argParser(whole).default(defaultThreads()));

/** For programs that run the native engine in their own processes. */
export const iterationCommand = (name: string): Command =>
  timingCommand(name, 'timed iterations')
    .addOption(new Option('--batch <n>', "images of an iteration (the case's)").argParser(whole))
    .addOption(new Option('--convolution <name>', 'how to compute them').choices(convolutionNames).default('auto'))
    .addOption(new Option('--inner-steps <n>', 'T').argParser(whole).default(2));
