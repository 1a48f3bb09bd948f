/** The types of everything that the addon takes and returns. `addon.ts` loads the addon. */
import type { NamedTensor } from './tensor.js';

export type { NamedTensor };

/** A network of the registry. `width` multiplies every channel count; the product is rounded, and at least 1. */
export interface NetworkSpec {
  /** One of `networkNames`. */
  readonly name: string;
  /** Number of classes, from 1. */
  readonly classes: number;
  /** In (0, 8]. */
  readonly width: number;
}

/** A tensor of a network, without its values. */
export interface NamedShape {
  /** Its name, as in PyTorch's state dict: features.0.weight. */
  readonly name: string;
  /** Its sides; none for a single number. */
  readonly shape: readonly number[];
}

/** One operation of a network. Operation i reads the values `inputs` and makes value i + 1; value 0 is the images. */
export interface OperationDescription {
  /** One of those that `declarations()` lists. */
  readonly kind: string;
  /** The values that it reads. */
  readonly inputs: readonly number[];
  /** Its parameters and running statistics: what each is to the operation → its name in the network. */
  readonly tensors: Readonly<Record<string, string>>;
  /** Numbers that fix what it computes, such as its stride, by name. */
  readonly settings: Readonly<Record<string, number>>;
}

/** What a network consists of. */
export interface NetworkDescription {
  /** Its name, one of `networkNames`. */
  readonly name: string;
  /** θ, in the order of the flat parameter vector. */
  readonly parameters: readonly NamedShape[];
  /** Batch-norm running statistics. */
  readonly buffers: readonly NamedShape[];
  /** In the order of computation; the last one makes the logits. */
  readonly operations: readonly OperationDescription[];
  /** Of value i, the height and width of its map, pixels; 1 of a vector. */
  readonly sides: readonly number[];
  /**
   * Feature maps at the given input size. `candidate`: the last map of its spatial size, never a stem. Only candidates
   * are paired, except by an explicit list of pairs.
   */
  readonly features: readonly {
    /** From 0: the numbers of `pairs`. */
    readonly index: number;
    /** Number of channels. */
    readonly channels: number;
    /** Its height and width, pixels. */
    readonly size: number;
    /** Is it paired by all-to-all, one-to-one and single? */
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

/** Mean and standard deviation per channel, of pixels scaled to [0, 1]. */
export interface Normalisation {
  /** Of red, green and blue. */
  readonly mean: readonly [number, number, number];
  /** Of red, green and blue. */
  readonly std: readonly [number, number, number];
}

/** Images for the addon. It does not copy them, so they must not change while a job runs. */
export interface NativeImages {
  /** uint8, labels × size × size × 3. If absent, the addon requests each batch by a DecodeEvent. */
  readonly pixels?: Uint8Array | undefined;
  readonly labels: Int32Array;
  readonly size: number;
}

export type EngineName = 'native' | 'autograd';

/**
 * Which backend computes for the native engine. 'direct': the reference; 'winograd': the CPU's, an error elsewhere;
 * 'auto': the CPU's where there is one for the device.
 */
export type ConvolutionName = 'auto' | 'winograd' | 'direct';

/**
 * How a GPU multiplies in convolutions and linear layers: in float32; on tensor cores, with inputs rounded to TF32; or
 * with inputs cast to bfloat16. Weights, sums, losses and steps stay float32.
 */
export type PrecisionName = 'float32' | 'tf32' | 'bf16';
/** What judges φ: the batch of the steps, or the next one of the epoch's order, after its last the first. */
export type MetaBatch = 'same' | 'other';

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

/**
 * How a training image is changed before each step on it. 'none': not at all. 'crop-flip': cropped at random as
 * `resizedCrops` says, and mirrored with probability 1/2. 'trivial': crop-flip, then TrivialAugmentWide.
 */
export type AugmentName = 'crop-flip' | 'none' | 'trivial';

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

/** What batch norm's statistics are of, where several processes share a run. */
export type BatchNormName = 'global' | 'local';

/** This process's place among those that share a run, and where they find each other. */
export interface GroupConfig {
  /** From 0. */
  readonly rank: number;
  readonly size: number;
  /** Of rank 0, which listens there; in 127.0.0.0/8, it listens on the loopback interface alone. */
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

/** What the meta-networks learned about a pair of features, in an epoch. */
export interface PairMetrics {
  /** Which source, from 0, in the order in which they were given. */
  readonly source: number;
  /** Source feature m and target feature n, both from 0. */
  readonly pair: Pair;
  /** Mean of λ over the epoch's images, in [0, 6]; absent if the method does not learn λ. */
  readonly lambdaMean?: number;
  /** Standard deviation of λ over the epoch's images. */
  readonly lambdaStd?: number;
  /** Mean entropy of w over the epoch's images, nats; absent if the method does not learn w. */
  readonly weightEntropy?: number;
}

/** The metrics of an epoch. All of them are reproducible from the seed. */
export interface EpochMetrics {
  /** From 0. */
  readonly epoch: number;
  /** Learning rate of the epoch's last step: during a warm-up it changes within an epoch. */
  readonly lr: number;
  /** Means over the epoch's steps. */
  readonly losses: Losses;
  /** L_org(θ_{T+1}), mean over the epoch's steps that move φ, nats; absent if there are none. */
  readonly metaObjective?: number;
  /** Norm of the gradient with respect to φ, mean over the same steps. */
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
 * Requests a batch of a set without `pixels`. Answer by `decoded()` with the same ticket; the order of answers is free.
 * Several batches are requested ahead, so that decoding and training run in parallel.
 */
export interface DecodeEvent {
  readonly type: 'decode';
  readonly ticket: number;
  readonly set: 'train' | 'validation' | 'test';
  /** Positions in the set. */
  readonly images: Int32Array;
  /** images × 40 uniform numbers in [0, 1) for the random resized crops. Absent: whole images, fitted to the size. */
  readonly draws?: Float64Array;
}

export type NativeEvent = StepEvent | EpochEvent | SaveEvent | DecodeEvent;

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

export interface RunResult {
  /** True if stop() ended the run before its last epoch or its test was complete. */
  readonly stopped: boolean;
  /** Epochs done: fewer than the job's where `patience` ended the run. */
  readonly epochs: number;
  readonly best?: { readonly epoch: number; readonly accuracy?: number };
  /** Evaluation of the best epoch's weights on the test images; absent if there are none or the run was stopped. */
  readonly test?: Evaluation;
  /** In a group, on ranks but the first: the network of the best epoch. */
  readonly network?: readonly NamedTensor[];
}

export interface NativeRun {
  /** Starts the native thread. Call it once. Rejects with an error that carries `code`. */
  start(): Promise<RunResult>;
  /**
   * Call it instead of start(). Does one real step (no meta-step) at each learning rate in turn, on the run's first
   * batches, and emits 'step' events. Ends early at a loss that is NaN or infinite (then losses.org is infinite), and on
   * stop(). Saves nothing.
   */
  tryRates(rates: readonly number[]): Promise<void>;
  /** Asks the run to end after the current step. A 'save' event comes before the end. */
  stop(): void;
  /** Says that the last 'epoch' or 'save' event is on disk, so that training continues. */
  saved(): void;
  /** Answers a 'decode' event: uint8, images × size × size × 3 (copied). Without pixels, the run ends as by stop(). */
  decoded(ticket: number, pixels?: Uint8Array): void;
}

/** Trained meta-networks, for the features of the source that a NetworkJob loads. */
export interface ImportanceJob {
  readonly method: string;
  /** The source feature m of each pair. */
  readonly features: readonly number[];
  /** φ: weight_net.i.… and lambda_net.i.… of pair i. */
  readonly phi: readonly NamedTensor[];
}

/** A network for inference. */
export interface NetworkJob {
  readonly network: NetworkSpec;
  /** Any float type; all are converted to float32. */
  readonly weights: readonly NamedTensor[];
  /** Side of its images, pixels. */
  readonly size: number;
  readonly normalisation: Normalisation;
  readonly device: string;
  readonly threads: number;
  readonly importance?: ImportanceJob;
}

export interface NativeNetwork {
  /**
   * Runs the network in evaluation mode on images (uint8, count × size × size × 3; not copied, so they must not change
   * until the promise settles). Returns 'logits' (count × classes); on request 'feature/0', … (count × C × H × W); and
   * with `importance`, for each pair i, 'w/i' (count × C) and 'lambda/i' (count), as far as the method learns them.
   * Calls may overlap.
   */
  infer(pixels: Uint8Array, wantFeatures: boolean): Promise<NamedTensor[]>;
}

/** For `bench`: iterations of one engine on random images, from initial weights. */
export interface BenchJob extends Hyperparameters {
  readonly target: NetworkSpec;
  readonly size: number;
  readonly batch: number;
  readonly source: { readonly network: NetworkSpec; readonly pairs: readonly Pair[] };
  /** Side of the source's images. */
  readonly sourceSize: number;
  readonly lr: number;
  readonly device: string;
  readonly threads: number;
  /** The processes that share each batch. */
  readonly group?: NativeGroup | undefined;
  /** Times each layer, too (`layers()`); on the CPU. */
  readonly layers?: boolean;
}

/** How long a kind of work takes in an iteration. */
export interface LayerTiming {
  readonly part: 'source' | 'unit' | 'matching' | 'loss' | 'importance' | 'vectors';
  /** Of a unit and of the matching loss at a map: its shape, such as `64→128 @16`. */
  readonly name: string;
  /** The operations that a unit fuses, by their kinds; empty for anything else. */
  readonly operations: readonly string[];
  /** forward, backward, tangent or tangent-backward; of some parts, several at once or another kind of step. */
  readonly sweep: string;
  /** Calls in an iteration. */
  readonly calls: number;
  /** Seconds of a call: the mean over an iteration, of the best iteration. */
  readonly seconds: number;
  /** Floating-point operations of a call's products of matrices, at least. */
  readonly flop: number;
  /** Bytes that a call reads and writes, at least. */
  readonly bytes: number;
}

/** What a rank has sent to its group so far. */
export interface Traffic {
  /** Sums and other exchanges. */
  readonly calls: number;
  /** Of the tensors that this rank gave. */
  readonly bytes: number;
}

export interface NativeBench {
  /** 0 without a group. */
  traffic(): Traffic;
  /** Of all iterations so far, where the job asks for it; otherwise empty. */
  layers(): LayerTiming[];
  /**
   * Seconds of each phase of one iteration, whose operations are launched one by one; their sum is the iteration's time.
   */
  iterate(): Promise<Readonly<Record<string, number>>>;
  /** An iteration as one CUDA graph: the first three calls warm up, the fourth captures it, too. */
  iterateAsGraph(): Promise<GraphTiming>;
}

export interface GraphTiming {
  readonly seconds: number;
  /** What the graph holds: kernels, copies and fills. 0 before it is captured, and where CUDA does not say. */
  readonly launches: number;
}

export interface MachineSpeed {
  readonly gemmGflops: number;
  readonly bandwidthGBs: number;
}

export interface MemoryUse {
  readonly now: number;
  readonly peak: number;
}

/** CUDA releases such as '12.4'; '' of an addon that was built without CUDA. */
export interface CudaVersions {
  /** Of the toolkit that the addon was compiled with. */
  readonly compiledFor: string;
  /** Of the runtime library that LibTorch brings. */
  readonly runtime: string;
}

export interface GpuDescription {
  readonly name: string;
  /** Such as '9.0'. */
  readonly computeCapability: string;
  readonly freeBytes: number;
  readonly totalBytes: number;
  /**
   * GFLOP/s that its float32 cores reach at their highest clock, tensor cores aside; 0 for an architecture that is not
   * known.
   */
  readonly float32Gflops: number;
}

/** Bytes that LibTorch's allocator holds on a GPU: in tensors (allocated), and taken from the driver (reserved). */
export interface CudaMemory {
  readonly allocated: number;
  readonly reserved: number;
  /** The most so far. */
  readonly peakAllocated: number;
  readonly peakReserved: number;
}

export interface CudaDescription {
  /** Why no GPU can be used; '' if one can. */
  readonly problem: string;
  /** The release of cuDNN, '9.1.0'; '' without a GPU, or of an addon that was built without CUDA. */
  readonly cudnn: string;
  readonly gpus: readonly GpuDescription[];
}

/** The addon's exports. */
export interface NativeAddon {
  /** From now on, failures of this thread's calls are what `make` returns; before, Errors with `code`. */
  useErrors(make: (code: string, message: string) => Error): void;
  info(): {
    readonly libtorch: string;
    readonly cuda: boolean;
    readonly parallel: string;
    /** The library that multiplies matrices for the CPU's kernels: oneDNN, BLAS or LibTorch. */
    readonly gemm: string;
    /** The instruction set of the CPU's kernels: avx512, avx2 or baseline. */
    readonly vectors: string;
  };
  /** Of which CUDA the addon and LibTorch are. Starts nothing on a GPU. */
  cudaVersions(): CudaVersions;
  /** Describes the GPUs, which starts CUDA on each of them. */
  cuda(): CudaDescription;
  /** This process's memory on a GPU, after its first operation there. */
  cudaMemory(device: string): CudaMemory;
  /** The device that `name` means ('auto': the chosen one), and why. Throws DEVICE_UNAVAILABLE with the reason. */
  device(name: string): { readonly device: string; readonly reason: string };
  /**
   * The backend that computes the native engine's sweeps on a device: 'cpu' (the kernels of native/backends/cpu) or
   * 'reference' (LibTorch's operations one by one). Throws INVALID_OPTION for 'winograd' where that is not the CPU's.
   */
  backend(device: string, convolution: ConvolutionName): string;
  networks(): readonly string[];
  describe(network: NetworkSpec, size: number): NetworkDescription;
  /** The initial parameters and buffers of a run with this seed, float32. */
  initialise(network: NetworkSpec, seed: number): NamedTensor[];
  /** `configuration`: all-to-all, one-to-one, single, or a list such as 4-0,9-1. */
  pairs(
    source: NetworkSpec,
    sourceSize: number,
    target: NetworkSpec,
    targetSize: number,
    configuration: string,
  ): Pair[];
  /** Antialiased bilinear resize, same bytes as Pillow's: height × width × 3 → outHeight × outWidth × 3. */
  resize(pixels: Uint8Array, height: number, width: number, outHeight: number, outWidth: number): Promise<Uint8Array>;
  /** Bytes in this process's CPU tensors of 64 KiB and more: now, and at the peak. */
  memory(): MemoryUse;
  /** Measures the machine's peak speed: float32 matrix products, and memory reads and writes. */
  measureMachine(threads: number): Promise<MachineSpeed>;
  /** Whether this build can join a group of processes. */
  groups(): boolean;
  readonly Bench: new (job: BenchJob) => NativeBench;
  readonly Group: new (config: GroupConfig) => NativeGroup;
  readonly Network: new (job: NetworkJob) => NativeNetwork;
  readonly Run: new (job: RunJob, onEvent: (event: NativeEvent) => void) => NativeRun;
}
