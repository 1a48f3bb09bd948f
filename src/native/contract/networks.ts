/** The types of networks, and of their inference. */
import type { NamedTensor } from '../tensor.js';

/** A network of the registry. `width` multiplies every channel count; the product is rounded, and at least 1. */
export interface NetworkSpec {
  /** One of `networkNames`. */
  readonly name: string;
  /** Number of classes, from 1. */
  readonly classes: number;
  /** In (0, 8]. */
  readonly width: number;
  /** The feature maps of a source that runs elsewhere, since it is an ONNX file. `name` may then be any. */
  readonly maps?: readonly MapShape[];
}

/** A feature map of a network that runs elsewhere. */
export interface MapShape {
  /** Number of channels. */
  readonly channels: number;
  /** Its height and width, pixels. */
  readonly side: number;
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

/** The parts of a network. */
export interface NetworkDescription {
  /** Its name, one of `networkNames`. */
  readonly name: string;
  /** θ, in the order of the flat parameter vector. */
  readonly parameters: readonly NamedShape[];
  /** Batch-norm running statistics. */
  readonly buffers: readonly NamedShape[];
  /** In the order of computation; the last one makes the logits. */
  readonly operations: readonly OperationDescription[];
  /** Entry i: the height and width of value i's map, pixels; 1 for a vector. */
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
    /** True if all-to-all, one-to-one and single pair it. */
    readonly candidate: boolean;
  }[];
}

/** Pair (source feature m, target feature n). */
export type Pair = readonly [m: number, n: number];

/** Mean and standard deviation per channel, of pixels scaled to [0, 1]. */
export interface Normalisation {
  /** Means of red, green and blue. */
  readonly mean: readonly [number, number, number];
  /** Standard deviations of red, green and blue. */
  readonly std: readonly [number, number, number];
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
   * Calls may overlap. A network that runs elsewhere takes in place of `pixels` what it has computed, as `answer()` of a run.
   */
  infer(pixels: Uint8Array, wantFeatures: boolean): Promise<NamedTensor[]>;
}
