/** The types of everything that the addon takes and returns. `addon.ts` loads the addon. */
import type { BenchJob, MachineSpeed, MemoryUse, NativeBench } from './contract/bench.js';
import type { CudaDescription, CudaMemory, CudaVersions } from './contract/cuda.js';
import type { GroupConfig, NativeGroup } from './contract/group.js';
import type { NativeSpec, RunMaterials } from './contract/job.js';
import type { ConvolutionName } from './contract/names.js';
import type { NativeNetwork, NetworkDescription, NetworkJob, NetworkSpec, Pair } from './contract/networks.js';
import type { NativeEvent, NativeRun } from './contract/run.js';
import type { NamedTensor } from './tensor.js';

export type * from './contract/bench.js';
export type * from './contract/cuda.js';
export type * from './contract/group.js';
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
