import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { L2TError } from '../errors.js';
import type { Group } from '../group/group.js';
import type { NamedTensor } from '../native/addon.js';
import { type Checkpoint, loadCheckpoint } from '../networks/checkpoint.js';
import { resumeCommand } from '../options/command.js';
import type { RunSpec } from '../options/spec.js';
import { GrowingPage, isOfFinished } from '../report/page/document.js';
import { runPage } from '../report/run-page.js';
import { runReport } from '../report/run-report.js';
import { type FinishedResult, type FoundRate, reportName } from '../store/run-data.js';
import { bestName, type RunStore } from '../store/run-store.js';
import { writeFileAtomic } from '../system/files.js';
import type { Context, OpenRun, RunResult } from './run.js';

/** Where something is computed. */
type Place = Pick<RunSpec, 'threads' | 'device'>;

/**
 * The result of a run that is finished: its numbers, and the best epoch's network from the store. Makes the report, if
 * it is wanted and not there, at `place`.
 */
export async function readResult(
  store: RunStore,
  result: FinishedResult,
  context: Context,
  place: Place,
): Promise<RunResult> {
  const report = store.record.spec.report ? await ensureReport(store, place, context) : null;
  const network = await loadCheckpoint(join(store.path, bestName));
  const { lr } = store.record.spec;
  const rate = lr === 'auto' ? (store.rate as FoundRate).lr : lr;
  return { network, ...resultOf(store, rate, result, store.timing), report };
}

/** What every rank says of a finished run. The report is where rank 0 makes it. */
export function resultOf(
  { path, record }: Pick<OpenRun, 'path' | 'record'>,
  lr: number,
  result: FinishedResult,
  timing: RunStore['timing'],
): Omit<RunResult, 'network'> {
  const { method, epochs: planned, report } = record.spec;
  const { epochs = planned } = result;
  const trained = { epochs, endedEarly: epochs < planned };
  const files = {
    run: path,
    report: report ? join(path, reportName) : null,
    checkpoint: join(path, bestName),
  };
  return { ...result, ...trained, method, lr, ...files, ...timing };
}

/** The result of a run that was finished before. */
export async function finishedRun(
  run: OpenRun,
  result: FinishedResult,
  timing: RunStore['timing'],
  context: Context,
  place: Partial<Place>,
): Promise<RunResult> {
  const { lr } = run.record.spec;
  const found = await context.group.fromFirst(() => run.store?.rate?.lr ?? null);
  const network = await sharedNetwork(join(run.path, bestName), context.group);
  if (run.store) return readResult(run.store, result, context, { ...run.record.spec, ...place });
  return { network, ...resultOf(run, lr === 'auto' ? (found as number) : lr, result, timing) };
}

/** The run is finished, so a report that cannot be made is a warning. One that was made before the end is not enough. */
async function ensureReport(
  store: RunStore,
  { threads, device }: Place,
  { emit, signal, warn }: Context,
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

/** Why a run that was interrupted has no result, and how to go on. */
export function aborted({ path, record, store }: OpenRun, signal: AbortSignal | undefined): L2TError {
  const resume = resumeCommand(record.verb, path);
  const removed = store?.removed.join(' and ');
  const message = removed
    ? `The run was interrupted, and ${removed} in ${path} was removed while it ran. Put it back, then continue it with: ${resume}`
    : `The run was interrupted; all is saved. Continue it with: ${resume}`;
  return new L2TError('ABORTED', message, { cause: signal?.reason });
}

/** Bytes that are sent at once. */
const most = 2 ** 23;

/** The network in a file that all ranks can read; or else rank 0 reads it, and sends it to the others. */
export async function sharedNetwork(path: string, group: Group): Promise<Checkpoint> {
  const seen = await group.all(() => existsSync(path));
  if (seen.every((own) => own)) return loadCheckpoint(path);
  let own: Checkpoint | undefined;
  const { weights, ...head } = await group.fromFirst(async () => {
    own = await loadCheckpoint(path);
    return {
      ...own,
      weights: own.weights.map(({ name, dtype, shape, data }) => ({ name, dtype, shape, bytes: data.length })),
    };
  });
  const sent: NamedTensor[] = [];
  for (const [k, { bytes, ...tensor }] of weights.entries()) {
    sent.push({ ...tensor, data: await fromFirst(own?.weights[k]?.data, bytes, group) });
  }
  return { ...head, weights: sent };
}

/** `data`: on rank 0. */
async function fromFirst(data: Uint8Array | undefined, bytes: number, group: Group): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  for (let start = 0; start < bytes; start += most) {
    const part = await group.fromFirst(() => Buffer.from(data?.subarray(start, start + most) ?? []).toString('base64'));
    parts.push(Buffer.from(part, 'base64'));
  }
  return new Uint8Array(Buffer.concat(parts));
}
