import { join } from 'node:path';
import { addon, type EpochEvent, type NativeSource, type RunJob, type SaveEvent, type StepEvent } from './addon.js';
import { type Checkpoint, loadCheckpoint } from './checkpoint.js';
import { BatchDecoder } from './datasets/batch-decoder.js';
import { L2TError } from './errors.js';
import { imagenetNormalisation } from './networks.js';
import { hyperparameters } from './options.js';
import type { Rules } from './rules.js';
import type { RunEvent, RunResult } from './run.js';
import type { FinishedResult, RunFolder, SavedRun } from './run-folder.js';
import type { ResolvedOptions } from './run-record.js';
import type { TrainingData } from './training-data.js';

/** All that a run trains with. */
export interface Materials {
  readonly options: ResolvedOptions;
  readonly rules: Rules;
  readonly device: { readonly device: string; readonly reason: string };
  readonly data: TrainingData;
  readonly sources: readonly NativeSource[];
  readonly init: Checkpoint | undefined;
}

export interface Context {
  readonly emit: (event: RunEvent) => void;
  readonly signal: AbortSignal | undefined;
}

/** The network that is trained, with a class for each of the data's. */
export function targetNetwork({ target, width }: ResolvedOptions, { classNames }: TrainingData): Checkpoint['network'] {
  return { name: target, classes: classNames.length, width };
}

/**
 * Trains from the beginning or from what was saved, writes the run folder, and tests.
 * @throws L2TError ABORTED once all is saved; DIVERGED, leaving the last good checkpoint; FILE_ACCESS.
 */
export async function train(
  materials: Materials,
  folder: RunFolder,
  saved: SavedRun | undefined,
  context: Context,
): Promise<RunResult> {
  const { options, data, sources } = materials;
  const { device, reason } = materials.device;
  const job = {
    ...toJob(materials, device),
    ...(saved && { resume: { state: saved.state, best: saved.best } }),
  };
  context.emit({
    type: 'start',
    ...{ run: folder.path, method: options.method, target: options.target, classes: data.classNames.length },
    pairs: sources.flatMap(({ pairs }, source) => pairs.map((pair) => ({ source, pair }))),
    images: {
      train: data.train.labels.length,
      validation: data.validation?.labels.length ?? 0,
      test: data.test?.labels.length ?? 0,
    },
    ...{ testDrawn: data.testDrawn, selectBest: job.selectBest },
    ...{ device, reason, threads: options.threads, epochs: options.epochs },
  });
  const result = await runNative(job, materials, folder, context);
  await folder.saveResult(result);
  return readResult(folder, result);
}

/** Runs the job; every epoch and save is on disk before training goes on. */
async function runNative(
  job: RunJob,
  materials: Materials,
  folder: RunFolder,
  { emit, signal }: Context,
): Promise<FinishedResult> {
  const decoder = new BatchDecoder(materials.data.streamed, addon().resize);
  const recorder = new Recorder(folder, materials, emit);
  let failure: { readonly error: unknown } | undefined;
  const stop = () => {
    decoder.end();
    run.stop();
  };
  const fail = (error: unknown): undefined => {
    failure ??= { error };
    stop();
  };
  const run = new (addon().Run)(job, (event) => {
    if (event.type === 'step') recorder.step(event);
    else if (event.type === 'decode') {
      decoder
        .decode(event)
        .catch(fail)
        .then((pixels) => run.decoded(event.ticket, pixels))
        .catch(fail);
    } else {
      recorder
        .save(event)
        .catch(fail)
        .finally(() => run.saved());
    }
  });
  signal?.addEventListener('abort', stop);
  try {
    if (signal?.aborted) stop();
    const { stopped, best, test } = await run.start().catch((error: unknown) => {
      throw failure ? failure.error : error;
    });
    if (failure) throw failure.error;
    if (stopped || best === undefined) throw aborted(folder, signal);
    const accuracy = test ? test.correct / test.total : null;
    const counts = { correct: test?.correct ?? null, total: test?.total ?? null };
    return {
      ...{ ...counts, accuracy },
      best: { epoch: best.epoch, accuracy: best.accuracy ?? null, selected: job.selectBest },
    };
  } finally {
    decoder.end();
    signal?.removeEventListener('abort', stop);
  }
}

/** Writes what a run says into its folder, and says it to whoever listens. */
class Recorder {
  /** Of this epoch, by this process: a resume begins to count, and the epoch's clock to run, where it went on. */
  #steps = 0;
  #writable = true;

  constructor(
    private readonly folder: RunFolder,
    private readonly materials: Materials,
    private readonly emit: Context['emit'],
  ) {}

  step(event: StepEvent): void {
    this.#steps++;
    this.emit(event);
  }

  /** After a write that failed nothing more is written: the folder keeps what it had. */
  async save(event: EpochEvent | SaveEvent): Promise<void> {
    if (!this.#writable) return;
    this.#writable = false;
    if (event.type === 'save') await this.folder.saveState(event.state);
    else {
      await this.folder.saveEpoch(event, this.#steps, toCheckpoint(this.materials, event.network));
      this.#steps = 0;
      const { metrics, best, seconds } = event;
      const accuracy = metrics.validationAccuracy ?? metrics.trainAccuracy;
      this.emit({ type: 'epoch', epochs: this.materials.options.epochs, accuracy, best, seconds, ...metrics });
    }
    this.#writable = true;
    this.emit({ type: 'checkpoint', path: join(this.folder.path, 'state.safetensors') });
  }
}

function aborted({ path, record }: RunFolder, signal: AbortSignal | undefined): L2TError {
  const message = `The run was interrupted; all is saved. Continue it with: l2t-native ${record.verb} --resume ${path}`;
  return new L2TError('ABORTED', message, { cause: signal?.reason });
}

function toCheckpoint({ options, data }: Materials, weights: Checkpoint['weights']): Checkpoint {
  return {
    network: targetNetwork(options, data),
    size: options.size,
    classNames: data.classNames,
    normalisation: imagenetNormalisation,
    weights,
  };
}

function toJob({ options, rules, data, sources, init }: Materials, device: string): RunJob {
  const { method, engine, convolution, size, threads, seed, epochs, batch, saveEvery } = options;
  return {
    ...hyperparameters(options),
    ...{ method, engine, convolution, size, threads, seed, epochs, batch, saveEvery, device, sources },
    target: targetNetwork(options, data),
    normalisation: imagenetNormalisation,
    train: data.train,
    ...(data.validation && { validation: data.validation }),
    ...(data.test && { test: data.test }),
    selectBest: (data.validation?.labels.length ?? 0) >= rules.enoughToSelect,
    ...(init && { targetWeights: init.weights }),
  };
}

/** The result of a run that is finished: its numbers, and the best epoch's network from the folder. */
export async function readResult(folder: RunFolder, result: FinishedResult): Promise<RunResult> {
  const checkpoint = join(folder.path, 'best.safetensors');
  const network = await loadCheckpoint(checkpoint);
  const { method } = folder.record.options;
  return { network, ...result, method, run: folder.path, checkpoint, ...folder.timing };
}
