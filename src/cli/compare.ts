import type { Command } from 'commander';
import { type Comparison, compare, comparisonTable, type Follow, resumeComparison } from '../compare.js';
import { L2TError } from '../errors.js';
import { compareSchema, flagOf } from '../options.js';
import { addFlags, mergedOptions } from './flags.js';
import { interruptible } from './interrupt.js';
import { Stage } from './stage.js';
import { table } from './table.js';
import type { TrainingFlags } from './training-verb.js';

const follow: Follow = (run, label, seed) => new Stage(`${label}, seed ${seed}`).follow(run);

export function register(program: Command): void {
  const command = program
    .command('compare')
    .description('several methods and seeds on one data set, all else equal, and a table of what they gave');
  addFlags(command, compareSchema);
  command
    .option('--config <file.yaml>', 'options from a YAML file; flags go over them')
    .option('--resume <folder>', 'go on with an interrupted comparison')
    .option('--json', 'print the result as one JSON document')
    .action(async (flags: TrainingFlags) => {
      const result = await interruptible(async (signal) => {
        if (flags.resume === undefined)
          return compare({ ...(await mergedOptions(compareSchema, flags)), signal, follow });
        requireAlone(flags);
        return resumeComparison(flags.resume, { signal, follow });
      });
      process.stdout.write(flags.json ? `${JSON.stringify(result)}\n` : format(result));
    });
}

function requireAlone({ resume: _, json: __, ...others }: TrainingFlags): void {
  const [first] = Object.keys(others);
  if (first === undefined) return;
  throw new L2TError(
    'INVALID_OPTION',
    `${flagOf(first)} cannot accompany --resume, which goes on with the comparison's own options.`,
  );
}

function format({ out, rows }: Comparison): string {
  const { head, rows: cells } = comparisonTable(rows);
  return `${table(head, cells)}\nThe table is in ${out}/comparison.md, .csv and .json, the runs beside it.\n`;
}
