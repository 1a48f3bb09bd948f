import { join } from 'node:path';
import * as z from 'zod';
import type { ListingOptions } from '../data/layout-reader.js';
import { L2TError } from '../errors.js';
import { addon } from '../native/addon.js';
import {
  aFunction,
  aListingListener,
  aMessageListener,
  aProgressListener,
  aSignal,
  requirePath,
  takeOptions,
} from '../options/arguments.js';
import { absolutePath, type Written } from '../options/check.js';
import { resumeCommand } from '../options/command.js';
import { requireComputable } from '../options/consistent.js';
import { needsOfRow } from '../options/methods.js';
import { compareSchema } from '../options/schemas.js';
import { document, GrowingPage, type Status } from '../report/page/document.js';
import { requireComplete } from '../run/missing.js';
import type { RunControl } from '../run/run.js';
import { FolderLock, releaseAfter } from '../store/lock.js';
import { firstFree, removeLeftOvers, requireUnusedByRuns } from '../store/new-folder.js';
import { reportName } from '../store/run-data.js';
import { invalidOption, invalidRun } from '../system/failures.js';
import { makeFolder, writeFileAtomic } from '../system/files.js';
import { defaultThreads } from '../system/threads.js';
import { conclusionsOf } from './conclusions.js';
import { type ExperimentKind, type ExperimentOptions, requireUseful } from './entries.js';
import { type TimesOf, timeNetworks } from './inference-times.js';
import type { TestControl } from './other-networks.js';
import {
  type Experiment,
  type PlannedRow,
  type PlannedRun,
  readPlan,
  runsOf,
  sourceRunsOf,
  writePlan,
} from './plan.js';
import { defaultParallel, type Follow, openRuns, type PoolControl, runOpen } from './pool.js';
import {
  type Checking,
  preflight,
  prepareExperiment,
  requireComputableThere,
  requireFreeOfRuns,
  requireUnchanged,
  seedsOf,
} from './preflight.js';
import { experimentPage } from './report.js';
import { type ExperimentRow, finishedOf, rowsOf } from './row.js';
import { type RunState, runStates, type UnfinishedRun, unfinishedLines } from './run-states.js';
import { saveTable } from './table.js';

/** The result of an experiment. */
export interface ExperimentResult {
  /** Absolute path of the folder with the table (comparison.md, .csv, .json) and the run folders. */
  readonly out: string;
  /** The rows of the table, in the order of the methods; of a curve, by number of images, then method. */
  readonly rows: readonly ExperimentRow[];
  /**
   * How far the best method is ahead of the next, and whether the seeds settle it: one sentence, or for a curve one for
   * each number of images a class; none if fewer than two methods finished a run.
   */
  readonly conclusions: readonly string[];
  /** The report, one HTML file in `out`; null if there is none. */
  readonly report: string | null;
  /** The runs that the table lacks: in `collect`, the unfinished ones; else those on which other processes work. */
  readonly unfinished: readonly UnfinishedRun[];
}

/** An experiment that was planned: its files are written, and nothing has run. */
export interface Plan {
  /** The folder. */
  readonly out: string;
  /** The commands, one a run, to be run in that folder, in any order and anywhere. */
  readonly runs: readonly string[];
  /** The files in the folder: plan.yaml, runs.txt, array.sbatch, and split.json if a split file was given. */
  readonly files: readonly string[];
}

/** Options that only the API has. */
export interface ExperimentControl extends RunControl, ListingOptions, PoolControl, TestControl {}

/** Options of a plan that only the API has. */
export type PlanControl = Pick<ExperimentControl, 'signal' | 'onWarning' | 'onListed' | 'onTested'>;

/** Options of `collect`. `onWarning` also receives what else is worth knowing. */
export type CollectControl = Pick<ExperimentControl, 'signal' | 'onWarning'>;

const collectControls = { signal: aSignal, onWarning: aMessageListener };
export const planControls = { ...collectControls, onListed: aListingListener, onTested: aProgressListener };
export const experimentControls = { ...planControls, follow: aFunction<Follow>() };

/** The options that may change when an experiment resumes. */
export const resumableSchema = compareSchema.pick({ parallel: true });

/** Options of a resumed experiment. */
export type ResumeControl = ExperimentControl & Written<typeof resumableSchema>;

/** Requires the options that the methods of an experiment read. */
function requireAll(kind: ExperimentKind, options: ExperimentOptions, { signal }: PlanControl): Promise<void> {
  const needs = kind
    .entries(options)
    .map(({ label, method }) => needsOfRow(label === 'finetune-source' ? label : method));
  const [source, start] = [needs.some((each) => each.source), needs.some((each) => each.start)];
  return requireComplete(kind.verb, kind.schema, options, { source, start }, signal);
}

/**
 * Checks everything in advance, plans the experiment, and runs it. `options` must fit the schema of the kind. Without
 * `out`, the folder is the first free one of RUNS/NAME-1, RUNS/NAME-2, …
 */
export async function beginExperiment(
  kind: ExperimentKind,
  options: ExperimentOptions,
  control: ExperimentControl & Checking,
  name: string = kind.verb,
  runs: string = absolutePath('runs'),
): Promise<ExperimentResult> {
  await requireAll(kind, options, control);
  if (options.out !== undefined) await requireUnusedByRuns(options.out);
  // Device and threads are recorded, so that a resume on another machine computes in the same way.
  const device = addon().device(options.device ?? 'auto').device;
  requireComputable(options, device, 1);
  const located = { ...options, device, threads: options.threads ?? defaultThreads() };
  const prepared = await prepareExperiment(kind, located, control);
  // The folder is chosen now: during the checks, which may take minutes, another experiment may begin.
  const out = options.out ?? firstFree(runs, name);
  await makeFolder(out);
  return withLock(out, control.onWarning, async () => {
    await requireUnusedByRuns(out);
    const { experiment, division } = prepared(out);
    await writePlan(out, experiment, division);
    return runAll(out, experiment, {}, control, true);
  });
}

/** Begins an experiment with the options argument of its API call. */
export async function beginChecked(kind: ExperimentKind, callerOptions: unknown): Promise<ExperimentResult> {
  const { options, control } = takeOptions(kind.schema, callerOptions, experimentControls);
  requireUseful(kind.entries(options), options);
  return beginExperiment(kind, options, control);
}

/** Plans an experiment with the options argument of its API call. */
export async function planChecked(kind: ExperimentKind, folder: string, callerOptions: unknown): Promise<Plan> {
  const { options, control } = takeOptions(kind.schema, callerOptions, planControls);
  requireUseful(kind.entries(options), options);
  return planExperiment(kind, folder, options, control);
}

/** Options that apply in one process alone. */
const ofOneProcess = ['out', 'parallel'] as const;

/**
 * Checks the experiment as if it began, and writes it into `folder` as commands that any scheduler may run.
 * @throws L2TError as the experiment; INVALID_RUN if the folder holds an experiment already.
 */
export async function planExperiment(
  kind: ExperimentKind,
  folder: string,
  options: ExperimentOptions,
  control: PlanControl & Checking,
): Promise<Plan> {
  const out = requirePath(folder, 'The folder of the plan');
  const refused = ofOneProcess.find((key) => options[key] !== undefined);
  if (refused !== undefined) {
    throw invalidOption(
      `{${refused}} cannot accompany a plan, whose runs begin elsewhere, each in its own folder below ${out}: leave it out.`,
    );
  }
  await requireAll(kind, options, control);
  requireFreeOfRuns(kind.entries(options), seedsOf(options), out);
  requireComputableThere(options);
  const prepared = await prepareExperiment(kind, options, control);
  await makeFolder(out);
  return withLock(out, control.onWarning, async () => {
    const { experiment, division } = prepared(out);
    requireFreeOfRuns(experiment.rows, experiment.seeds, out);
    return { out, ...(await writePlan(out, experiment, division)) };
  });
}

/** Locks the folder during `body`, and removes what killed processes left in it. */
async function withLock<T>(out: string, onWarning: PlanControl['onWarning'], body: () => Promise<T>): Promise<T> {
  return releaseAfter(await FolderLock.acquire(out, onWarning), async () => {
    await removeLeftOvers(out);
    return body();
  });
}

/**
 * Continues an experiment of this verb, or of any: finished runs are read, interrupted ones resume, the others begin.
 * `parallel` may change.
 */
export async function resumeExperiment(
  verb: Experiment['verb'] | undefined,
  folder: string,
  argument?: ResumeControl,
): Promise<ExperimentResult> {
  const out = requirePath(folder, "The experiment's folder");
  const { options, control } = takeOptions(resumableSchema, argument, experimentControls);
  const experiment = await readPlan(out);
  if (verb !== undefined && experiment.verb !== verb) {
    const command = resumeCommand(experiment.verb, out);
    throw invalidRun(`${out} was begun by l2t-native ${experiment.verb}: ${command} goes on with it.`);
  }
  return withLock(out, control.onWarning, () => runAll(out, experiment, options, control, false));
}

/** Milliseconds between two writes of an experiment's page while it goes on. */
const pageEvery = 10_000;

/** Does the runs that are not done. `checked`: the data and the sources were checked just now. */
async function runAll(
  out: string,
  experiment: Experiment,
  { parallel = experiment.parallel }: Pick<ExperimentOptions, 'parallel'>,
  control: ExperimentControl,
  checked: boolean,
): Promise<ExperimentResult> {
  const runs = runsOf(experiment, out);
  const states = await runStates(experiment, runs, control.onWarning);
  const open = await openRuns(states);
  const needed = sourceRunsOf(open.map((k) => runs[k] as PlannedRun));
  const sources = await runStates(experiment, needed, control.onWarning);
  const foreign = [...sources, ...states].find((state) => state.foreign);
  if (foreign?.foreign) throw foreign.foreign;
  if (!checked && open.length > 0) requireUnchanged(out, experiment, await preflight(experiment.rows, control));
  const lanes =
    parallel ?? defaultParallel([...needed.map(({ row }) => row), ...experiment.rows].map(({ spec }) => spec));
  const page = experiment.report ? new GrowingPage(join(out, reportName), control.onWarning) : undefined;
  const draw = async (state: Status['state'], last = false) => page?.write(() => experimentPage(out, state), last);
  try {
    const train = async () => {
      // Sources come first, so that no run waits for its source while it takes a lane.
      await runOpen(sources, await openRuns(sources), lanes, control, async () => {});
      await runOpen(states, open, lanes, control, async () => void (await save(out, experiment, states)));
    };
    await repeatedly(() => draw('running'), pageEvery, train);
    return await finish(out, experiment, states, control);
  } catch (error) {
    const aborted = error instanceof L2TError && error.code === 'ABORTED';
    await draw(aborted ? 'interrupted' : 'failed', true);
    if (!aborted) throw error;
    const command = resumeCommand(experiment.verb, out);
    const message = `The experiment was interrupted; all is saved. Continue it with: ${command}`;
    throw new L2TError('ABORTED', message, { cause: error.cause });
  }
}

/** Calls `act` now and every `every` milliseconds, never twice at once, until `body` is over. */
async function repeatedly<T>(act: () => Promise<void>, every: number, body: () => Promise<T>): Promise<T> {
  await act();
  let acting = Promise.resolve();
  const timer = setInterval(() => {
    acting = acting.then(act);
  }, every);
  try {
    return await body();
  } finally {
    clearInterval(timer);
    await acting;
  }
}

/**
 * Makes the table of an experiment from the runs that are finished, wherever they ran, and writes comparison.md, .csv
 * and .json into its folder. The networks' speed is measured once all runs have ended.
 * @throws L2TError INVALID_RUN if the folder holds no experiment, or is damaged; FILE_ACCESS; ABORTED.
 */
export async function collect(folder: string, callerOptions: CollectControl = {}): Promise<ExperimentResult> {
  const out = requirePath(folder, 'The folder of the plan');
  const { control } = takeOptions(z.strictObject({}), callerOptions, collectControls);
  const experiment = await readPlan(out);
  return withLock(out, control.onWarning, async () =>
    finish(out, experiment, await runStates(experiment, runsOf(experiment, out), control.onWarning), control),
  );
}

/** Writes the table, with the networks' speed if all runs have ended, and the report. */
async function finish(
  out: string,
  experiment: Experiment,
  states: readonly RunState[],
  control: CollectControl,
): Promise<ExperimentResult> {
  const unfinished = states.flatMap((state) => state.unfinished ?? []);
  const { device, threads } = (experiment.rows[0] as PlannedRow).spec;
  // No run competes for the machine any more.
  const trained = finishedOf(states.map(({ outcome }) => outcome));
  const times =
    unfinished.length > 0 ? undefined : await timeNetworks(trained, experiment.with, { device, threads }, control);
  const rows = await save(out, experiment, states, times);
  const report = experiment.report ? await saveReport(out, control) : null;
  return { out, rows, conclusions: conclusionsOf(rows), report, unfinished };
}

/** Writes the table as far as it is known. */
async function save(
  out: string,
  experiment: Experiment,
  states: readonly RunState[],
  timesOf?: TimesOf,
): Promise<ExperimentRow[]> {
  const rows = rowsOf(experiment, states, timesOf);
  const lines = unfinishedLines(states.flatMap(({ unfinished }) => unfinished ?? [])).map((line) => `- ${line}`);
  await saveTable(out, rows, lines.length > 0 ? ['Missing or failed:', lines.join('\n')] : []);
  return rows;
}

/** Writes the report. All runs are done, so a report that cannot be made is a warning. */
async function saveReport(out: string, { onWarning }: CollectControl): Promise<string | null> {
  const file = join(out, reportName);
  try {
    await writeFileAtomic(file, await document(await experimentPage(out)));
    return file;
  } catch (error) {
    onWarning?.(`there is no report: ${(error as Error).message}`);
    return null;
  }
}
