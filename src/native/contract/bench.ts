/** Speed and memory, for `bench`. */
import type { NativeGroup } from './group.js';
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
  /** The processes that share each batch. */
  readonly reducer?: NativeGroup | undefined;
  /** Times each layer, too (`layers()`); on the CPU. */
  readonly layers?: boolean;
}

export interface NativeBench {
  /** 0 in a single process. */
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

/** What a rank has sent to the others so far. */
export interface Traffic {
  /** Sums and other exchanges. */
  readonly calls: number;
  /** Of the tensors that this rank gave. */
  readonly bytes: number;
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
