import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { balancedWeights } from '../data/class-weights.js';
import { evaluationBatch, largeSize } from '../data/fit.js';
import type { TrainingData } from '../data/training-sets.js';
import { L2TError } from '../errors.js';
import { topAccuracy } from '../inference/top-accuracy.js';
import { addon, type RunJob, type StepEvent } from '../native/addon.js';
import { loadCheckpoint } from '../networks/checkpoint.js';
import { settingsOf } from '../options/methods.js';
import { imagenetNormalisation } from '../options/networks.js';
import { defaultTop } from '../options/rules.js';
import { modelCard } from '../report/model-card.js';
import { type FinishedResult, type FoundRate, reportName } from '../report/run-files.js';
import { runReport } from '../report/run-report.js';
import { writeFileAtomic } from '../system/files.js';
import { shellWord } from '../system/shell.js';
import { driveRun } from './drive.js';
import type { RunFolder, SavedRun } from './folder.js';
import { RateSearch, triedRates } from './learning-rate.js';
import { type Context, type Materials, targetNetwork } from './materials.js';
import { Recorder } from './recorder.js';
import type { RunResult } from './run.js';

/**
 * Trains from the beginning or from the saved state, writes the run folder, and tests. With `lr: 'auto'`, the search
 * for the learning rate comes first.
 * @throws L2TError ABORTED after everything is saved; DIVERGED, leaving the last good checkpoint; FILE_ACCESS.
 */
export async function train(
  materials: Materials,
  folder: RunFolder,
  saved: SavedRun | undefined,
  context: Context,
): Promise<RunResult> {
  const { options, data, sources } = materials;
  const { device, reason } = materials.device;
  const rate = await findRate(materials, folder, context);
  await folder.openLogs(typeof rate === 'number' ? rate : rate.lr);
  const job = {
    ...toJob(materials, rate),
    ...(saved && { resume: { state: saved.state, best: saved.best } }),
  };
  const images = countImages(data);
  context.emit({
    type: 'start',
    run: folder.path,
    method: options.method,
    target: options.target,
    classes: data.classNames.length,
    pairs: sources.flatMap(({ pairs }, source) => pairs.map((pair) => ({ source, pair }))),
    images,
    testDrawn: data.testDrawn,
    selectBest: job.selectBest,
    device,
    reason,
    backend: options.engine === 'native' ? addon().backend(device, options.convolution) : options.engine,
    threads: options.threads,
    epochs: options.epochs,
    ...(typeof rate === 'number' ? { lr: rate } : { lr: rate.lr, rate }),
  });
  const result = await runNative(job, materials, folder, context);
  const card = modelCard({
    record: folder.record,
    network: job.target,
    normalisation: job.normalisation,
    lr: job.lr,
    images,
    testDrawn: data.testDrawn,
    result,
  });
  await folder.saveResult(result, card);
  return readResult(folder, result, context);
}

const countImages = ({ train, validation, test }: TrainingData) => ({
  train: train.labels.length,
  validation: validation?.labels.length ?? 0,
  test: test?.labels.length ?? 0,
});

/** Runs the job; every epoch and save is on disk before training goes on. */
async function runNative(
  job: RunJob,
  materials: Materials,
  folder: RunFolder,
  { emit, signal }: Context,
): Promise<FinishedResult> {
  const recorder = new Recorder(folder, materials, emit);
  const { stopped, epochs, best, test } = await driveRun(job, materials.data, signal, recorder, (run) => run.start());
  if (stopped || best === undefined) throw aborted(folder, signal);
  const accuracy = test ? test.correct / test.total : null;
  const counts = { correct: test?.correct ?? null, total: test?.total ?? null };
  const nearly = test?.correctTop === undefined ? null : topAccuracy(job.top as number, test.correctTop, test.total);
  const chosen = { epoch: best.epoch, accuracy: best.accuracy ?? null, selected: job.selectBest };
  return { ...counts, accuracy, topK: nearly, best: chosen, epochs };
}

/**
 * The schedule's learning rate: the given one, or the one that a search found. If none is found yet, searches, and
 * saves the result before training begins.
 */
async function findRate(materials: Materials, folder: RunFolder, context: Context): Promise<FoundRate | number> {
  const { lr, method } = materials.options;
  if (lr !== 'auto') return lr;
  if (folder.rate) return folder.rate;
  const { emit, signal } = context;
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
  await driveRun(toJob(materials, 0), materials.data, signal, listener, (run) => run.tryRates(triedRates));
  if (!over) throw aborted(folder, signal);
  const found = search.result();
  await folder.saveRate(found);
  return found;
}

function aborted({ path, record }: RunFolder, signal: AbortSignal | undefined): L2TError {
  const message = `The run was interrupted; all is saved. Continue it with: l2t-native ${record.verb} --resume ${shellWord(path)}`;
  return new L2TError('ABORTED', message, { cause: signal?.reason });
}

/** `rate`: the schedule's learning rate. */
function toJob(
  { options, rules, device: { device }, data, sources, init }: Materials,
  rate: FoundRate | number,
): RunJob {
  const { method, engine, convolution, precision, deterministic, graph } = options;
  const { size, threads, seed, epochs, batch, saveEvery, augment, evalEvery, patience } = options;
  const validated = data.validation?.labels.length ?? 0;
  return {
    settings: settingsOf(method, options),
    ...(options.balance && { classWeights: balancedWeights(data.train.labels, data.classNames.length) }),
    metaBatch: options.metaBatch,
    ...(typeof rate === 'number' ? { lr: rate } : { lr: rate.lr, warmUp: rate.warmUp }),
    method,
    engine,
    convolution,
    precision,
    deterministic,
    graph,
    size,
    threads,
    seed,
    epochs,
    batch,
    saveEvery,
    device,
    sources,
    target: targetNetwork(options, data),
    normalisation: imagenetNormalisation,
    train: data.train,
    augment,
    resizedCrops: data.train.pixels === undefined && size >= largeSize && augment !== 'none',
    evaluationBatch: evaluationBatch(size),
    ...(data.validation && { validation: data.validation }),
    ...(data.test && { test: data.test }),
    selectBest: patience !== undefined || validated >= rules.enoughToSelect,
    evalEvery,
    patience,
    ...(data.classNames.length > defaultTop && { top: defaultTop }),
    ...(init && { targetWeights: init.weights }),
  };
}

/**
 * The result of a run that is finished: its numbers, and the best epoch's network from the folder. Makes the report, if
 * it is wanted and not there.
 */
export async function readResult(folder: RunFolder, result: FinishedResult, context: Context): Promise<RunResult> {
  const report = folder.record.options.report === false ? null : await ensureReport(folder, context);
  const checkpoint = join(folder.path, 'best.safetensors');
  const network = await loadCheckpoint(checkpoint);
  const { method, lr, epochs: planned } = folder.record.options;
  const { epochs = planned } = result;
  const rate = lr === 'auto' ? (folder.rate as FoundRate).lr : lr;
  const trained = { epochs, endedEarly: epochs < planned };
  return { network, ...result, ...trained, method, lr: rate, run: folder.path, report, checkpoint, ...folder.timing };
}

/** The run is finished, so a report that cannot be made is a warning. */
async function ensureReport(folder: RunFolder, { emit, signal }: Context): Promise<string | null> {
  const file = join(folder.path, reportName);
  if (existsSync(file)) return file;
  const { threads, device } = folder.record.options;
  const onProgress = (done: number, total: number) => emit({ type: 'report', done, total });
  try {
    await writeFileAtomic(file, await runReport(folder.path, { threads, device, signal, onProgress }));
    return file;
  } catch (error) {
    if (error instanceof L2TError && error.code === 'ABORTED') throw aborted(folder, signal);
    emit({ type: 'warning', message: `there is no report: ${(error as Error).message}` });
    return null;
  }
}
