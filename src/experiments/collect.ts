import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { L2TError } from '../errors.js';
import { aMessageListener, aSignal, takeOptions } from '../options/arguments.js';
import { differences, read } from '../options/spec.js';
import { type RunData, readRunData } from '../report/run-data.js';
import { readFailure, recordName } from '../report/run-files.js';
import { holderOf } from '../system/folder-lock.js';
import { printable } from '../system/printable.js';
import { comparison } from './compare.js';
import { conclusionsOf } from './conclusions.js';
import { limitedData } from './curve.js';
import { type Entry, type ExperimentOptions, folderName, titleOf } from './entries.js';
import { alone, type ExperimentResult, saveReport } from './experiment.js';
import { timeNetworks } from './inference-times.js';
import { plannedOptions, type ReadPlan, readPlan, requirePlanFolder, seedsOf } from './plan.js';
import type { ExperimentKind } from './prepare.js';
import { type FinishedRun, finishedOf, type RunOutcome, requireTested, rowsOf } from './row.js';
import { saveTable } from './table.js';

/** A run without a result, of an experiment that was collected. */
export interface UnfinishedRun {
  /** Its folder. */
  readonly run: string;
  /** The method as it was listed, and the images a class if rows differ in them. */
  readonly title: string;
  /** Its seed. */
  readonly seed: number;
  /** How far it is. */
  readonly state: 'not begun' | 'running' | 'interrupted' | 'failed';
  /** How many epochs are done, who works on it, or why it failed. */
  readonly why: string;
}

/** The table of an experiment whose runs were made elsewhere. */
export interface CollectedExperiment extends ExperimentResult {
  /** The runs that the table lacks. */
  readonly unfinished: readonly UnfinishedRun[];
}

/** Options of `collect`. */
export interface CollectControl {
  /** Ends the work with L2TError ABORTED. */
  readonly signal?: AbortSignal | undefined;
  /** Called with a message for each run that diverged, and for what else is worth knowing. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * Makes the table of an experiment that was planned (`planComparison` and others) from the runs that are finished, and
 * writes comparison.md, .csv and .json into its folder. Apart from measured times, they are those that `compare` writes.
 * The networks' speed is measured once all runs have ended.
 * @throws L2TError INVALID_RUN if the folder holds no plan, or is damaged; FILE_ACCESS; ABORTED.
 */
export async function collect(folder: string, given: CollectControl = {}): Promise<CollectedExperiment> {
  const out = requirePlanFolder(folder);
  const { control } = takeOptions(z.strictObject({}), given, { signal: aSignal, onWarning: aMessageListener });
  const plan = await readPlan(out);
  const [entries, options] = plan.verb === 'curve' ? planned(limitedData) : planned(comparison);
  function planned<O extends ExperimentOptions>(kind: ExperimentKind<O>): [Entry[], ExperimentOptions] {
    const checked = plannedOptions(kind, plan, out);
    return [kind.entries(checked), checked];
  }
  return alone(out, control.onWarning, () => tabulate(out, plan, entries, options, control));
}

async function tabulate(
  out: string,
  plan: ReadPlan,
  entries: readonly Entry[],
  options: ExperimentOptions,
  control: CollectControl,
): Promise<CollectedExperiment> {
  const found = await new Finder(out, plan, control.onWarning).all(entries, seedsOf(options));
  const unfinished = found.flatMap(({ runs }) => runs.flatMap((run) => ('state' in run ? [run] : [])));
  const outcomes = found.map(({ entry, runs }) => ({ entry, outcomes: runs.map(toOutcome) }));
  const trained = outcomes.flatMap((row) => finishedOf(row.outcomes));
  const rows = rowsOf(outcomes, unfinished.length > 0 ? undefined : await timesOf(trained, options, control));
  await saveTable(out, rows, notesOf(unfinished));
  const report = options.report === false ? null : await saveReport(out, control);
  return { out, rows, conclusions: conclusionsOf(rows), report, unfinished };
}

const toOutcome = (run: RunOutcome | UnfinishedRun): RunOutcome =>
  'state' in run ? { run: run.run, ended: 'missing' } : run;

/** A line for each run that the table lacks. */
export const unfinishedLines = (unfinished: readonly UnfinishedRun[]): string[] =>
  unfinished.map(({ title, seed, state, why }) => printable(`${title}, seed ${seed}: ${state}${why && `, ${why}`}`));

const notesOf = (unfinished: readonly UnfinishedRun[]): string[] =>
  unfinished.length === 0
    ? []
    : [
        'Missing or failed:',
        unfinishedLines(unfinished)
          .map((line) => `- ${line}`)
          .join('\n'),
      ];

/** The networks' speed here; undefined if this machine lacks the experiment's device. */
async function timesOf(
  trained: readonly FinishedRun[],
  { device, threads }: ExperimentOptions,
  { signal, onWarning }: CollectControl,
): Promise<Awaited<ReturnType<typeof timeNetworks>> | undefined> {
  try {
    return await timeNetworks(trained, { device, threads, signal });
  } catch (error) {
    if (!(error instanceof L2TError) || error.code !== 'DEVICE_UNAVAILABLE') throw error;
    onWarning?.(`the networks' speed is not measured: ${error.message}`);
    return undefined;
  }
}

interface FoundEntry {
  readonly entry: Entry;
  readonly runs: readonly (RunOutcome | UnfinishedRun)[];
}

/** Looks into the folders of the runs. It writes nothing there, so they may be in progress. */
class Finder {
  /** Hashes of the images, and of how they are divided, by what decides on them; each with the run that had it first. */
  readonly #images = new Map<string, { readonly hash: string; readonly run: string }>();

  constructor(
    private readonly out: string,
    private readonly plan: ReadPlan,
    private readonly onWarning: CollectControl['onWarning'],
  ) {}

  async all(entries: readonly Entry[], seeds: readonly number[]): Promise<FoundEntry[]> {
    const found: FoundEntry[] = [];
    for (const entry of entries) {
      const runs: (RunOutcome | UnfinishedRun)[] = [];
      for (const seed of seeds) runs.push(await this.#one(entry, seed));
      found.push({ entry, runs });
    }
    return found;
  }

  async #one(entry: Entry, seed: number): Promise<RunOutcome | UnfinishedRun> {
    const run = join(this.out, folderName(entry, seed));
    const lacks = (state: UnfinishedRun['state'], why = ''): UnfinishedRun => ({
      ...{ run, title: titleOf(entry), seed, state },
      why: why.split('\n')[0] as string,
    });
    try {
      const holder = await holderOf(run);
      const failure = await readFailure(run);
      const begun = existsSync(join(run, recordName)) ? await readRunData(run) : undefined;
      if (begun) this.#requirePlanned(begun, entry, seed);
      if (begun?.result) return finished(run, begun);
      const far = begun && `${begun.metrics.length} of ${begun.record.spec.epochs} epochs done`;
      if (holder !== undefined) return lacks('running', `${far ?? 'nothing saved yet'}, by ${holder}`);
      if (failure?.code === 'DIVERGED') {
        this.onWarning?.(`${titleOf(entry)}, seed ${seed} (${run}): ${failure.message}`);
        return { run, ended: 'diverged' };
      }
      if (failure) return lacks('failed', `${failure.code}: ${failure.message}`);
      return far === undefined ? lacks('not begun') : lacks('interrupted', `${far}: run its line again`);
    } catch (error) {
      if (!(error instanceof L2TError)) throw error;
      return lacks('failed', `${error.code}: ${error.message}`);
    }
  }

  /** @throws L2TError INVALID_RUN if it is a run of other options, sources or images than the plan's. */
  #requirePlanned({ folder, record }: RunData, entry: Entry, seed: number): void {
    const flags = differences(record.spec, read({ ...entry.options, seed }), { ignorePaths: true }).map(
      (name) => `{${name}}`,
    );
    const hashes = Object.values(this.plan.sources);
    const { size, sources } = record.spec;
    const { split, data, sources: weights } = record.found;
    const division = `division ${entry.perClass} ${seed}`;
    // Small images are hashed at the size at which they are kept.
    const images = `images ${entry.perClass} ${seed} ${size} ${Math.max(size, ...sources.map((source) => source.size))}`;
    const other = this.#otherWith(division, split, folder) ?? this.#otherWith(images, data, folder);
    const problems = [
      ...(flags.length > 0 ? [`its options are not the plan's (${flags.join(', ')})`] : []),
      ...(weights.every((hash) => hashes.includes(hash))
        ? []
        : ['a source has changed since the experiment was planned']),
      ...(other === undefined ? [] : [`its images are not those of ${other}: the data has changed between them`]),
    ];
    if (problems.length === 0) return;
    throw new L2TError('INVALID_RUN', `${problems[0]}: remove ${folder}, and run its line again.`);
  }

  /** The first run of which another hash is known. */
  #otherWith(key: string, hash: string, run: string): string | undefined {
    const first = this.#images.get(key) ?? { hash, run };
    this.#images.set(key, first);
    return first.hash === hash ? undefined : first.run;
  }
}

function finished(run: string, { record, rate, timing, result }: RunData): RunOutcome {
  const { accuracy, best } = result as NonNullable<RunData['result']>;
  const { lr, target, width, size } = record.spec;
  const sum = (key: 'seconds' | 'steps') => timing.reduce((total, epoch) => total + epoch[key], 0);
  return {
    ended: 'finished',
    run,
    accuracy: requireTested(run, accuracy),
    best,
    lr: lr === 'auto' ? (rate?.lr ?? Number.NaN) : lr,
    seconds: sum('seconds'),
    steps: sum('steps'),
    network: { name: target, classes: record.found.classNames.length, width },
    size,
  };
}
