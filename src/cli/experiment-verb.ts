import type { Command } from 'commander';
import {
  collect,
  type ExperimentControl,
  type ExperimentResult,
  type Plan,
  type PlanControl,
  type ResumeControl,
  resumableSchema,
} from '../experiments/experiment.js';
import type { Follow } from '../experiments/pool.js';
import { unfinishedLines } from '../experiments/run-states.js';
import { experimentTable } from '../experiments/table.js';
import { isPath, refused } from '../options/check.js';
import { collectCommand } from '../options/command.js';
import { invalidOption } from '../system/failures.js';
import { printable, printableJson } from '../system/printable.js';
import { flagOptions, folderToResume, givenFlags, labelOf } from './flags.js';
import { requireNoLauncher } from './group-flags.js';
import { interruptible } from './interrupt.js';
import { Progress } from './progress.js';
import { Stage } from './stage.js';
import { table } from './table.js';

export interface ExperimentFlags {
  readonly resume?: string;
  readonly plan?: string;
  readonly collect?: string;
  readonly json?: boolean;
  readonly [key: string]: unknown;
}

/** The flags that all experiments have beside their options. */
export const addExperimentFlags = (command: Command): Command =>
  command
    .option('--config <file.yaml>', 'options from a YAML file; flags go over them')
    .option('--resume <folder>', 'continue an interrupted experiment')
    .option(
      '--plan <folder>',
      'run nothing: write the runs as commands for any scheduler, one a line of runs.txt, and a script for sbatch',
    )
    .option('--collect <folder>', 'make the table of an experiment that was planned, from the runs that are finished')
    .option('--json', 'print the result as one JSON document');

const onWarning = (message: string) => process.stderr.write(`warning: ${printable(message)}\n`);
const onLive = (url: string) => process.stderr.write(`live: ${url}\n`);

/** What the verb of an experiment may do. */
interface ExperimentActions {
  begin(control: ExperimentControl): Promise<ExperimentResult>;
  resume(out: string, control: ResumeControl): Promise<ExperimentResult>;
  plan(folder: string, control: PlanControl): Promise<Plan>;
}

/** Runs the verb of an experiment, with progress, Ctrl-C and the table. */
export async function runExperiment(flags: ExperimentFlags, actions: ExperimentActions): Promise<void> {
  if (flags.plan !== undefined) return writePlan(flags, actions);
  if (flags.collect !== undefined) return collectRuns(flags);
  requireNoLauncher();
  const progress = new Progress();
  const follow: Follow = (run, label, seed) => {
    progress.stop();
    return new Stage(`${label}, seed ${seed}`).follow(run);
  };
  const told = { follow, onWarning, onLive, onListed: progress.listing };
  const result = await interruptible(async (signal) => {
    const folder = folderToResume(flags);
    if (folder === undefined) return actions.begin({ ...told, signal });
    requireAlone(flags);
    return actions.resume(folder, { ...flagOptions(resumableSchema, flags), ...told, signal });
  }).finally(() => progress.stop());
  process.stdout.write(flags.json ? `${printableJson(result)}\n` : format(result));
}

/** `--plan`: checks everything, and writes the commands. */
async function writePlan(flags: ExperimentFlags, { plan }: ExperimentActions): Promise<void> {
  const other = (['resume', 'collect'] as const).find((key) => flags[key] !== undefined);
  if (other !== undefined) throw invalidOption(`--${other} cannot accompany --plan: leave one out.`);
  const progress = new Progress();
  const result = await interruptible((signal) =>
    plan(folderOf('plan', flags), { signal, onWarning, onListed: progress.listing }),
  ).finally(() => progress.stop());
  process.stdout.write(flags.json ? `${printableJson(result)}\n` : formatPlan(result));
}

function formatPlan({ out, runs, files }: Plan): string {
  const there = printable(out);
  return `${runs.length} runs are planned in ${there}: ${files.join(', ')}
In that folder, run the lines of runs.txt in any order, anywhere: parallel < runs.txt, or sbatch array.sbatch
Then make the table, complete or not: ${printable(collectCommand('compare', out))}\n`;
}

/** `--collect`: the table, and what it lacks. */
async function collectRuns(flags: ExperimentFlags): Promise<void> {
  const folder = folderOf('collect', flags);
  requireAlone(flags, 'collect', 'the options of the plan', []);
  const result = await interruptible((signal) => collect(folder, { signal, onWarning }));
  process.stdout.write(flags.json ? `${printableJson(result)}\n` : format(result));
}

/** The folder given to a flag. */
function folderOf(flag: 'plan' | 'collect', flags: ExperimentFlags): string {
  const folder = flags[flag] as string;
  if (isPath(folder)) return folder;
  throw refused(`--${flag}`, folder, 'a folder');
}

function requireAlone(
  flags: ExperimentFlags,
  alone = 'resume',
  own = "the experiment's own options",
  others = Object.keys(resumableSchema.shape),
): void {
  const beside = [alone, 'json', ...others];
  const first = givenFlags(flags).find(([key]) => !beside.includes(key));
  if (first === undefined) return;
  const only = [...others, 'json'].map(labelOf);
  const list = only.length === 1 ? only[0] : `${only.slice(0, -1).join(', ')} and ${only.at(-1)}`;
  throw invalidOption(`${labelOf(first[0])} cannot accompany --${alone}, which goes on with ${own}: only ${list} can.`);
}

function format({ out, rows, conclusions, report, unfinished }: ExperimentResult): string {
  const { head, rows: cells } = experimentTable(rows);
  const missing = unfinishedLines(unfinished)
    .map((line) => `missing: ${line}\n`)
    .join('');
  const pictures = report === null ? '' : `The report is ${printable(report)}\n`;
  return `${[table(head, cells), ...conclusions].join('\n')}\nThe table is in ${printable(out)}/comparison.md, .csv and .json, the runs beside it.\n${pictures}${missing}`;
}
