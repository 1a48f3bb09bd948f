/** A training run: what it is given, and the processes that share it. */

import type { NamedTensor } from '../tensor.js';
import type {
  AugmentName,
  BatchNormName,
  ConvolutionName,
  EngineName,
  LambdaInit,
  MetaBatch,
  PrecisionName,
} from './names.js';
import type { NetworkSpec, Normalisation, Pair } from './networks.js';

/** How to learn. Beside these entries stand the numbers that the method takes, by the names of options/methods.ts. */
export interface Hyperparameters {
  readonly method: string;
  readonly engine: EngineName;
  readonly convolution: ConvolutionName;
  /** On a CPU, float32 alone. */
  readonly precision: PrecisionName;
  /** False: a GPU may take faster algorithms whose results differ from run to run. */
  readonly deterministic: boolean;
  /** λ's network before the first step, for a method that learns λ. */
  readonly lambdaInit?: LambdaInit | undefined;
}

export interface NativeSource {
  readonly network: NetworkSpec;
  /** Side of the source's own input, pixels. */
  readonly size: number;
  readonly weights: readonly NamedTensor[];
  readonly normalisation: Normalisation;
  readonly pairs: readonly Pair[];
}

/** Images for the addon. It does not copy them, so they must not change while a job runs. */
export interface NativeImages {
  /** uint8, labels × size × size × 3. If absent, the addon requests each batch by a DecodeEvent. */
  readonly pixels?: Uint8Array | undefined;
  readonly labels: Int32Array;
  readonly size: number;
}

/** The part of a run's spec (options/spec.ts) that the addon reads. */
export interface NativeSpec extends Hyperparameters {
  /** Side of the target's images, pixels. */
  readonly size: number;
  /** How training images are augmented, which is a function of the seed. */
  readonly augment: AugmentName;
  /** Every so many epochs are validated, and the last always. */
  readonly evalEvery: number;
  /** With `selectBest`: ends the run after so many validations in a row that were not better. Absent: it goes on. */
  readonly patience?: number | undefined;
  readonly device: string;
  readonly threads: number;
  readonly seed: number;
  readonly epochs: number;
  readonly batch: number;
  /** Seconds between saves within an epoch. */
  readonly saveEvery: number;
  /** The batch that judges φ, for a method that trains meta-networks. */
  readonly metaBatch?: MetaBatch | undefined;
  /** False: a GPU is given each operation of a step by itself, not the whole step as one graph. */
  readonly graph: boolean;
  readonly batchNorm: BatchNormName;
}

/** A run's inputs: images, weights, and values derived from them. */
export interface RunMaterials {
  /** The target, with the data's number of classes. */
  readonly target: NetworkSpec;
  readonly normalisation: Normalisation;
  /** Initial parameters and buffers of the target. If absent, they are drawn from the seed. */
  readonly targetWeights?: readonly NamedTensor[];
  /** The meta-networks to begin with, by the names in the state without `phi/`. Absent: they are drawn from the seed. */
  readonly phi?: readonly NamedTensor[] | undefined;
  readonly sources: readonly NativeSource[];
  readonly train: NativeImages;
  /** Images without labels, which every step sees beside as many of `train`. Their labels are −1. */
  readonly unlabelled?: NativeImages | undefined;
  /**
   * True: a random box of each training image is cropped and resized while it is decoded, so `train` has no pixels.
   * False: images are padded, then cropped to their size.
   */
  readonly resizedCrops: boolean;
  /** Validation and test images have the target's size. */
  readonly validation?: NativeImages;
  readonly test?: NativeImages;
  /** Weights of the classes' images in the cross-entropy, one for each class. Absent: 1 each. */
  readonly classWeights?: readonly number[] | undefined;
  /** For each class of the data, the index of the first source's output. Absent: the order is the same. */
  readonly sourceClasses?: readonly number[] | undefined;
  /**
   * True: the best epoch is the first with the highest validation accuracy. False, or no validation images: the last.
   */
  readonly selectBest: boolean;
  /** K of the test images' `correctTop`. */
  readonly top?: number | undefined;
  /** Batch size of validation and test. */
  readonly evaluationBatch: number;
  /** The learning rate at which the schedule begins. */
  readonly lr: number;
  /** The meta-networks' learning rate, in place of the spec's, for a method that trains them. */
  readonly metaLr?: number | undefined;
  /** The fraction of all steps during which the learning rate grows linearly to the schedule's. Absent: no warm-up. */
  readonly warmUp?: number;
  /** Continues a run: `state` is that of its last 'save' or 'epoch' event, `best` the `network` of its best epoch. */
  readonly resume?: { readonly state: readonly NamedTensor[]; readonly best: readonly NamedTensor[] };
  /**
   * The processes that share the run, which has been joined. Each makes a Run with the same spec but for its device and
   * threads, and the same materials but for `resume`, and makes the same calls in the same order; each decodes its own
   * images. The first rank alone receives 'step', 'epoch' and 'save' events, and needs `resume`. stop() on a rank stops
   * all at the same step.
   */
  readonly reducer?: NativeGroup | undefined;
}

/** This process's place among those that share a run, and where they find each other. */
export interface GroupConfig {
  /** From 0. */
  readonly rank: number;
  readonly size: number;
  /** Address on which rank 0 listens; in 127.0.0.0/8, it listens on the loopback interface alone. */
  readonly host: string;
  readonly port: number;
  /** Seconds that a rank waits for the others. */
  readonly timeout: number;
}

/** Membership in a group of processes. */
export interface NativeGroup {
  /**
   * Waits until all have joined. Rejects with GROUP_FAILED, which names those that are missing, or with
   * DEVICE_UNAVAILABLE where this build cannot join any (`groups()`).
   */
  join(): Promise<void>;
  /** Sends a text to all, and gives those of all, in the order of ranks. */
  exchange(text: string): Promise<string[]>;
  /** Leaves. `reason`: this rank failed, which the messages of the others then say. */
  leave(reason?: string): void;
  /** For jobs. */
  joined(): unknown;
}
