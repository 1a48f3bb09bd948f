import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ErrorCode, L2TError } from './errors.js';
import type { Tensor } from './tensor.js';

/** A tensor with its name, as it crosses into the addon (names are untrusted, so never object keys). */
export interface NamedTensor extends Tensor {
  readonly name: string;
}

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
  /** uint8, count × size × size × 3. */
  readonly pixels: Uint8Array;
  readonly labels: Int32Array;
  readonly size: number;
  /** Which of them make up the set, in order. */
  readonly indices: Int32Array;
}

export type EngineName = 'native' | 'autograd';

export interface Hyperparameters {
  readonly method: string;
  readonly engine: EngineName;
  readonly lr: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly beta: number;
  /** T, the number of virtual matching steps. */
  readonly innerSteps: number;
  readonly metaLr: number;
  readonly metaWeightDecay: number;
}

export interface RunJob extends Hyperparameters {
  readonly target: NetworkSpec;
  readonly size: number;
  readonly normalisation: Normalisation;
  /** Start of θ's network part and its buffers; absent: initialised from `seed`. */
  readonly targetWeights?: readonly NamedTensor[];
  readonly sources: readonly NativeSource[];
  readonly train: NativeImages;
  readonly validation?: NativeImages;
  readonly test?: NativeImages;
  readonly device: string;
  readonly threads: number;
  readonly seed: number;
  readonly epochs: number;
  readonly batch: number;
  /** Seconds between saves within an epoch. */
  readonly saveEvery: number;
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
  /** Absent where the method matches nothing. */
  readonly lossMatching?: number;
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
  readonly lr: number;
  readonly lossOrg: number;
  readonly lossMatching?: number;
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
  readonly seconds: number;
  /** Is this the best epoch so far (the first with the highest validation accuracy; without validation: always)? */
  readonly best: boolean;
  /** The target's parameters and buffers. */
  readonly network: readonly NamedTensor[];
  readonly state: readonly NamedTensor[];
}

export interface SaveEvent {
  readonly type: 'save';
  readonly state: readonly NamedTensor[];
}

export type NativeEvent = StepEvent | EpochEvent | SaveEvent;

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
  /** Ask to end after the current step; a 'save' event precedes the end. */
  stop(): void;
  /** The last 'epoch' or 'save' event is on disk; training goes on. */
  saved(): void;
}

export interface EvaluateJob {
  readonly network: NetworkSpec;
  readonly weights: readonly NamedTensor[];
  readonly images: NativeImages;
  /** Side of the network's input, pixels; images of another size are resized. */
  readonly size: number;
  readonly normalisation: Normalisation;
  readonly batch: number;
  readonly device: string;
  readonly threads: number;
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

/** The whole native contract. */
export interface NativeAddon {
  info(): {
    readonly libtorch: string;
    readonly cuda: boolean;
    /** Cores this process may use. */
    readonly threads: number;
    readonly parallel: string;
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
  evaluate(job: EvaluateJob): Promise<Evaluation>;
  /** Every observed tensor by the fixtures' names, whole (θ, momentum and features are not probed here). */
  iterate(job: IterateJob): Promise<NamedTensor[]>;
  readonly Bench: new (job: BenchJob) => NativeBench;
  readonly Run: new (job: RunJob, onEvent: (event: NativeEvent) => void) => NativeRun;
}

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const places = [
  join(root, 'build', 'Release', 'l2t_native.node'),
  join(root, 'binding', 'build', 'Release', 'l2t_native.node'),
];

let loaded: NativeAddon | undefined;

/**
 * The addon, loaded at the first call. Whatever it throws or rejects with is an L2TError.
 * @throws L2TError ADDON_NOT_BUILT or LIBTORCH_NOT_FOUND, with the command that helps.
 */
export function addon(): NativeAddon {
  loaded ??= withErrors(load());
  return loaded;
}

function load(): NativeAddon {
  const path = places.find((place) => existsSync(place));
  if (path === undefined) {
    throw new L2TError(
      'ADDON_NOT_BUILT',
      `The native part is not built: run \`npx l2t-native build\` (in a clone, \`npm run demo\` does it). Looked for ${places.join(' and ')}.`,
    );
  }
  // OpenMP's threads wait for each other by spinning, 300,000 rounds unless told otherwise: beside another busy process
  // a run would take ten times as long. libgomp reads this when it is loaded.
  if (process.env.OMP_WAIT_POLICY === undefined) process.env.GOMP_SPINCOUNT ??= '1000';
  try {
    return createRequire(import.meta.url)(path) as NativeAddon;
  } catch (error) {
    throw loadError(path, error);
  }
}

const rebuild = 'run `npx l2t-native build`, with LIBTORCH set to the LibTorch to use';

/** What the dynamic loader says, and what it means; the first that fits. */
const loadProblems: readonly [pattern: RegExp, code: ErrorCode, meaning: string][] = [
  [
    /libtorch_cuda\S*: cannot open/,
    'LIBTORCH_NOT_FOUND',
    `it was built for a CUDA LibTorch, but this one has no CUDA: ${rebuild}`,
  ],
  [/lib(torch|c10)\S*: cannot open/, 'LIBTORCH_NOT_FOUND', `the LibTorch that it was built for is gone: ${rebuild}`],
  [
    /(\S+\.so\S*): cannot open/,
    'LIBTORCH_NOT_FOUND',
    'a library that LibTorch needs is missing: install it, or add its folder to LD_LIBRARY_PATH',
  ],
  [
    /undefined symbol|version .* not found/,
    'ADDON_NOT_BUILT',
    `it was built against another LibTorch than the one found: ${rebuild}`,
  ],
  [
    /invalid ELF header|wrong ELF class|not a mach-o|incompatible architecture|file too short/i,
    'ADDON_NOT_BUILT',
    `it is damaged or of another machine: ${rebuild}`,
  ],
];

function loadError(path: string, cause: unknown): L2TError {
  const text = cause instanceof Error ? cause.message : String(cause);
  const problem = loadProblems.find(([pattern]) => pattern.test(text));
  const code = problem?.[1] ?? 'ADDON_NOT_BUILT';
  return new L2TError(
    code,
    `The native part ${path}${builtFor(path)} cannot be loaded; ${problem?.[2] ?? rebuild}. The loader said: ${text}`,
    { cause },
  );
}

/** The build writes beside the addon which LibTorch it was for. */
function builtFor(path: string): string {
  try {
    const { libtorch } = JSON.parse(readFileSync(path.replace(/node$/, 'json'), 'utf8'));
    return ` (built for LibTorch ${libtorch.version} in ${libtorch.path})`;
  } catch {
    return '';
  }
}

/** The one boundary where the native side's errors, which carry `code`, become L2TErrors. */
function toL2TError(error: unknown): unknown {
  if (error instanceof L2TError || !(error instanceof Error) || !('code' in error)) return error;
  return new L2TError(error.code as ErrorCode, error.message, { cause: error });
}

function guard<F extends (...args: never[]) => unknown>(call: F): F {
  return ((...args: never[]) => {
    try {
      const result = call(...args);
      if (!(result instanceof Promise)) return result;
      return result.catch((error: unknown) => {
        throw toL2TError(error);
      });
    } catch (error) {
      throw toL2TError(error);
    }
  }) as F;
}

function withErrors(native: NativeAddon): NativeAddon {
  return {
    info: guard(native.info),
    device: guard(native.device),
    networks: guard(native.networks),
    describe: guard(native.describe),
    initialise: guard(native.initialise),
    pairs: guard(native.pairs),
    resize: guard(native.resize),
    evaluate: guard(native.evaluate),
    iterate: guard(native.iterate),
    Bench: class implements NativeBench {
      readonly iterate: NativeBench['iterate'];

      constructor(job: BenchJob) {
        const bench = guard((given: BenchJob) => new native.Bench(given))(job);
        this.iterate = guard(() => bench.iterate());
      }
    },
    Run: class implements NativeRun {
      readonly start: NativeRun['start'];
      readonly stop: NativeRun['stop'];
      readonly saved: NativeRun['saved'];

      constructor(job: RunJob, onEvent: (event: NativeEvent) => void) {
        const run = guard((...args: [RunJob, typeof onEvent]) => new native.Run(...args))(job, onEvent);
        this.start = guard(() => run.start());
        this.stop = () => run.stop();
        this.saved = () => run.saved();
      }
    },
  };
}
