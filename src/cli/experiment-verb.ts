import type { Command } from 'commander';
import { L2TError } from '../errors.js';
import {
  type ExperimentControl,
  type ExperimentResult,
  type Follow,
  type ResumeControl,
  resumableSchema,
} from '../experiments/experiment.js';
import { experimentTable } from '../experiments/table.js';
import { flagOf } from '../options/check.js';
import { printable } from '../system/printable.js';
import { flagOptions, folderToResume, givenFlags } from './flags.js';
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
const onLive = (url: string) => process.stderr.write(`live: ${url}\n`);

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
  const told = { follow, onWarning, onLive, onListed: progress.listing };
  const result = await interruptible(async (signal) => {
    const folder = folderToResume(flags);
    if (folder === undefined) return begin({ ...told, signal });
    requireAlone(flags);
    return resume(folder, { ...flagOptions(resumableSchema, flags), ...told, signal });
  }).finally(() => progress.stop());
  process.stdout.write(flags.json ? `${JSON.stringify(result)}\n` : format(result));
}

function requireAlone(flags: ExperimentFlags): void {
  const beside = ['resume', 'json', ...Object.keys(resumableSchema.shape)];
  const first = givenFlags(flags).find(([key]) => !beside.includes(key));
  if (first === undefined) return;
  throw new L2TError(
    'INVALID_OPTION',
    `${flagOf(first[0])} cannot accompany --resume, which goes on with the experiment's own options: only --parallel, --live and --json can.`,
  );
}

function format({ out, rows, conclusions, report }: ExperimentResult): string {
  const { head, rows: cells } = experimentTable(rows);
  const pictures = report === null ? '' : `The report is ${report}\n`;
  return `${[table(head, cells), ...conclusions].join('\n')}\nThe table is in ${out}/comparison.md, .csv and .json, the runs beside it.\n${pictures}`;
}
