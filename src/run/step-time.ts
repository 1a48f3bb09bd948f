import { randomBytes } from 'node:crypto';
import { addon, type NetworkSpec, type Pair, type RunJob } from '../native/addon.js';
import { imagenetNormalisation } from '../options/networks.js';
import { onAbort, throwIfAborted } from '../system/abort.js';

/** The training job to time, without its images, weights and schedule. */
export interface TimedJob
  extends Pick<
    RunJob,
    | 'method'
    | 'engine'
    | 'convolution'
    | 'precision'
    | 'deterministic'
    | 'settings'
    | 'target'
    | 'size'
    | 'batch'
    | 'device'
    | 'threads'
  > {
  readonly sources: readonly {
    readonly network: NetworkSpec;
    readonly size: number;
    readonly pairs: readonly Pair[];
  }[];
}

/** The most steps, and the seconds after which no further step begins. */
const limits = { steps: 4, seconds: 10 };

/**
 * Seconds of a training step: the fastest of a few, on random images with initial weights. The trainer itself runs
 * them, with any number of sources, as in a run. The first step counts only if it is the only one. Images are in
 * memory, so decoding is not included.
 * @throws L2TError INVALID_OPTION, DEVICE_UNAVAILABLE; ABORTED through `signal`.
 */
export async function timeStep(job: TimedJob, signal?: AbortSignal): Promise<number> {
  const seconds: number[] = [];
  const run = new (addon().Run)(toRunJob(job), (event) => {
    if (event.type === 'step') return;
    if (event.type === 'epoch') seconds.push(event.seconds);
    if (seconds.reduce((sum, each) => sum + each, 0) > limits.seconds || signal?.aborted) run.stop();
    run.saved();
  });
  const stop = () => run.stop();
  const forget = onAbort(signal, stop);
  try {
    await run.start();
  } finally {
    forget();
  }
  throwIfAborted('The measurement', signal);
  return Math.min(...(seconds.length > 1 ? seconds.slice(1) : seconds));
}

/** The data is one batch, so that every epoch is one step. */
function toRunJob({ sources, ...job }: TimedJob): RunJob {
  const { batch, size, target } = job;
  return {
    lr: 1e-3, // on random images, 0.1 diverges within five steps
    ...job,
    sources: sources.map((source) => ({
      ...source,
      weights: addon().initialise(source.network, 1),
      normalisation: imagenetNormalisation,
    })),
    normalisation: imagenetNormalisation,
    train: {
      pixels: randomBytes(batch * size * size * 3),
      labels: Int32Array.from({ length: batch }, (_, image) => image % target.classes),
      size,
    },
    resizedCrops: false,
    evaluationBatch: batch,
    selectBest: false,
    seed: 1,
    epochs: limits.steps,
    saveEvery: 1e6,
  };
}
