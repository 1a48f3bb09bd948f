/** CUDA and its GPUs. */

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
