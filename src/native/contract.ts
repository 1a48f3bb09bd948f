/** The types of everything that the addon takes and returns. `addon.ts` loads the addon. */
import type { GroupConfig, Hyperparameters, NativeGroup, NativeSpec, RunMaterials } from './contract/job.js';
import type { ConvolutionName } from './contract/names.js';
import type { NativeNetwork, NetworkDescription, NetworkJob, NetworkSpec, Pair } from './contract/networks.js';
import type { NativeEvent, NativeRun } from './contract/run.js';
import type { NamedTensor } from './tensor.js';

export type * from './contract/job.js';
export type * from './contract/names.js';
export type * from './contract/networks.js';
export type * from './contract/run.js';
export type { NamedTensor };

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
  /** Returns the CUDA releases of the addon and LibTorch. Starts nothing on a GPU. */
  cudaVersions(): CudaVersions;
  /** Describes the GPUs, which starts CUDA on each of them. */
  cuda(): CudaDescription;
  /** This process's memory on a GPU, after its first operation there. */
  cudaMemory(device: string): CudaMemory;
  /** The device that `name` means ('auto': the chosen one), and why. Throws DEVICE_UNAVAILABLE with the reason. */
  device(name: string): { readonly device: string; readonly reason: string };
  /**
   * The backend that computes the native engine's sweeps on a device in each of `ranks` processes: 'cpu' or 'cuda' (the kernels of
   * native/backends), or 'reference' (LibTorch's operations one by one). Throws INVALID_OPTION for 'winograd' where the CPU's cannot.
   */
  backend(device: string, convolution: ConvolutionName, ranks: number): string;
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
  /** Checks whether this build can join a group of processes. */
  groups(): boolean;
  readonly Bench: new (job: BenchJob) => NativeBench;
  readonly Group: new (config: GroupConfig) => NativeGroup;
  readonly Network: new (job: NetworkJob) => NativeNetwork;
  readonly Run: new (spec: NativeSpec, materials: RunMaterials, onEvent: (event: NativeEvent) => void) => NativeRun;
}

/** CUDA releases such as '12.4'; '' of an addon that was built without CUDA. */
export interface CudaVersions {
  /** Version of the toolkit that the addon was compiled with. */
  readonly compiledFor: string;
  /** Version of the runtime library that LibTorch brings. */
  readonly runtime: string;
}

export interface CudaDescription {
  /** Why no GPU can be used; '' if one can. */
  readonly problem: string;
  /** The release of cuDNN, '9.1.0'; '' without a GPU, or of an addon that was built without CUDA. */
  readonly cudnn: string;
  readonly gpus: readonly GpuDescription[];
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
}

export interface NativeBench {
  /**
   * Seconds of each phase of one iteration, whose operations are launched one by one; their sum is the iteration's time.
   */
  iterate(): Promise<Readonly<Record<string, number>>>;
  /** An iteration as one CUDA graph: the first three calls warm up, the fourth captures it, too. */
  iterateAsGraph(): Promise<GraphTiming>;
}

export interface GraphTiming {
  readonly seconds: number;
  /** Number of kernels, copies and fills in the graph; 0 before its capture, or if CUDA does not count them. */
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
