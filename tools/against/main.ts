#!/usr/bin/env node
/**
 * `npm run bench:against -- FOLDER`: times the native engine of the build in FOLDER, such as a checkout of an older
 * commit, and that of this checkout, in turn, and prints minima, medians and ratios.
 */
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type BenchCaseName, benchCases } from '../../src/bench/cases.js';
import { table } from '../../src/cli/table.js';
import { defaultThreads } from '../../src/system/threads.js';
import { type Alternated, alternate } from './alternate.js';
import { measurementOf } from './measure.js';
import { stateIn } from './state.js';

interface Flags {
  readonly case: BenchCaseName;
  readonly rounds: number;
  readonly iterations: number;
  readonly threads: number;
  readonly json?: boolean;
}

function whole(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new InvalidArgumentError('Use a whole number from 1 on.');
}

function format({ other, current, ratio }: Alternated): string {
  const rows = [other, current].map(({ state, seconds }) => [state, seconds.min.toFixed(4), seconds.median.toFixed(4)]);
  rows.push(['ratio', ratio.min.toFixed(3), ratio.median.toFixed(3)]);
  return `${table(['', 'min s', 'median s'], rows)}\n`;
}

async function main(folder: string, { case: name, json, ...settings }: Flags): Promise<void> {
  const states = [await stateIn(folder), await stateIn(fileURLToPath(new URL('../..', import.meta.url)))] as const;
  const { how, turn, end } = await measurementOf(name, states);
  const say = (line: string) => process.stderr.write(`${line}\n`);
  say(`${name}, by ${how}; load of the machine before: ${loadavg()[0]?.toFixed(2)}`);
  try {
    const result = await alternate(states, turn, {
      ...settings,
      onTurn: (round, { title }, { min }) => say(`round ${round} of ${settings.rounds}: ${title} ${min.toFixed(4)} s`),
    });
    process.stdout.write(json ? `${JSON.stringify({ case: name, how, ...settings, ...result })}\n` : format(result));
  } finally {
    end();
  }
}

await new Command('bench:against')
  .argument('<folder>', 'a checkout of another state, with its own build')
  .addOption(new Option('--case <name>', 'what to time').choices(Object.keys(benchCases)).default('demo'))
  .addOption(new Option('--rounds <n>', 'turns of each state').argParser(whole).default(5))
  .addOption(new Option('--iterations <n>', 'timed iterations of a turn').argParser(whole).default(3))
  .addOption(new Option('--threads <n>', 'CPU threads').argParser(whole).default(defaultThreads()))
  .option('--json', 'print the result as one JSON document')
  .action(main)
  .parseAsync();
