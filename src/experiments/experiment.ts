import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import * as z from 'zod';
import { formatSplit } from '../data/split-file.js';
import { L2TError } from '../errors.js';
import { addon } from '../native/addon.js';
import { countParameters } from '../networks/describe.js';
import {
  aFunction,
  aListingListener,
  aMessageListener,
  aSignal,
  requirePath,
  takeOptions,
} from '../options/arguments.js';
import { absolutePath, defaultOf, type Given, required, type Written } from '../options/check.js';
import { collectCommand, resumeCommand } from '../options/command.js';
import { requireComputable } from '../options/consistent.js';
import { defaultBatch, defaultSize } from '../options/networks.js';
import { yamlOptions } from '../options/options-file.js';
import { parseRecord } from '../options/run-record.js';
import { compareSchema, transferSchema } from '../options/schemas.js';
import { differences, read } from '../options/spec.js';
import { serveLive } from '../report/live.js';
import { recordName, reportName } from '../report/run-files.js';
import { firstFree, removeLeftOvers, requireUnusedByRuns } from '../run/new-folder.js';
import { resume as resumeRun } from '../run/resume.js';
import type { Run, RunControl, RunResult } from '../run/run.js';
import { type CheckedTransferOptions, type TransferOptions, transfer } from '../run/transfer.js';
import { makeFolder, readText, writeFileAtomic } from '../system/files.js';
import { FolderLock, releaseAfter } from '../system/folder-lock.js';
import { parseJson } from '../system/json.js';
import { defaultThreads } from '../system/threads.js';
import { conclusionsOf } from './conclusions.js';
import { type Entry, type ExperimentOptions, folderName, titleOf } from './entries.js';
import { timeNetworks } from './inference-times.js';
import { type Common, preflight } from './preflight.js';
import { type Checking, type ExperimentKind, planName, prepare, runsName } from './prepare.js';
import { experimentReport } from './report.js';
import { type EntryOutcomes, type ExperimentRow, finishedOf, outcomeOf, type RunOutcome, rowsOf } from './row.js';
import { lanesFor, sideBySide } from './side-by-side.js';
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
}

/** Follows a run to its end; it may show the progress. */
export type Follow = (run: Run, label: string, seed: number) => Promise<RunResult>;

/** Options that only the API has. */
export interface ExperimentControl extends RunControl {
  /** Takes each run as it begins, instead of waiting for its result alone. */
  readonly follow?: Follow | undefined;
  /**
   * Called with the number of entries of the data folder listed so far, before the first run; only if listing takes
   * longer than half a second.
   */
  readonly onListed?: ((entries: number) => void) | undefined;
  /** Called with a message for each run that diverged; the others continue. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Called with the address of the live page (option `live`). */
  readonly onLive?: ((url: string) => void) | undefined;
}

export const experimentControls = {
  signal: aSignal,
  follow: aFunction<Follow>(),
  onWarning: aMessageListener,
  onListed: aListingListener,
  onLive: aMessageListener,
};

/** The options that may change when an experiment resumes. */
export const resumableSchema = compareSchema.pick({ parallel: true, live: true });

/** What the caller of a resumed experiment may say. */
export type ResumeControl = ExperimentControl & Written<typeof resumableSchema>;

/**
 * Checks everything in advance, writes the options for a resume, and runs every entry with every seed. `given` must fit
 * the schema of the kind. Without `out`, the folder is the first free one of RUNS/NAME-1, RUNS/NAME-2, …
 */
export async function beginExperiment<O extends ExperimentOptions>(
  kind: ExperimentKind<O>,
  { signal, follow, onWarning, onListed, onLive, check, ...given }: O & ExperimentControl & Pick<Checking, 'check'>,
  name: string = kind.verb,
  runs: string = absolutePath('runs'),
): Promise<ExperimentResult> {
  const { out: named } = given as ExperimentOptions;
  if (named !== undefined) await requireUnusedByRuns(named);
  const prepared = { ...given, signal, onListed, check } as unknown as O & Checking;
  const { options: checked, common } = await prepare(kind, prepared);
  // Recorded in full, so that a resume on another machine computes in the same way.
  const device = addon().device(checked.device ?? 'auto').device;
  // Chosen now, since the checks may take minutes, in which another experiment may begin.
  const out = named ?? firstFree(runs, name);
  requireComputable(checked, device, 1);
  const { division } = common.dataset;
  const options = {
    ...checked,
    device,
    threads: checked.threads ?? defaultThreads(),
    out: undefined,
    // The experiment's own copy: the given split file may be moved or removed.
    ...(division && { splitFile: resolve(out, splitName) }),
  };
  await makeFolder(out);
  return alone(out, onWarning, async () => {
    await requireUnusedByRuns(out);
    if (division) await writeFileAtomic(join(out, splitName), formatSplit(division));
    const { fingerprint, sources } = common;
    const shared: Shared = { fingerprint, sources };
    await writeFileAtomic(join(out, commonName), `${JSON.stringify(shared)}\n`);
    await writeFileAtomic(optionsFile(kind, out), stringify(options));
    return runAll(kind, out, kind.entries(options), options, { signal, follow, onWarning, onLive });
  });
}

/** Locks the folder during `body`, and removes what killed processes left in it. */
export async function alone<T>(
  out: string,
  onWarning: ExperimentControl['onWarning'],
  body: () => Promise<T>,
): Promise<T> {
  return releaseAfter(await FolderLock.acquire(out, onWarning), async () => {
    await removeLeftOvers(out);
    return body();
  });
}

/**
 * Continues an experiment: finished runs are read, interrupted ones resume, the others begin. `parallel` may change.
 */
export async function resumeExperiment<O extends ExperimentOptions>(
  kind: ExperimentKind<O>,
  folder: string,
  given?: ResumeControl,
): Promise<ExperimentResult> {
  const out = requireExperimentFolder(folder);
  const { options: changes, control } = takeOptions(resumableSchema, given, experimentControls);
  if (!holdsExperiment(kind.verb, out)) {
    const other = kind.verb === 'compare' ? 'curve' : 'compare';
    const problem = existsSync(join(out, planName))
      ? `holds a plan: run the lines of its ${runsName}, then ${collectCommand(kind.verb, out)}`
      : holdsExperiment(other, out)
        ? `was begun by l2t-native ${other}: ${resumeCommand(other, out)} goes on with it`
        : `holds no experiment: there is no ${optionsFile(kind, out)}`;
    throw new L2TError('INVALID_RUN', `${out} ${problem}.`);
  }
  return alone(out, control.onWarning, () => goOn(kind, out, changes, control));
}

async function goOn<O extends ExperimentOptions>(
  kind: ExperimentKind<O>,
  out: string,
  changes: Given<typeof resumableSchema>,
  control: ExperimentControl,
): Promise<ExperimentResult> {
  const options = { ...((await yamlOptions(kind.schema, optionsFile(kind, out))) as O), ...changes };
  const entries = kind.entries(options);
  const before = await readShared(out);
  requireSame(out, before, await preflight(entries, control), options);
  const { seeds = defaultOf(compareSchema, 'seeds') } = options;
  for (const entry of entries) {
    for (const seed of Array(seeds).keys())
      await requirePlanned(join(out, folderName(entry, seed)), { ...entry.options, seed });
  }
  return runAll(kind, out, entries, options, control);
}

/** @throws L2TError INVALID_RUN if the folder holds a run with other options than its experiment's. */
async function requirePlanned(folder: string, planned: CheckedTransferOptions): Promise<void> {
  const file = join(folder, recordName);
  if (!existsSync(file)) return;
  const { spec } = parseRecord(await readText(file), file);
  const flags = differences(spec, read(planned), { ignorePaths: true }).map((name) => `{${name}}`);
  if (flags.length === 0) return;
  throw new L2TError(
    'INVALID_RUN',
    `${folder} was begun with other options than the experiment has now (${flags.join(', ')}): put them back, or remove the folder.`,
  );
}

export const requireExperimentFolder = (out: unknown): string => requirePath(out, "The experiment's folder");

export const splitName = 'split.json';
const commonName = 'experiment.json';
const optionsFile = ({ verb }: { readonly verb: string }, out: string): string => join(out, `${verb}.yaml`);

export const holdsExperiment = (verb: ExperimentKind<ExperimentOptions>['verb'], out: string): boolean =>
  existsSync(optionsFile({ verb }, out));

/** What all runs share. */
const sharedSchema = z.strictObject({
  fingerprint: z.string(),
  sources: z.record(z.string(), z.string()),
});
type Shared = z.output<typeof sharedSchema>;

async function readShared(out: string): Promise<Shared> {
  const file = join(out, commonName);
  if (!existsSync(file)) throw new L2TError('INVALID_RUN', `${file} is missing: begin again in another folder.`);
  const text = await readText(file);
  try {
    return sharedSchema.parse(parseJson(text));
  } catch (cause) {
    throw new L2TError('INVALID_RUN', `${file} is damaged: begin again in another folder.`, { cause });
  }
}

/** Requires unchanged data and sources: all rows of a table must have the same. */
function requireSame(out: string, parsed: Shared, { fingerprint, sources }: Common, { data }: ExperimentOptions): void {
  const changed = [
    ...(parsed.fingerprint === fingerprint ? [] : [`the data in ${data}`]),
    ...Object.keys(sources).filter((path) => parsed.sources[path] !== sources[path]),
  ];
  if (changed.length === 0) return;
  throw new L2TError(
    'INVALID_RUN',
    `Since ${out} began, ${changed.join(' and ')} changed: put it back, or begin again.`,
  );
}

/**
 * The default number of runs in parallel: as many as there is room for of the largest. On a GPU it is one, since
 * several would share its memory.
 */
export function defaultParallel(entries: readonly Entry[]): number {
  const lanes = entries.map(({ options }) => {
    if (addon().device(options.device ?? 'auto').device !== 'cpu') return 1;
    const name = required(transferSchema, options, 'target');
    const { size = defaultSize(name), threads = defaultThreads(), width = 1, innerSteps = 2 } = options;
    const { batch = defaultBatch(size) } = options;
    const parameters = countParameters({ name, classes: 1000, width });
    return lanesFor({ threads, batch, size, width, parameters, innerSteps });
  });
  return Math.min(...lanes);
}

async function runAll(
  kind: { readonly verb: string },
  out: string,
  entries: readonly Entry[],
  options: ExperimentOptions,
  control: ExperimentControl,
): Promise<ExperimentResult> {
  const { seeds = defaultOf(compareSchema, 'seeds'), device, threads, live } = options;
  const page = live === undefined || live === false ? undefined : await serveLive([out], live === true ? 0 : live);
  if (page) control.onLive?.(page.url);
  const rows = entries.map((entry) => ({ entry, outcomes: new Array<RunOutcome | undefined>(seeds).fill(undefined) }));
  try {
    await runEach(rows, out, options, control);
    // No run competes for the machine any more.
    const trained = rows.flatMap(({ outcomes }) => finishedOf(upToGap(outcomes)));
    const timesOf = await timeNetworks(trained, { device, threads, signal: control.signal });
    const finished = rowsOf(known(rows), timesOf);
    await saveTable(out, finished);
    const report = options.report === false ? null : await saveReport(out, control);
    return { out, rows: finished, conclusions: conclusionsOf(finished), report };
  } catch (error) {
    throw interrupted(kind, out, error);
  } finally {
    await page?.close();
  }
}

/** All runs are done, so a report that cannot be made is a warning. */
export async function saveReport(out: string, { onWarning }: ExperimentControl): Promise<string | null> {
  const file = join(out, reportName);
  try {
    await writeFileAtomic(file, await experimentReport(out));
    return file;
  } catch (error) {
    onWarning?.(`there is no report: ${(error as Error).message}`);
    return null;
  }
}

/** An entry with its outcomes by seed, filled in as runs end. */
type Filling = { readonly entry: Entry; readonly outcomes: (RunOutcome | undefined)[] };

async function runEach(
  rows: readonly Filling[],
  out: string,
  { parallel = defaultParallel(rows.map(({ entry }) => entry)) }: ExperimentOptions,
  { signal, follow = (run) => run.result, onWarning }: ExperimentControl,
): Promise<void> {
  const jobs = rows.flatMap((row) => row.outcomes.map((_, seed) => ({ ...row, seed })));
  let saved: Promise<void> = Promise.resolve();
  await sideBySide(parallel, jobs, signal, async ({ entry, outcomes, seed }, stop) => {
    const folder = join(out, folderName(entry, seed));
    const run = startRun(entry, seed, folder, stop);
    // If `follow` itself fails, the run is aborted and `result` is not awaited: its rejection must be handled.
    run.result.catch(() => {});
    const result = follow(run, titleOf(entry), seed).then(outcomeOf);
    outcomes[seed] = await result.catch((error: unknown) => unlessDiverged(error, entry, seed, folder, onWarning));
    // The table is saved after each run, by one writer at a time.
    saved = saved.then(() => saveTable(out, rowsOf(known(rows))));
    await saved;
  });
}

/** Entries with an outcome before their first gap. */
const known = (all: readonly Filling[]): EntryOutcomes[] =>
  all
    .map(({ entry, outcomes }) => ({ entry, outcomes: upToGap(outcomes) }))
    .filter(({ outcomes }) => outcomes.length > 0);

/**
 * The outcomes before the first gap. If a later seed is done first, it waits, so that the table's columns are seeds.
 */
function upToGap(outcomes: readonly (RunOutcome | undefined)[]): RunOutcome[] {
  const gap = outcomes.indexOf(undefined);
  return outcomes.slice(0, gap === -1 ? undefined : gap) as RunOutcome[];
}

function startRun({ options }: Entry, seed: number, folder: string, signal: AbortSignal): Run {
  const begun = existsSync(join(folder, recordName));
  return begun
    ? resumeRun(folder, { signal })
    : transfer({ ...(options as TransferOptions), seed, out: folder, signal });
}

/** A diverged run is a result. Any other failure is thrown with the name of its run, and ends the experiment. */
function unlessDiverged(
  error: unknown,
  entry: Entry,
  seed: number,
  run: string,
  onWarning: ExperimentControl['onWarning'],
): RunOutcome {
  if (!(error instanceof L2TError) || error.code === 'ABORTED') throw error;
  const message = `${titleOf(entry)}, seed ${seed} (${run}): ${error.message}`;
  if (error.code !== 'DIVERGED') throw new L2TError(error.code, message.split('\n'), { cause: error });
  onWarning?.(message);
  return { run, ended: 'diverged' };
}

/** Makes the message of an abort name the experiment, not the run in it. */
function interrupted({ verb }: { readonly verb: string }, out: string, error: unknown): unknown {
  if (!(error instanceof L2TError) || error.code !== 'ABORTED') return error;
  const message = `The experiment was interrupted; all is saved. Continue it with: ${resumeCommand(verb, out)}`;
  return new L2TError('ABORTED', message, { cause: error.cause });
}
