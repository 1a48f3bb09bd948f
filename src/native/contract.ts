/** What the addon takes and gives: the whole native contract. `addon.ts` loads it. */
import type { NamedTensor } from './tensor.js';

export type { NamedTensor };

/** A network of the registry: `width` multiplies every channel count, rounded, at least 1. */
export interface NetworkSpec {
  readonly name: string;
  readonly classes: number;
  readonly width: number;
}

export interface NetworkDescription {
  readonly name: string;
  /** θ, in the order of the flat parameter vector. */
  readonly parameters: readonly { readonly name: string; readonly shape: readonly number[] }[];
  /** Batch-norm running statistics. */
  readonly buffers: readonly { readonly name: string; readonly shape: readonly number[] }[];
  /** Feature maps at the given input size. `candidate`: the last of its spatial size, never a stem. */
  readonly features: readonly {
    readonly index: number;
    readonly channels: number;
    readonly size: number;
    readonly candidate: boolean;
  }[];
}

/** Pair (source feature m, target feature n). */
export type Pair = readonly [m: number, n: number];

export interface NativeSource {
  readonly network: NetworkSpec;
  /** Side of the source's own input, pixels. */
  readonly size: number;
  readonly weights: readonly NamedTensor[];
  readonly normalisation: Normalisation;
  readonly pairs: readonly Pair[];
}

/** Per channel, of pixels scaled to [0, 1]. */
export interface Normalisation {
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

/** Images as the addon takes them: not copied, so they must not change while a job runs. */
export interface NativeImages {
  /** uint8, labels × size × size × 3; absent: asked for batch by batch (DecodeEvent). */
  readonly pixels?: Uint8Array | undefined;
  readonly labels: Int32Array;
  readonly size: number;
}

export type EngineName = 'native' | 'autograd';

/** Convolutions of the native engine in the Winograd domain: those that can on a CPU, the same but an error elsewhere, or none. */
export type ConvolutionName = 'auto' | 'winograd' | 'direct';

export interface Hyperparameters {
  readonly method: string;
  readonly engine: EngineName;
  readonly convolution: ConvolutionName;
  readonly lr: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly beta: number;
  /** T, the number of virtual matching steps. */
  readonly innerSteps: number;
  readonly metaLr: number;
  readonly metaWeightDecay: number;
  /** Of the attention loss, and of learning without forgetting, with its temperature. */
  readonly attentionWeight: number;
  readonly distillationWeight: number;
  readonly temperature: number;
}

export interface RunJob extends Hyperparameters {
  readonly target: NetworkSpec;
  readonly size: number;
  readonly normalisation: Normalisation;
  /** Start of θ's network part and its buffers; absent: initialised from `seed`. */
  readonly targetWeights?: readonly NamedTensor[];
  readonly sources: readonly NativeSource[];
  /** Each image is mirrored in half of the cases, and cropped at random: as `resizedCrops` says. */
  readonly train: NativeImages;
  /** Training images are cropped at a random place and scale while they are decoded (so `train` has no pixels); else padded, and cropped to their size. */
  readonly resizedCrops: boolean;
  /** Of the target's size, as the test images are. */
  readonly validation?: NativeImages;
  readonly test?: NativeImages;
  /** Is the best epoch the first with the highest validation accuracy? Else, and without validation images, it is the last. */
  readonly selectBest: boolean;
  readonly device: string;
  readonly threads: number;
  readonly seed: number;
  readonly epochs: number;
  readonly batch: number;
  /** Images that are validated or tested together. */
  readonly evaluationBatch: number;
  /** Seconds between saves within an epoch. */
  readonly saveEvery: number;
  /** Part of all steps over which the learning rate grows linearly to the schedule's; absent: none. */
  readonly warmUp?: number;
  /** Continue from a saved state: `state` as a 'save' or 'epoch' event gave it, `best` as the best epoch's gave it. */
  readonly resume?: { readonly state: readonly NamedTensor[]; readonly best: readonly NamedTensor[] };
}

export interface StepEvent {
  readonly type: 'step';
  /** From 0. */
  readonly epoch: number;
  /** Steps done in this epoch, and in all of it. */
  readonly step: number;
  readonly steps: number;
  readonly lossOrg: number;
  /** These are absent where the method has no such term. */
  readonly lossMatching?: number;
  readonly lossAttention?: number;
  readonly lossDistillation?: number;
  /** L_org(θ_{T+1}); absent where the method is not bilevel. */
  readonly metaObjective?: number;
}

export interface PairMetrics {
  readonly source: number;
  readonly pair: Pair;
  /** λ over the epoch's images; absent where amounts are fixed. */
  readonly lambdaMean?: number;
  readonly lambdaStd?: number;
  /** Mean entropy of w over the epoch's images, nats; absent where channels are not weighted. */
  readonly weightEntropy?: number;
}

/** What an epoch measured; everything in it is reproducible from the seed. */
export interface EpochMetrics {
  readonly epoch: number;
  /** At the epoch's last step: with a warm-up it grows within an epoch. */
  readonly lr: number;
  readonly lossOrg: number;
  readonly lossMatching?: number;
  readonly lossAttention?: number;
  readonly lossDistillation?: number;
  readonly metaObjective?: number;
  /** Norm of ∇φ, mean over the epoch's steps. */
  readonly gradPhi?: number;
  readonly trainAccuracy: number;
  readonly validationAccuracy?: number;
  readonly validationLoss?: number;
  readonly pairs: readonly PairMetrics[];
}

/** The trainer waits after an 'epoch' or 'save' event until `saved()` is called. */
export interface EpochEvent {
  readonly type: 'epoch';
  readonly metrics: EpochMetrics;
  /** Training and validation. */
  readonly seconds: number;
  /** The epoch's steps that these seconds were for: a resume in its midst does not do them all. */
  readonly steps: number;
  /** Training images, while they were trained on. */
  readonly imagesPerSecond: number;
  /** Is this the best epoch so far (`selectBest`: the first with the highest validation accuracy; else each is, in its turn)? */
  readonly best: boolean;
  /** The target's parameters and buffers. */
  readonly network: readonly NamedTensor[];
  readonly state: readonly NamedTensor[];
}

export interface SaveEvent {
  readonly type: 'save';
  readonly state: readonly NamedTensor[];
}

/**
 * A batch of images without `pixels` will be needed soon: `decoded()` must answer, with the same ticket, in any order.
 * Several are asked for ahead, so that decoding and training go side by side.
 */
export interface DecodeEvent {
  readonly type: 'decode';
  readonly ticket: number;
  readonly set: 'train' | 'validation' | 'test';
  /** Positions in the set. */
  readonly images: Int32Array;
  /** For a random resized crop of each image, uniform numbers in [0, 1), images × 40; absent: the whole image, fitted. */
  readonly draws?: Float64Array;
}

export type NativeEvent = StepEvent | EpochEvent | SaveEvent | DecodeEvent;

export interface Evaluation {
  readonly correct: number;
  readonly total: number;
  /** Mean cross-entropy, nats. */
  readonly loss: number;
  /** Predicted class of every image, in the order of the set's indices. */
  readonly predictions: Int32Array;
}

export interface RunResult {
  /** Ended by stop() before its last epoch. */
  readonly stopped: boolean;
  readonly best?: { readonly epoch: number; readonly accuracy?: number };
  /** On the test images with the best epoch's weights; absent without test images or when stopped. */
  readonly test?: Evaluation;
}

export interface NativeRun {
  /** Starts the native thread; call once. Rejects with an error that carries `code`. */
  start(): Promise<RunResult>;
  /**
   * In place of start(): one real step (no meta-step) at each learning rate in turn, on the batches of the run's beginning, as
   * 'step' events. It ends early where a loss is NaN or infinite (lossOrg is then infinite) and on stop(). Nothing is saved.
   */
  tryRates(rates: readonly number[]): Promise<void>;
  /** Ask to end after the current step; a 'save' event precedes the end. */
  stop(): void;
  /** The last 'epoch' or 'save' event is on disk; training goes on. */
  saved(): void;
  /** Answers a 'decode' event: uint8, images × size × size × 3 (copied); without pixels the run ends as by stop(). */
  decoded(ticket: number, pixels?: Uint8Array): void;
}

/** A network to infer with. */
export interface NetworkJob {
  readonly network: NetworkSpec;
  /** Float32 is computed with, whatever these are. */
  readonly weights: readonly NamedTensor[];
  /** Side of its images, pixels. */
  readonly size: number;
  readonly normalisation: Normalisation;
  readonly device: string;
  readonly threads: number;
}

export interface NativeNetwork {
  /**
   * The network in evaluation mode on images (uint8, count × size × size × 3; not copied, so they must not change
   * until the promise settles): 'logits' (count × classes) and, where wanted, 'feature/0', … (count × C × H × W).
   * Calls may go side by side.
   */
  infer(pixels: Uint8Array, wantFeatures: boolean): Promise<NamedTensor[]>;
}

/** `iterations` iterations of the algorithm from given tensors on given batches, everything observed: for parity. */
export interface IterateJob extends Hyperparameters {
  readonly dtype: 'float32' | 'float64';
  readonly device: string;
  readonly threads: number;
  readonly target: NetworkSpec;
  readonly sources: readonly { readonly network: NetworkSpec; readonly pairs: readonly Pair[] }[];
  /** source.…, target.…, branch.i.…, weight_net.i.…, lambda_net.i.…, momentum.…, x, x@k, y, y@k. */
  readonly tensors: readonly NamedTensor[];
  readonly iterations: number;
}

/** Iterations of one engine on random images and initial weights, for `bench`. */
export interface BenchJob extends Hyperparameters {
  readonly target: NetworkSpec;
  readonly size: number;
  readonly batch: number;
  readonly source: { readonly network: NetworkSpec; readonly pairs: readonly Pair[] };
  readonly device: string;
  readonly threads: number;
}

export interface NativeBench {
  /** Seconds of each phase of one iteration; their sum is the iteration's time. */
  iterate(): Promise<Readonly<Record<string, number>>>;
}

export interface MachineSpeed {
  readonly gemmGflops: number;
  readonly bandwidthGBs: number;
}

/** The whole native contract. */
export interface NativeAddon {
  info(): {
    readonly libtorch: string;
    readonly cuda: boolean;
    readonly parallel: string;
    /** Whose matrix products the CPU's kernels take: oneDNN, BLAS or LibTorch. */
    readonly gemm: string;
    /** The instruction set of the CPU's kernels: avx512, avx2 or baseline. */
    readonly vectors: string;
  };
  /** 'auto' → what is chosen and why; throws DEVICE_UNAVAILABLE with the reason. */
  device(name: string): { readonly device: string; readonly reason: string };
  networks(): readonly string[];
  describe(network: NetworkSpec, size: number): NetworkDescription;
  /** Parameters and buffers as a run with this seed starts from, float32. */
  initialise(network: NetworkSpec, seed: number): NamedTensor[];
  /** `configuration`: all-to-all, one-to-one, single, or a list such as 4-0,9-1. */
  pairs(
    source: NetworkSpec,
    sourceSize: number,
    target: NetworkSpec,
    targetSize: number,
    configuration: string,
  ): Pair[];
  /** Antialiased bilinear, bytes as Pillow's: height × width × 3 → outHeight × outWidth × 3. */
  resize(pixels: Uint8Array, height: number, width: number, outHeight: number, outWidth: number): Promise<Uint8Array>;
  /** Every observed tensor by the fixtures' names, whole (θ, momentum and features are not probed here). */
  iterate(job: IterateJob): Promise<NamedTensor[]>;
  /** Bytes of this process's CPU tensors of 64 KiB and more: alive now, and the most that were at once. */
  memory(): { readonly now: number; readonly peak: number };
  /** What the machine gives at best: float32 matrix products, and memory read and written. */
  measureMachine(threads: number): Promise<MachineSpeed>;
  readonly Bench: new (job: BenchJob) => NativeBench;
  readonly Network: new (job: NetworkJob) => NativeNetwork;
  readonly Run: new (job: RunJob, onEvent: (event: NativeEvent) => void) => NativeRun;
}
