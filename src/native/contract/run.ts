/** A training run: its events and its result. */

import type { NamedTensor } from '../tensor.js';
import type { Pair } from './networks.js';

export interface NativeRun {
  /** Starts the native thread. Call it once. Rejects with an error that carries `code`. */
  start(): Promise<TrainerResult>;
  /**
   * Call it instead of start(). Does one real step (no meta-step) at each learning rate in turn, on the run's first
   * batches, and emits 'step' events. Ends early at a loss that is NaN or infinite (then losses.org is infinite), and on
   * stop(). Saves nothing.
   */
  tryRates(rates: readonly number[]): Promise<void>;
  /** Asks the run to end after the current step. A 'save' event comes before the end, unless the run has ended by itself. */
  stop(): void;
  /** Says that the last 'epoch' or 'save' event is on disk, so that training continues. */
  saved(): void;
  /**
   * Answers a 'decode' event (uint8, images × size × size × 3) or a 'maps' event (the bytes of float32 numbers: each feature
   * map, B × C × H × W, then the logits, one after the other). The bytes are copied. Without them, the run ends as by stop().
   */
  answer(ticket: number, bytes?: Uint8Array): void;
}

/**
 * The terms that the loss is a sum of, with their weights, by name: `org`, the cross-entropy, and those that the method
 * adds.
 */
export interface Losses {
  /** Cross-entropy, mean over the images, nats. */
  readonly org: number;
  /** Another term, multiplied by its weight (docs/method.md). */
  readonly [term: string]: number;
}

/** A step of training has been done. */
export interface StepEvent {
  /** Which event it is. */
  readonly type: 'step';
  /** From 0. */
  readonly epoch: number;
  /** Steps done in this epoch. */
  readonly step: number;
  /** All steps of an epoch. */
  readonly steps: number;
  /** Means over the batch, before the step. */
  readonly losses: Losses;
  /** L_org(θ_{T+1}); absent if the step does not move φ. */
  readonly metaObjective?: number;
}

/** The meta-networks' weights for a pair of features, over an epoch. */
export interface PairMetrics {
  /** Which source, from 0, in the order in which they were given. */
  readonly source: number;
  /** Source feature m and target feature n, both from 0. */
  readonly pair: Pair;
  /** Mean of λ over the epoch's images, in [0, 6]; absent if the method does not learn λ. */
  readonly lambdaMean?: number;
  /** Standard deviation of λ over the epoch's images. */
  readonly lambdaStd?: number;
  /** Mean of λ over the same images by the meta-networks with which the run began. */
  readonly lambdaStart?: number;
  /** Mean entropy of w over the epoch's images, nats; absent if the method does not learn w. */
  readonly weightEntropy?: number;
}

/** The metrics of an epoch. All of them are reproducible from the seed. */
export interface EpochMetrics {
  /** From 0. */
  readonly epoch: number;
  /** Learning rate of the epoch's last step: during a warm-up it changes within an epoch. */
  readonly lr: number;
  /** Means over the epoch's images. */
  readonly losses: Losses;
  /** L_org(θ_{T+1}), mean over the images of the epoch's steps that move φ, nats; absent if there are none. */
  readonly metaObjective?: number;
  /** Norm of the gradient with respect to φ, mean over the same steps, weighted alike. */
  readonly gradPhi?: number;
  /** On the training images, augmented, before each step: in [0, 1]. */
  readonly trainAccuracy: number;
  /** On the validation images, in [0, 1]; absent without any, and of an epoch that is not validated (`evalEvery`). */
  readonly validationAccuracy?: number;
  /** Mean cross-entropy of the validation images, nats; absent as `validationAccuracy`. */
  readonly validationLoss?: number;
  /** One for each pair of features; none if the method has no pairs. */
  readonly pairs: readonly PairMetrics[];
}

/** The most memory of the GPU that the process held since the run began, bytes. */
export interface GpuMemory {
  /** In tensors. */
  readonly allocated: number;
  /** Taken from the driver. */
  readonly reserved: number;
}

/** The trainer waits after an 'epoch' or 'save' event until `saved()` is called. */
export interface EpochEvent {
  readonly type: 'epoch';
  readonly metrics: EpochMetrics;
  /** Time of training and validation. */
  readonly seconds: number;
  /** Steps that were done in these seconds. After a resume within the epoch they are fewer than the epoch's. */
  readonly steps: number;
  /** Training speed, without validation. */
  readonly imagesPerSecond: number;
  /**
   * With `selectBest`: is its validation accuracy the highest so far? Until an epoch is validated, without `selectBest`
   * and without validation: true.
   */
  readonly best: boolean;
  /** On a GPU. */
  readonly gpuMemory?: GpuMemory;
  /** The target's parameters and buffers. */
  readonly network: readonly NamedTensor[];
  readonly state: readonly NamedTensor[];
}

export interface SaveEvent {
  readonly type: 'save';
  readonly state: readonly NamedTensor[];
}

/**
 * Requests a batch of a set without `pixels`. Answer by `answer()` with the same ticket; the order of answers is free.
 * Several batches are requested ahead, so that decoding and training run in parallel.
 */
export interface DecodeEvent {
  readonly type: 'decode';
  readonly ticket: number;
  readonly set: 'train' | 'unlabelled' | 'validation' | 'test';
  /** Positions in the set. */
  readonly images: Int32Array;
  /** images × 40 uniform numbers in [0, 1) for the random resized crops. Absent: whole images, fitted to the size. */
  readonly draws?: Float64Array;
}

/**
 * Requests what a source that runs elsewhere makes of a batch. Answer by `answer()` with the same ticket. A batch is
 * requested while the one before it is in training.
 */
export interface MapsEvent {
  readonly type: 'maps';
  readonly ticket: number;
  /** Which source, from 0. */
  readonly source: number;
  /** Number of images, B. */
  readonly batch: number;
  /** B × 3 × S × S, normalised. */
  readonly images: Float32Array;
}

export type NativeEvent = StepEvent | EpochEvent | SaveEvent | DecodeEvent | MapsEvent;

export interface Evaluation {
  readonly correct: number;
  /** Images whose label is one of the `top` likeliest classes; absent where `top` is. */
  readonly correctTop?: number;
  readonly total: number;
  /** Mean cross-entropy, nats. */
  readonly loss: number;
  /** Predicted class of every image, in the set's order. */
  readonly predictions: Int32Array;
}

export interface TrainerResult {
  /** True if stop() ended the run before its last epoch or its test was complete. */
  readonly stopped: boolean;
  /** Epochs done: fewer than the job's where `patience` ended the run. */
  readonly epochs: number;
  readonly best?: { readonly epoch: number; readonly accuracy?: number };
  /** Evaluation of the best epoch's weights on the test images; absent if there are none or the run was stopped. */
  readonly test?: Evaluation;
  /** On ranks but the first: the network of the best epoch. */
  readonly network?: readonly NamedTensor[];
}
