import type { Command } from 'commander';
import { L2TError } from '../errors.js';
import type { ExperimentControl, ExperimentResult, Follow, ResumeControl } from '../experiments/experiment.js';
import { experimentTable } from '../experiments/table.js';
import { flagOf } from '../options/check.js';
import { compareSchema } from '../options/schemas.js';
import { printable } from '../system/printable.js';
import { flagOptions, folderToResume } from './flags.js';
import { interruptible } from './interrupt.js';
import { Progress } from './progress.js';
import { Stage } from './stage.js';
import { table } from './table.js';

export interface ExperimentFlags {
  readonly resume?: string;
  readonly json?: boolean;
  readonly [key: string]: unknown;
}

/** The flags that all experiments have beside their options. */
export const addExperimentFlags = (command: Command): Command =>
  command
    .option('--config <file.yaml>', 'options from a YAML file; flags go over them')
    .option('--resume <folder>', 'continue an interrupted experiment')
    .option('--json', 'print the result as one JSON document');

const onWarning = (message: string) => process.stderr.write(`warning: ${printable(message)}\n`);
const resumable = compareSchema.pick({ parallel: true });

/** Runs the verb of an experiment: a new one or `--resume`, with progress, Ctrl-C and the table. */
export async function runExperiment(
  flags: ExperimentFlags,
  begin: (control: ExperimentControl) => Promise<ExperimentResult>,
  resume: (out: string, control: ResumeControl) => Promise<ExperimentResult>,
): Promise<void> {
  const progress = new Progress();
  const follow: Follow = (run, label, seed) => {
    progress.stop();
    return new Stage(`${label}, seed ${seed}`).follow(run);
  };
  const told = { follow, onWarning, onListed: progress.listing };
  const result = await interruptible(async (signal) => {
    const folder = folderToResume(flags);
    if (folder === undefined) return begin({ ...told, signal });
    requireAlone(flags);
    return resume(folder, { ...flagOptions(resumable, flags), ...told, signal });
  }).finally(() => progress.stop());
  process.stdout.write(flags.json ? `${JSON.stringify(result)}\n` : format(result));
}

function requireAlone({ resume: _, json: __, parallel: ___, ...others }: ExperimentFlags): void {
  const [first] = Object.keys(others);
  if (first === undefined) return;
  throw new L2TError(
    'INVALID_OPTION',
    `${flagOf(first)} cannot accompany --resume, which goes on with the experiment's own options: only --parallel and --json can.`,
  );
}

function format({ out, rows, conclusions }: ExperimentResult): string {
  const { head, rows: cells } = experimentTable(rows);
  return `${[table(head, cells), ...conclusions].join('\n')}\nThe table is in ${out}/comparison.md, .csv and .json, the runs beside it.\n`;
}
