import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { L2TError } from '../errors.js';
import { resumeCommand } from '../options/command.js';
import type { RunSpec } from '../options/spec.js';
import { learnedOf } from '../report/learned.js';
import { GrowingPage, isOfFinished } from '../report/page/document.js';
import { runPage } from '../report/run-page.js';
import { runReport } from '../report/run-report.js';
import { skippedTests } from '../store/record.js';
import { bestName, type FinishedResult, reportName } from '../store/run-data.js';
import type { RunStore } from '../store/run-store.js';
import { writeFileAtomic } from '../system/files.js';
import type { OpenRun, RunContext, RunResult } from './run.js';

/** The device and the threads that compute. */
type Placement = Pick<RunSpec, 'threads' | 'device'>;

/** The outcome of a finished run. */
interface Finished extends Pick<RunResult, 'network' | 'lr'> {
  readonly result: FinishedResult;
  readonly timing: RunStore['timing'];
}

/** Returns a finished run's result. Rank 0 makes the report, if the run asks for one and it is missing. */
export async function resultOf(
  run: OpenRun,
  { network, lr, result, timing }: Finished,
  context: RunContext,
  placement: Placement,
): Promise<RunResult> {
  const { path, record, store } = run;
  const { method, epochs: planned, report } = record.spec;
  const { epochs = planned } = result;
  const stored = await context.ranks.once(() => ({
    finetuned: store?.sources ?? [],
    learned: (store && learnedOf(store.data)) ?? null,
  }));
  return {
    network,
    ...result,
    skipped: skippedTests(record),
    epochs,
    endedEarly: epochs < planned,
    ...stored,
    method,
    lr,
    run: path,
    report: report ? await (store ? ensureReport(store, placement, context) : join(path, reportName)) : null,
    checkpoint: join(path, bestName),
    ...timing,
  };
}

/** Returns the result of a run that was finished before. */
export async function finishedRun(
  run: OpenRun,
  result: FinishedResult,
  timing: RunStore['timing'],
  context: RunContext,
  placement: Partial<Placement>,
): Promise<RunResult> {
  const { spec } = run.record;
  const found = await context.ranks.once(() => run.store?.rates?.lr?.lr);
  const network = await context.ranks.network(join(run.path, bestName));
  const lr = spec.lr === 'auto' ? (found as number) : spec.lr;
  return resultOf(run, { network, lr, result, timing }, context, { ...spec, ...placement });
}

/** Makes the final report if it is missing. A report that cannot be made is only a warning: the run is finished. */
async function ensureReport(
  store: RunStore,
  { threads, device }: Placement,
  { emit, signal, warn }: RunContext,
): Promise<string | null> {
  const file = join(store.path, reportName);
  const onProgress = (done: number, total: number) => emit({ type: 'report', done, total });
  try {
    if (await isOfFinished(file)) return file;
    await writeFileAtomic(file, await runReport(store.path, { threads, device, signal, onProgress }, store.record));
    return file;
  } catch (error) {
    if (error instanceof L2TError && error.code === 'ABORTED') {
      await new GrowingPage(file, warn).write(() => runPage({ ...store.data, status: { state: 'interrupted' } }), true);
      throw aborted({ path: store.path, record: store.record, store }, signal);
    }
    await rm(file, { force: true }).catch(() => {});
    warn(`there is no report: ${(error as Error).message}`);
    return null;
  }
}

/** Returns the error that says why an interrupted run has no result, and how to continue it. */
export function aborted({ path, record, store }: OpenRun, signal: AbortSignal | undefined): L2TError {
  const resume = resumeCommand(record.verb, path);
  const removed = store?.removed.join(' and ');
  const message = removed
    ? `The run was interrupted, and ${removed} in ${path} was removed while it ran. Put it back, then continue it with: ${resume}`
    : `The run was interrupted; all is saved. Continue it with: ${resume}`;
  return new L2TError('ABORTED', message, { cause: signal?.reason });
}
