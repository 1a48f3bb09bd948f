import { randomBytes } from 'node:crypto';
import { addon, type NativeRun, type NativeSource, type NetworkSpec, type RunMaterials } from '../native/addon.js';
import type { Source } from '../networks/sources.js';
import { imagenetNormalisation } from '../options/networks.js';
import type { RunSpec } from '../options/spec.js';
import { Ranks } from '../ranks/ranks.js';
import { throwIfAborted } from '../system/abort.js';
import { sum } from '../system/statistics.js';
import type { RunListener } from './events.js';
import { driveRun } from './train.js';

/** A run to time: its spec, the target with its classes, and the sources without weights. */
export interface TimedRun {
  readonly spec: RunSpec;
  readonly target: NetworkSpec;
  readonly sources: readonly (Pick<NativeSource, 'network' | 'size' | 'pairs'> & Pick<Source, 'onnx'>)[];
}

/** Seconds of the fastest and of the slowest of a few steps. */
export interface StepTime {
  readonly min: number;
  readonly max: number;
}

/** The maximum number of steps, and the seconds after which no further step begins. */
const limits = { steps: 4, seconds: 10 };

/**
 * Times a few training steps on random images with initial weights. The trainer itself runs them, with any number of
 * sources, as in a run. The first step counts only if it is the only one. Images are in memory, so decoding is not
 * included.
 * @throws L2TError INVALID_OPTION, DEVICE_UNAVAILABLE; ABORTED through `signal`.
 */
export async function timeStep(timed: TimedRun, signal?: AbortSignal): Promise<StepTime> {
  const seconds: number[] = [];
  // The data is one batch, so that every epoch is one step. Nothing is validated.
  const spec = { ...timed.spec, epochs: limits.steps, saveEvery: 1e6, patience: undefined, seed: 1 };
  let run: NativeRun | undefined;
  const listener: RunListener = {
    step: () => {},
    save: async (event) => {
      if (event.type === 'epoch') seconds.push(event.seconds);
      if (sum(seconds) > limits.seconds) run?.stop();
    },
  };
  const files = { data: { streamed: {} }, checkpoints: timed.sources };
  await Ranks.use(undefined, signal, (ranks) =>
    driveRun(spec, materialsOf(timed), files, { signal, ranks }, listener, (made) => {
      run = made;
      return made.start();
    }),
  );
  throwIfAborted('The measurement', signal);
  const counted = seconds.length > 1 ? seconds.slice(1) : seconds;
  return { min: Math.min(...counted), max: Math.max(...counted) };
}

function materialsOf({ spec: { batch, size }, target, sources }: TimedRun): RunMaterials {
  return {
    lr: 1e-3, // on random images, 0.1 diverges within five steps
    metaLr: 1e-4,
    target,
    sources: sources.map((source) => ({
      ...source,
      weights: source.onnx ? [] : addon().initialise(source.network, 1),
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
  };
}
