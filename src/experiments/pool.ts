import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { forEachParallel } from '../data/reading.js';
import { L2TError } from '../errors.js';
import { addon } from '../native/addon.js';
import { countParameters } from '../networks/describe.js';
import { memoryOfRun, type RunNeeds } from '../options/cost.js';
import { defaultBatch } from '../options/networks.js';
import type { SpecDraft } from '../options/spec.js';
import { isOfFinished } from '../report/page/document.js';
import type { Run, RunControl, RunResult } from '../run/run.js';
import type { TransferOptions } from '../run/transfer.js';
import { resumeOrStart } from '../run/transfer.js';
import { holderName, holderOf } from '../store/lock.js';
import { reportName } from '../store/run-data.js';
import { availableCores, defaultThreads } from '../system/threads.js';
import { optionsOf, type PlannedRun, titleOf } from './plan.js';
import { outcomeOf } from './row.js';
import { lacking, type RunState } from './run-states.js';

/** Follows a run to its end; it may show the progress. */
export type Follow = (run: Run, label: string, seed: number) => Promise<RunResult>;

/** Signal and listeners of a pool of runs. */
export interface PoolControl extends Pick<RunControl, 'signal'> {
  /** Takes each run as it begins, instead of waiting for its result alone. */
  readonly follow?: Follow | undefined;
  /** Called with a message for each run that diverged; the others continue. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** Checks whether a run needs training, a report, or a tidied folder after a process was killed at its very end. */
async function isOpen({ planned: { row, folder }, outcome }: RunState): Promise<boolean> {
  if (outcome.ended === 'missing' || existsSync(join(folder, holderName))) return true;
  return outcome.ended === 'finished' && row.spec.report && !(await isOfFinished(join(folder, reportName)));
}

/** Returns the indices of the states whose runs are not done. */
export async function openRuns(states: readonly RunState[]): Promise<number[]> {
  const open = await Promise.all(states.map(isOpen));
  return [...open.keys()].filter((k) => open[k]);
}

/**
 * Does the runs of `states` at the indices `open`, `lanes` at a time, and puts their new states there; `changed` is
 * called after each. A run that another process works on is passed over.
 * @throws the error of the first run that fails otherwise than by diverging, once all have ended.
 */
export async function runOpen(
  states: RunState[],
  open: readonly number[],
  lanes: number,
  control: PoolControl,
  changed: () => Promise<void>,
): Promise<void> {
  let saved: Promise<void> = Promise.resolve();
  await sideBySide(lanes, open, control.signal, async (k, stop) => {
    const { planned, unfinished } = states[k] as RunState;
    if (unfinished?.state === 'running') return;
    states[k] = await trained(planned, stop, control);
    // One writer saves at a time.
    saved = saved.then(changed);
    await saved;
  });
}

async function trained(planned: PlannedRun, signal: AbortSignal, control: PoolControl): Promise<RunState> {
  const { row, seed, folder } = planned;
  const { follow = (run: Run) => run.result, onWarning } = control;
  const run = resumeOrStart({ ...(optionsOf(planned) as TransferOptions), signal });
  // If `follow` itself fails, the run is aborted and `result` is not awaited: its rejection must be handled.
  run.result.catch(() => {});
  try {
    return { planned, outcome: outcomeOf(await follow(run, titleOf(row), seed)) };
  } catch (error) {
    if (!(error instanceof L2TError) || error.code === 'ABORTED') throw error;
    const message = `${titleOf(row)}, seed ${seed} (${folder}): ${error.message}`;
    if (error.code === 'DIVERGED') {
      onWarning?.(message);
      return { planned, outcome: { run: folder, ended: 'diverged' } };
    }
    const holder = error.code === 'INVALID_RUN' ? await holderOf(folder) : undefined;
    if (holder !== undefined) return lacking(planned, 'running', `by ${holder}`);
    throw new L2TError(error.code, message.split('\n'), { cause: error });
  }
}

/**
 * Returns the default number of runs in parallel: as many of the largest as there is room for. On a GPU it is one,
 * since several would share its memory.
 */
export function defaultParallel(specs: readonly SpecDraft[]): number {
  const lanes = specs.map(({ target: name, size, width, device = 'auto', threads, batch, innerSteps = 2 }) => {
    if (addon().device(device).device !== 'cpu') return 1;
    const parameters = countParameters({ name, classes: 1000, width });
    const needs = { batch: batch ?? defaultBatch(size), threads: threads ?? defaultThreads() };
    return lanesFor({ ...needs, size, width, parameters, innerSteps });
  });
  return Math.min(...lanes);
}

/** Returns how many equal runs fit a CPU, with `threads` cores and enough memory for each; at least one. */
export function lanesFor(
  needs: RunNeeds,
  { cores = availableCores(), memory = process.availableMemory() }: { cores?: number; memory?: number } = {},
): number {
  return Math.max(1, Math.floor(Math.min(cores / needs.threads, memory / memoryOfRun(needs))));
}

/**
 * Calls `body` for each item in order, `lanes` at a time. After a failure nothing new starts, and the signal of those
 * under way fires; the first failure is thrown once all have ended.
 */
export async function sideBySide<T>(
  lanes: number,
  items: readonly T[],
  signal: AbortSignal | undefined,
  body: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const stopped = AbortSignal.any(signal ? [signal, stop.signal] : [stop.signal]);
  const run = (index: number) =>
    body(items[index] as T, stopped).catch((error: unknown) => {
      stop.abort();
      throw error;
    });
  await forEachParallel(items.length, run, lanes);
}
