import { join } from 'node:path';
import { BatchDecoder } from '../data/batch-decoder.js';
import type { TrainingData } from '../data/image-sets.js';
import { topAccuracy } from '../inference/logits.js';
import {
  addon,
  type MapsEvent,
  type NamedTensor,
  type NativeRun,
  type NativeSpec,
  type RunMaterials,
} from '../native/addon.js';
import { loadCheckpoint } from '../networks/checkpoint.js';
import type { OnnxSession } from '../networks/onnx/session.js';
import { openOnnx, type Source, valuesOf } from '../networks/sources.js';
import { modelCard } from '../report/model-card.js';
import { bestName, type FinishedResult } from '../store/run-data.js';
import type { RunStore, SavedRun } from '../store/run-store.js';
import { onAbort } from '../system/abort.js';
import type { RunListener } from './events.js';
import { type Materials, nativeMaterials, type Rates, trainedNetwork } from './materials.js';
import { Recorder } from './recorder.js';
import { aborted, resultOf } from './result.js';
import type { OpenRun, RunContext, RunResult } from './run.js';

/**
 * Trains from the beginning or from the saved state, writes the run folder on rank 0, and tests. With `lr: 'auto'`, the
 * search for the learning rate comes first. `saved` is set on rank 0 alone.
 * @throws L2TError ABORTED after everything is saved; DIVERGED, leaving the last good checkpoint; FILE_ACCESS.
 */
export async function train(
  materials: Materials,
  run: OpenRun,
  rates: Rates,
  saved: SavedRun | undefined,
  context: RunContext,
): Promise<RunResult> {
  const { spec, data, sources } = materials;
  const { device, reason } = materials.device;
  const native = {
    ...nativeMaterials(materials, rates),
    ...(saved && { resume: { state: saved.state, best: saved.best } }),
  };
  if (spec.minLr > native.lr)
    context.warn(
      `{minLr=${spec.minLr}} is above the learning rate that was found, ${native.lr}: it stays at that rate`,
    );
  let recorder: Recorder | undefined;
  await context.ranks.once(async () => {
    recorder = await Recorder.begin(run.store as RunStore, materials, context);
  });
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
    backend: spec.engine === 'native' ? addon().backend(device, spec.convolution, context.ranks.size) : spec.engine,
    threads: spec.threads,
    epochs: spec.epochs,
    lr: rates.lr,
    ...(rates.found && { rate: rates.found }),
    ...(rates.metaLr !== undefined && { metaLr: rates.metaLr }),
  });
  const fail = async (error: Error): Promise<never> => {
    await recorder?.fail(error);
    throw error;
  };
  const { result, network } = await runNative(native, materials, run, recorder, context).catch(fail);
  const save = async () => {
    const store = run.store as RunStore;
    const { target, normalisation, lr } = native;
    const { testDrawn } = data;
    const { record } = run;
    await recorder?.end(result);
    await store.saveResult(
      result,
      modelCard({ record, network: target, normalisation, lr, images, testDrawn, result }),
    );
    return store.timing;
  };
  const timing = await context.ranks.once(save).catch(fail);
  const best = run.store ? await loadCheckpoint(join(run.path, bestName)) : trainedNetwork(materials, network);
  return resultOf(run, { network: best, lr: native.lr, result, timing }, context, spec);
}

const countImages = ({ train, unlabelled, validation, test }: TrainingData) => ({
  train: train.labels.length,
  ...(unlabelled && { unlabelled: unlabelled.labels.length }),
  validation: validation?.labels.length ?? 0,
  test: test?.labels.length ?? 0,
});

/**
 * Runs the native run; every epoch and save is on disk before training goes on. `network`: the best epoch's weights, on
 * ranks other than 0.
 */
async function runNative(
  native: RunMaterials,
  materials: Materials,
  run: OpenRun,
  recorder: RunListener | undefined,
  context: RunContext,
): Promise<{ readonly result: FinishedResult; readonly network: readonly NamedTensor[] }> {
  const { spec } = materials;
  const listener = recorder ?? { step: () => {}, save: async () => {} };
  const ended = await driveRun(spec, native, materials, context, listener, (started) => started.start());
  const { stopped, epochs, best, test, network = [] } = ended;
  if (stopped || best === undefined) throw aborted(run, context.signal);
  const accuracy = test ? test.correct / test.total : null;
  const counts = { correct: test?.correct ?? null, total: test?.total ?? null };
  const nearly = test?.correctTop === undefined ? null : topAccuracy(native.top as number, test.correctTop, test.total);
  const chosen = { epoch: best.epoch, accuracy: best.accuracy ?? null, selected: native.selectBest };
  return { result: { ...counts, accuracy, topK: nearly, best: chosen, epochs }, network };
}

/**
 * Makes a native run and starts it through `begin`; decodes the images and runs the ONNX files that it requests; stops
 * it on the signal. A failure on one rank reaches all.
 * @throws the error that `begin` or the listener's `save` rejects with; L2TError for an image that cannot be decoded.
 */
export async function driveRun<T>(
  spec: NativeSpec,
  materials: RunMaterials,
  {
    data: { streamed },
    checkpoints,
  }: { readonly data: Pick<TrainingData, 'streamed'>; readonly checkpoints: readonly Pick<Source, 'onnx'>[] },
  { signal, ranks }: Pick<RunContext, 'signal' | 'ranks'>,
  listener: RunListener,
  begin: (run: NativeRun) => Promise<T>,
): Promise<T> {
  const decoder = new BatchDecoder(streamed, addon().resize);
  const sources = new OnnxSources(checkpoints, spec.threads);
  let failure: { readonly error: unknown } | undefined;
  const stop = () => {
    decoder.end();
    run.stop();
  };
  const fail = (error: unknown): undefined => {
    failure ??= { error };
    stop();
  };
  const run = new (addon().Run)(spec, { ...materials, reducer: ranks.native }, (event) => {
    if (event.type === 'step') listener.step(event, stop);
    else if (event.type === 'decode') {
      decoder
        .decode(event)
        .catch(fail)
        .then((pixels) => run.answer(event.ticket, pixels))
        .catch(fail);
    } else if (event.type === 'maps') {
      sources
        .run(event)
        .catch(fail)
        .then((values) => run.answer(event.ticket, values))
        .catch(fail);
    } else {
      listener
        .save(event)
        .catch(fail)
        .finally(() => run.saved());
    }
  });
  const forget = onAbort(signal, stop);
  try {
    if (signal?.aborted) stop();
    // If the native part fails here, it fails on the other ranks, too: they need no message.
    const result = await begin(run).catch((error: unknown) => {
      throw failure ? failure.error : error;
    });
    await ranks.all(() => {
      if (failure) throw failure.error;
    });
    return result;
  } finally {
    decoder.end();
    forget();
    await sources.close();
  }
}

/** Runs a run's ONNX sources. Batches run one after another, so that results are the same to the bit. */
class OnnxSources {
  readonly #sessions = new Map<number, OnnxSession>();
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(
    private readonly sources: readonly Pick<Source, 'onnx'>[],
    private readonly threads: number,
  ) {}

  /** Returns a source's values for a batch, as `answer()` of a run takes them; undefined after `close`. */
  run(event: MapsEvent): Promise<Uint8Array | undefined> {
    const result = this.#last.then(() => this.#run(event));
    this.#last = result.catch(() => {});
    return result;
  }

  async #run({ source, images, batch }: MapsEvent): Promise<Uint8Array | undefined> {
    const model = this.sources[source]?.onnx;
    if (this.#closed || model === undefined) return undefined;
    const session = this.#sessions.get(source) ?? (await openOnnx(model, this.threads));
    this.#sessions.set(source, session);
    return valuesOf(await session.run(images, batch));
  }

  /** Waits for the batch that is under way, and releases the memory. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#last;
    for (const session of this.#sessions.values()) await session.close();
  }
}
