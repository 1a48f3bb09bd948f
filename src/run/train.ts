import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { balancedWeights } from '../data/class-weights.js';
import { evaluationBatch, largeSize } from '../data/fit.js';
import type { TrainingData } from '../data/training-sets.js';
import { L2TError } from '../errors.js';
import { topAccuracy } from '../inference/top-accuracy.js';
import { addon, type NamedTensor, type RunMaterials, type StepEvent } from '../native/addon.js';
import { loadCheckpoint } from '../networks/checkpoint.js';
import { resumeCommand } from '../options/command.js';
import { defaultTop, imagenetNormalisation } from '../options/networks.js';
import type { RunSpec } from '../options/spec.js';
import { modelCard } from '../report/model-card.js';
import { type FinishedResult, type FoundRate, reportName } from '../report/run-files.js';
import { runReport } from '../report/run-report.js';
import { writeFileAtomic } from '../system/files.js';
import { driveRun } from './drive.js';
import { enoughToSelect } from './events.js';
import type { RunFolder, SavedRun } from './folder.js';
import { RateSearch, triedRates } from './learning-rate.js';
import { type Context, type Materials, targetNetwork, trainedNetwork } from './materials.js';
import type { OpenRun } from './open-run.js';
import { Recorder } from './recorder.js';
import type { RunResult } from './run.js';
import { sharedNetwork } from './shared-network.js';

/**
 * Trains from the beginning or from the saved state, writes the run folder on rank 0, and tests. With `lr: 'auto'`, the
 * search for the learning rate comes first. `saved`: on rank 0.
 * @throws L2TError ABORTED after everything is saved; DIVERGED, leaving the last good checkpoint; FILE_ACCESS.
 */
export async function train(
  materials: Materials,
  run: OpenRun,
  saved: SavedRun | undefined,
  context: Context,
): Promise<RunResult> {
  const { spec, data, sources } = materials;
  const { device, reason } = materials.device;
  const rate = await findRate(materials, run, context);
  await context.group.fromFirst(() => run.folder?.openLogs());
  const native = {
    ...materialsOf(materials, rate),
    ...(saved && { resume: { state: saved.state, best: saved.best } }),
  };
  if (spec.minLr > native.lr) {
    const message = `{minLr=${spec.minLr}} is above the learning rate that was found, ${native.lr}: it stays at that rate`;
    context.emit({ type: 'warning', message });
  }
  const images = countImages(data);
  context.emit({
    type: 'start',
    run: run.path,
    method: spec.method,
    target: spec.target,
    classes: data.classNames.length,
    pairs: sources.flatMap(({ pairs }, source) => pairs.map((pair) => ({ source, pair }))),
    images,
    testDrawn: data.testDrawn,
    selectBest: native.selectBest,
    device,
    reason,
    backend: spec.engine === 'native' ? addon().backend(device, spec.convolution, context.group.size) : spec.engine,
    threads: spec.threads,
    epochs: spec.epochs,
    ...(typeof rate === 'number' ? { lr: rate } : { lr: rate.lr, rate }),
  });
  const { result, network } = await runNative(native, materials, run, context);
  const end = await context.group.fromFirst(async () => {
    const folder = run.folder as RunFolder;
    const { target, normalisation, lr } = native;
    const { testDrawn } = data;
    const { record } = run;
    // One that was made while the run went on is not that of the whole.
    if (spec.report) await rm(join(run.path, reportName), { force: true });
    await folder.saveResult(
      result,
      modelCard({ record, network: target, normalisation, lr, images, testDrawn, result }),
    );
    return { timing: folder.timing };
  });
  if (run.folder) return readResult(run.folder, result, context, spec);
  return { network: trainedNetwork(materials, network), ...resultOf(run, native.lr, result, end.timing) };
}

const countImages = ({ train, validation, test }: TrainingData) => ({
  train: train.labels.length,
  validation: validation?.labels.length ?? 0,
  test: test?.labels.length ?? 0,
});

/**
 * Runs the job; every epoch and save is on disk before training goes on. `network`: on ranks but 0, the best epoch's
 * weights.
 */
async function runNative(
  native: RunMaterials,
  materials: Materials,
  run: OpenRun,
  context: Context,
): Promise<{ readonly result: FinishedResult; readonly network: readonly NamedTensor[] }> {
  const { emit, group, signal } = context;
  const listener = run.folder ? new Recorder(run.folder, materials, emit, group.size) : nothingToSave;
  const ended = await driveRun(materials.spec, native, materials.data, context, listener, (started) => started.start());
  const { stopped, epochs, best, test, network = [] } = ended;
  if (stopped || best === undefined) throw aborted(run, signal);
  const accuracy = test ? test.correct / test.total : null;
  const counts = { correct: test?.correct ?? null, total: test?.total ?? null };
  const nearly = test?.correctTop === undefined ? null : topAccuracy(native.top as number, test.correctTop, test.total);
  const chosen = { epoch: best.epoch, accuracy: best.accuracy ?? null, selected: native.selectBest };
  return { result: { ...counts, accuracy, topK: nearly, best: chosen, epochs }, network };
}

const nothingToSave = { step: () => {}, save: async () => {} };

/**
 * The schedule's learning rate: the given one, or the one that a search found. If none is found yet, searches, and
 * saves the result before training begins.
 */
async function findRate(materials: Materials, run: OpenRun, context: Context): Promise<FoundRate | number> {
  const { lr, method } = materials.spec;
  if (lr !== 'auto') return lr;
  const { emit, group, signal } = context;
  const known = await group.fromFirst(() => run.folder?.rate);
  if (known) return known;
  const search = new RateSearch(materials.data.classNames.length, method);
  let over = false;
  const step = ({ step: done, losses }: StepEvent, stop: () => void) => {
    // Ignores steps that were under way when the search ended: the result must not depend on their number.
    if (over) return;
    over = search.add(losses.org);
    emit({ type: 'rate', done, total: triedRates.length, lr: triedRates[done - 1] as number, loss: losses.org });
    if (over) stop();
  };
  // Nothing is saved: the search's native run is discarded with its weights.
  const listener = { step, save: async () => {} };
  const { spec, data } = materials;
  await driveRun(spec, materialsOf(materials, 0), data, context, listener, (native) => native.tryRates(triedRates));
  return group.fromFirst(async () => {
    if (!over) throw aborted(run, signal);
    const found = search.result();
    await run.folder?.saveRate(found);
    return found;
  });
}

function aborted({ path, record, folder }: OpenRun, signal: AbortSignal | undefined): L2TError {
  const resume = resumeCommand(record.verb, path);
  const removed = folder?.removed.join(' and ');
  const message = removed
    ? `The run was interrupted, and ${removed} in ${path} was removed while it ran. Put it back, then continue it with: ${resume}`
    : `The run was interrupted; all is saved. Continue it with: ${resume}`;
  return new L2TError('ABORTED', message, { cause: signal?.reason });
}

/** What the addon takes beside the spec. `rate`: the schedule's learning rate. */
function materialsOf({ spec, data, sources, init }: Materials, rate: FoundRate | number): RunMaterials {
  const { size, augment, patience, balance } = spec;
  const classes = data.classNames.length;
  const validated = data.validation?.labels.length ?? 0;
  return {
    target: targetNetwork(spec, data),
    normalisation: imagenetNormalisation,
    sources,
    train: data.train,
    resizedCrops: data.train.pixels === undefined && size >= largeSize && augment !== 'none',
    evaluationBatch: evaluationBatch(size),
    ...(data.validation && { validation: data.validation }),
    ...(data.test && { test: data.test }),
    ...(balance && { classWeights: balancedWeights(data.train.labels, classes) }),
    selectBest: patience !== undefined || validated >= enoughToSelect,
    ...(classes > defaultTop && { top: defaultTop }),
    ...(init && { targetWeights: init.weights }),
    ...(typeof rate === 'number' ? { lr: rate } : { lr: rate.lr, warmUp: rate.warmUp }),
  };
}

/** Where something is computed. */
type Place = Pick<RunSpec, 'threads' | 'device'>;

/**
 * The result of a run that is finished: its numbers, and the best epoch's network from the folder. Makes the report, if
 * it is wanted and not there, at `place`.
 */
export async function readResult(
  folder: RunFolder,
  result: FinishedResult,
  context: Context,
  place: Place,
): Promise<RunResult> {
  const report = folder.record.spec.report ? await ensureReport(folder, place, context) : null;
  const network = await loadCheckpoint(join(folder.path, bestName));
  const { lr } = folder.record.spec;
  const rate = lr === 'auto' ? (folder.rate as FoundRate).lr : lr;
  return { network, ...resultOf(folder, rate, result, folder.timing), report };
}

/** What every rank says of a finished run. The report is where rank 0 makes it. */
function resultOf(
  { path, record }: Pick<OpenRun, 'path' | 'record'>,
  lr: number,
  result: FinishedResult,
  timing: RunFolder['timing'],
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
  timing: RunFolder['timing'],
  context: Context,
  place: Partial<Place>,
): Promise<RunResult> {
  const { lr } = run.record.spec;
  const found = await context.group.fromFirst(() => run.folder?.rate?.lr ?? null);
  const network = await sharedNetwork(join(run.path, bestName), context.group);
  if (run.folder) return readResult(run.folder, result, context, { ...run.record.spec, ...place });
  return { network, ...resultOf(run, lr === 'auto' ? (found as number) : lr, result, timing) };
}

const bestName = 'best.safetensors';

/** The run is finished, so a report that cannot be made is a warning. */
async function ensureReport(
  folder: RunFolder,
  { threads, device }: Place,
  { emit, signal }: Context,
): Promise<string | null> {
  const file = join(folder.path, reportName);
  if (existsSync(file)) return file;
  const onProgress = (done: number, total: number) => emit({ type: 'report', done, total });
  try {
    await writeFileAtomic(file, await runReport(folder.path, { threads, device, signal, onProgress }, folder.record));
    return file;
  } catch (error) {
    if (error instanceof L2TError && error.code === 'ABORTED')
      throw aborted({ path: folder.path, record: folder.record, folder }, signal);
    emit({ type: 'warning', message: `there is no report: ${(error as Error).message}` });
    return null;
  }
}
