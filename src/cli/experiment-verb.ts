import type { Command } from 'commander';
import {
  collect,
  type ExperimentResult,
  type Plan,
  type ResumeControl,
  resumableSchema,
} from '../experiments/experiment.js';
import type { Follow } from '../experiments/pool.js';
import { unfinishedLines } from '../experiments/run-states.js';
import { experimentTable } from '../experiments/table.js';
import { isPath, refused, type Schema } from '../options/check.js';
import { collectCommand } from '../options/command.js';
import type { RunEvent } from '../run/events.js';
import { invalidOption } from '../system/failures.js';
import { printable, printableJson } from '../system/printable.js';
import { addFlags, type Flags, flagOptions, folderToResume, mergedOptions, requireAlone } from './flags.js';
import { requireNoLauncher } from './group-flags.js';
import { interruptible } from './interrupt.js';
import { addJsonFlags, printJsonLine, withLastLine } from './json-lines.js';
import { withProgress } from './progress.js';
import { Stage } from './stage.js';
import { table } from './table.js';

/** Adds an experiment's options, and the flags that all experiments have. `defaults` as in `addFlags`. */
export function addExperimentFlags(command: Command, schema: Schema, defaults?: string): Command {
  addFlags(command, schema, defaults)
    .option('--config <file.yaml>', 'options from a YAML file; flags go over them')
    .option('--resume <folder>', 'continue an interrupted experiment')
    .option(
      '--plan <folder>',
      'run nothing: write the runs as commands for any scheduler, one a line of runs.txt, and a script for sbatch',
    )
    .option('--collect <folder>', 'make the table of an experiment that was planned, from the runs that are finished');
  return addJsonFlags(command);
}

const besideResume = ['json', 'jsonLines', ...Object.keys(resumableSchema.shape)];

const onWarning = (message: string) => process.stderr.write(`warning: ${printable(message)}\n`);

/** The actions of an experiment's verb. */
interface ExperimentActions<Options, PlanOptions> {
  begin(options: Options): Promise<ExperimentResult>;
  resume(out: string, control: ResumeControl): Promise<ExperimentResult>;
  plan(folder: string, options: PlanOptions): Promise<Plan>;
}

/** Runs the verb of an experiment, with progress, Ctrl-C and the table. */
export async function runExperiment<Options, PlanOptions>(
  schema: Schema,
  flags: Flags,
  actions: ExperimentActions<Options, PlanOptions>,
): Promise<void> {
  if (flags.jsonLines && (flags.plan ?? flags.collect) !== undefined)
    throw invalidOption('--json-lines prints the events of runs, and nothing runs here: use --json.');
  if (flags.plan !== undefined) return writePlan(schema, flags, actions.plan);
  if (flags.collect !== undefined) return collectRuns(flags);
  requireNoLauncher();
  const body = () =>
    withProgress(async (progress, signal) => {
      const follow: Follow = (run, label, seed) => {
        progress.stop();
        const also = (event: RunEvent) => printJsonLine({ label, seed, ...event });
        return new Stage(`${label}, seed ${seed}`).follow(run, flags.jsonLines ? also : undefined);
      };
      const control = { signal, follow, onWarning, onListed: progress.listing, onTested: progress.data };
      const folder = folderToResume(flags);
      if (folder === undefined)
        return actions.begin({ ...(await mergedOptions(schema, flags)), ...control } as Options);
      requireAlone(flags, 'resume', "the experiment's own options", besideResume);
      return actions.resume(folder, { ...flagOptions(resumableSchema, flags), ...control });
    });
  if (flags.jsonLines) return withLastLine(body);
  const result = await body();
  process.stdout.write(flags.json ? `${printableJson(result)}\n` : format(result));
}

/** Does `--plan`: checks everything, and writes the commands. */
async function writePlan<PlanOptions>(
  schema: Schema,
  flags: Flags,
  plan: ExperimentActions<unknown, PlanOptions>['plan'],
): Promise<void> {
  const other = (['resume', 'collect'] as const).find((key) => flags[key] !== undefined);
  if (other !== undefined) throw invalidOption(`--${other} cannot accompany --plan: leave one out.`);
  const result = await withProgress(async ({ listing, data }, signal) => {
    const folder = folderOf('plan', flags);
    const control = { signal, onWarning, onListed: listing, onTested: data };
    return plan(folder, { ...(await mergedOptions(schema, flags)), ...control } as PlanOptions);
  });
  process.stdout.write(flags.json ? `${printableJson(result)}\n` : formatPlan(result));
}

function formatPlan({ out, runs, files }: Plan): string {
  const folder = printable(out);
  return `${runs.length} runs are planned in ${folder}: ${files.join(', ')}
In that folder, run the lines of runs.txt in any order, anywhere: parallel < runs.txt, or sbatch array.sbatch
Then make the table, complete or not: ${printable(collectCommand('compare', out))}\n`;
}

/** Does `--collect`: prints the table, and the runs that it lacks. */
async function collectRuns(flags: Flags): Promise<void> {
  const folder = folderOf('collect', flags);
  requireAlone(flags, 'collect', 'the options of the plan', ['json']);
  const result = await interruptible((signal) => collect(folder, { signal, onWarning }));
  process.stdout.write(flags.json ? `${printableJson(result)}\n` : format(result));
}

/** Returns the folder given to a flag. */
function folderOf(flag: 'plan' | 'collect', flags: Flags): string {
  const folder = flags[flag] as string;
  if (isPath(folder)) return folder;
  throw refused(`--${flag}`, folder, 'a folder');
}

function format({ out, rows, conclusions, report, unfinished }: ExperimentResult): string {
  const { head, rows: cells } = experimentTable(rows);
  const missing = unfinishedLines(unfinished)
    .map((line) => `missing: ${line}\n`)
    .join('');
  const pictures = report === null ? '' : `The report is ${printable(report)}\n`;
  return `${[table(head, cells), ...conclusions].join('\n')}\nThe table is in ${printable(out)}/comparison.md, .csv and .json, the runs beside it.\n${pictures}${missing}`;
}
