/** A training run: what it is given. */

import type { NamedTensor } from '../tensor.js';
import type { NativeGroup } from './group.js';
import type { NetworkSpec, Normalisation, Pair } from './networks.js';

export type EngineName = 'native' | 'autograd';

/**
 * Which backend computes for the native engine. 'direct': the reference; 'winograd': the CPU's, an error elsewhere;
 * 'auto': the CPU's, or in one process CUDA's, where there is one for the device.
 */
export type ConvolutionName = 'auto' | 'winograd' | 'direct';

/**
 * How a GPU multiplies in convolutions and linear layers: in float32; on tensor cores, with inputs rounded to TF32; or
 * with inputs cast to bfloat16. Weights, sums, losses and steps stay float32.
 */
export type PrecisionName = 'float32' | 'tf32' | 'bf16';

/** What judges φ: the batch of the steps, or the next one of the epoch's order, after its last the first. */
export type MetaBatch = 'same' | 'other';

/**
 * How a training image is changed before each step on it. 'none': not at all. 'crop-flip': cropped at random as
 * `resizedCrops` says, and mirrored with probability 1/2.
 */
export type AugmentName = 'crop-flip' | 'none';

/** What batch norm's statistics are of, where several processes share a run. */
export type BatchNormName = 'global' | 'local';

export interface Hyperparameters {
  readonly method: string;
  readonly engine: EngineName;
  readonly convolution: ConvolutionName;
  /** Absent: float32. On a CPU, no other is allowed. */
  readonly precision?: PrecisionName | undefined;
  /** False: a GPU may take faster algorithms whose results differ from run to run. Absent: true. */
  readonly deterministic?: boolean | undefined;
  /** Weights of the classes' images in the cross-entropy, one for each class. Absent: 1 each. */
  readonly classWeights?: readonly number[] | undefined;
  /** Momentum, and what the method's terms and meta-networks take, by the names of options/methods.ts. */
  readonly settings: Readonly<Record<string, number>>;
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

export interface RunJob extends Hyperparameters {
  readonly target: NetworkSpec;
  readonly size: number;
  readonly normalisation: Normalisation;
  /** Initial parameters and buffers of the target. If absent, they are drawn from `seed`. */
  readonly targetWeights?: readonly NamedTensor[];
  readonly sources: readonly NativeSource[];
  readonly train: NativeImages;
  /** How training images are augmented, which is a function of the seed. Absent: crop-flip. */
  readonly augment?: AugmentName | undefined;
  /**
   * True: a random box of each training image is cropped and resized while it is decoded, so `train` has no pixels.
   * False: images are padded, then cropped to their size.
   */
  readonly resizedCrops: boolean;
  /** Validation and test images have the target's size. */
  readonly validation?: NativeImages;
  readonly test?: NativeImages;
  /**
   * True: the best epoch is the first with the highest validation accuracy. False, or no validation images: the last.
   */
  readonly selectBest: boolean;
  /** Every so many epochs are validated, and the last always. Absent: 1. */
  readonly evalEvery?: number | undefined;
  /** With `selectBest`: ends the run after so many validations in a row that were not better. Absent: it goes on. */
  readonly patience?: number | undefined;
  /** K of the test images' `correctTop`. */
  readonly top?: number | undefined;
  readonly device: string;
  readonly threads: number;
  readonly seed: number;
  readonly epochs: number;
  readonly batch: number;
  /** Batch size of validation and test. */
  readonly evaluationBatch: number;
  /** Seconds between saves within an epoch. */
  readonly saveEvery: number;
  /** The learning rate at which the schedule begins. */
  readonly lr: number;
  /** The fraction of all steps during which the learning rate grows linearly to the schedule's. Absent: no warm-up. */
  readonly warmUp?: number;
  /** Absent: 'same'. */
  readonly metaBatch?: MetaBatch | undefined;
  /** False: a GPU is given each operation of a step by itself, not the whole step as one graph. Absent: true. */
  readonly graph?: boolean | undefined;
  /** Continues a run: `state` is that of its last 'save' or 'epoch' event, `best` the `network` of its best epoch. */
  readonly resume?: { readonly state: readonly NamedTensor[]; readonly best: readonly NamedTensor[] };
  /**
   * The processes that share the run, which has been joined. Each makes a Run with the same job but for its device, its
   * threads and `resume`, and makes the same calls in the same order; each decodes its own images. The first rank alone
   * receives 'step', 'epoch' and 'save' events, and needs `resume`. stop() on a rank stops all at the same step.
   */
  readonly group?: NativeGroup | undefined;
  /**
   * What batch norm's statistics are of: 'global': the whole batch; 'local': each rank's own images. Absent: global.
   */
  readonly batchNorm?: BatchNormName | undefined;
}
