/** Speed and memory, for `bench`. */
import type { Hyperparameters } from './job.js';
import type { NetworkSpec, Pair } from './networks.js';

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
