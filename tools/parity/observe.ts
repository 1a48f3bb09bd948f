/** The addon for tests and tools (test/native/observe), which `node setup/bootstrap.mjs --programs` builds. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { packageRoot } from '../../setup/files.mjs';
import { type ErrorCode, L2TError } from '../../src/errors.js';
import {
  addon,
  type BenchJob,
  type GroupConfig,
  type Hyperparameters,
  type NamedTensor,
  type NativeAddon,
  type NetworkSpec,
  type Pair,
} from '../../src/native/addon.js';

/** `iterations` iterations from given tensors on given batches; all values are returned. */
export interface IterateJob extends Hyperparameters {
  readonly lr: number;
  readonly dtype: 'float32' | 'float64';
  readonly device: string;
  readonly threads: number;
  readonly target: NetworkSpec;
  readonly sources: readonly { readonly network: NetworkSpec; readonly pairs: readonly Pair[] }[];
  /** source.…, target.…, branch.i.…, weight_net.i.…, lambda_net.i.…, momentum.…; x, y; x@k, y@k of iteration k. */
  readonly tensors: readonly NamedTensor[];
  readonly iterations: number;
  /** For each class of the data, the index of the first source's output. */
  readonly sourceClasses?: readonly number[] | undefined;
  /** The processes that share each batch. */
  readonly group?: GroupConfig | undefined;
  /** The sources' feature maps are given, as those of an ONNX file. */
  readonly elsewhere?: boolean;
}

/** Iterations of a case of `bench` on the CPU, in ways that `bench` does not time them. */
export interface TimingJob extends BenchJob {
  /** Iterations, after one that warms up. */
  readonly rounds: number;
  /** Times each layer, too. */
  readonly layers: boolean;
  /** The processes that share each batch. */
  readonly group?: GroupConfig;
}

/** Results of the fastest iteration. `traffic`: what a process sends in an iteration. `state`: after the last. */
export interface Timings {
  readonly seconds: number;
  readonly layers: readonly LayerTiming[];
  readonly traffic: { readonly calls: number; readonly bytes: number };
  readonly state: readonly NamedTensor[];
}

/** How long a kind of work takes in an iteration; tools/timing/layers.h has the fields. */
export interface LayerTiming {
  readonly part: 'source' | 'unit' | 'matching' | 'loss' | 'importance' | 'vectors';
  readonly sweep: string;
  readonly shapes: readonly (readonly number[])[];
  readonly first: number;
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly read: readonly number[];
  readonly products: number;
  readonly calls: number;
  readonly seconds: number;
}

/** Declarations of C++ that TypeScript repeats: the tests compare both. */
export interface Declarations {
  readonly methods: readonly {
    readonly name: string;
    readonly terms: readonly string[];
    readonly what: boolean;
    readonly where: boolean;
    readonly decays: boolean;
  }[];
  /** The kinds of operations that a network may have. */
  readonly operations: readonly string[];
  /** The fields of the interfaces of src/native/contract/. */
  readonly structs: Readonly<Record<string, readonly string[]>>;
  /** The words that options take, by the option's name. */
  readonly choices: Readonly<Record<string, readonly string[]>>;
}

interface Observe extends Pick<NativeAddon, 'useErrors'> {
  iterate(job: IterateJob): Promise<NamedTensor[]>;
  timeIterations(job: TimingJob): Promise<Timings>;
  declarations(): Declarations;
}

let loaded: Observe | undefined;

function load(): Observe {
  addon(); // sets the environment variables that the libraries read
  const build = process.env.L2T_NATIVE_BUILD ?? join(packageRoot, 'build');
  const path = join(build, 'test/l2t_observe.node');
  if (!existsSync(path)) {
    throw new L2TError('ADDON_NOT_BUILT', `${path} is not built: run node setup/bootstrap.mjs --programs.`);
  }
  const observe = createRequire(import.meta.url)(path) as Observe;
  observe.useErrors((code, message) => new L2TError(code as ErrorCode, message.split('\n')));
  return observe;
}

function observe(): Observe {
  loaded ??= load();
  return loaded;
}

/** Every observed tensor in full, by the fixtures' names (which hold only probes of θ, momentum and features). */
export const iterate = async (job: IterateJob): Promise<NamedTensor[]> => observe().iterate(job);

export const timeIterations = async (job: TimingJob): Promise<Timings> => observe().timeIterations(job);

export const declarations = (): Declarations => observe().declarations();
