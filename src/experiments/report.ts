import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import * as z from 'zod';
import { decisionsName } from '../networks/checkpoint.js';
import { aSignal, requirePath, takeOptions } from '../options/arguments.js';
import type { Written } from '../options/check.js';
import type { OwnHelp } from '../options/option-help.js';
import { reportSchema } from '../options/schemas.js';
import { document, type Page, type Status } from '../report/page/document.js';
import { runReport } from '../report/run-report.js';
import { holderOf } from '../store/lock.js';
import { planName } from '../store/new-folder.js';
import { readRunData, recordName, reportName } from '../store/run-data.js';
import { invalidOption, invalidRun } from '../system/failures.js';
import { readText, writeFileAtomic } from '../system/files.js';
import { parseJson } from '../system/json.js';
import { defaultThreads } from '../system/threads.js';
import { comparisonPage } from './comparison-page.js';
import { readPlan, runsOf } from './plan.js';
import { type ExperimentRow, rowsOf } from './row.js';
import { runStates } from './run-states.js';

/** `l2t-native report --help` says what each option is. */
export type ReportOptions = Written<typeof reportSchema, never, OwnHelp['report']> & {
  /** Ends the work with L2TError ABORTED; no file is written. */
  readonly signal?: AbortSignal | undefined;
};

/**
 * Writes the report of a run or of an experiment: one HTML file that needs no network and nothing beside it. Parts for
 * which data or sources are gone or changed are left out, and the file says which. The run may be in progress.
 * @returns The file's path: `out`, or report.html in the folder.
 * @throws L2TError INVALID_RUN if the folder holds no run and no experiment, or is damaged; INVALID_OPTION,
 * DEVICE_UNAVAILABLE, FILE_ACCESS, ABORTED.
 */
export async function report(folder: string, given: ReportOptions = {}): Promise<string> {
  const path = requirePath(folder, 'The folder of the run');
  const { options, control } = takeOptions(reportSchema, given, { signal: aSignal });
  const { out = join(path, reportName), device = 'auto', threads = defaultThreads() } = options;
  if (existsSync(join(path, recordName))) {
    await writeFileAtomic(out, await runReport(path, { device, threads, ...control }));
    return out;
  }
  const page = await experimentPage(path, (await holderOf(path)) === undefined ? undefined : 'running');
  const useless = (['device', 'threads'] as const).find((key) => options[key] !== undefined);
  if (useless !== undefined) {
    throw invalidOption(
      `{${useless}} is for the report of a run: that of an experiment computes nothing, so leave it out.`,
    );
  }
  await writeFileAtomic(out, await document(page));
  return out;
}

const comparisonName = 'comparison.json';

/** Fields of a row that the page reads. */
const row = z.looseObject({
  label: z.string(),
  method: z.string().nullable(),
  accuracies: z.array(z.number().nullable()),
  missing: z.array(z.int()).optional(),
  mean: z.number().nullable(),
  learningRates: z.array(z.number()),
  parameters: z.number().nullable(),
  msPerStep: z.number().nullable(),
  seconds: z.number().nullable(),
  inference: z.looseObject({ batch1: z.number(), batch32: z.number() }).nullable(),
  runs: z.array(z.string()),
});

/**
 * Returns the page of an experiment's folder. `state`: from the experiment's process; undefined: as its runs show.
 * @throws L2TError INVALID_RUN, FILE_ACCESS.
 */
export async function experimentPage(folder: string, state?: Status['state']): Promise<Page> {
  const plan = existsSync(join(folder, planName)) ? await readPlan(folder) : undefined;
  const file = join(folder, comparisonName);
  if (!existsSync(file) && plan === undefined) {
    const problem = existsSync(join(folder, decisionsName))
      ? 'is the folder of train, which writes its report at its end'
      : existsSync(folder)
        ? 'holds no run and no experiment'
        : 'does not exist';
    throw invalidRun(`${folder} ${problem}: name a run folder, or an experiment's.`);
  }
  const table = existsSync(file) ? parseRows(await readText(file), file) : [];
  const states = plan ? await runStates(plan, runsOf(plan, folder), undefined) : [];
  // The table may be older than its runs. It alone has the speed of the networks.
  const timeOf = (row: ExperimentRow) =>
    table.find(({ label, perClass }) => label === row.label && perClass === row.perClass)?.inference ?? null;
  const rows = plan ? rowsOf(plan, states).map((row) => ({ ...row, inference: timeOf(row) })) : table;
  const unfinished = states.flatMap((each) => each.unfinished ?? []);
  // A run is looked for in the folder itself, since the folder may have been moved.
  const names = rows.flatMap(({ runs }) => runs.map((run) => join(folder, basename(run))));
  const runs = await Promise.all(names.filter((run) => existsSync(join(run, recordName))).map(readRunData));
  const running = unfinished.some((run) => run.state === 'running');
  const shown = running ? 'running' : unfinished.length > 0 ? 'interrupted' : 'finished';
  return comparisonPage({ folder, verb: plan?.verb ?? 'compare', state: state ?? shown, rows, runs, unfinished });
}

function parseRows(text: string, file: string): ExperimentRow[] {
  try {
    return z.array(row).parse(parseJson(text)) as unknown as ExperimentRow[];
  } catch (cause) {
    throw invalidRun(`${file} is damaged: resume the experiment, which writes it again.`, cause);
  }
}
