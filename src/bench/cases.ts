import { addon, type BenchJob, type EngineName, type GpuDescription, type NetworkSpec } from '../native/addon.js';
import { forwardFlops } from '../networks/describe.js';
import { type MethodName, needsOf, settingsOf } from '../options/methods.js';
import type { NetworkName } from '../options/networks.js';
import { sum } from '../system/statistics.js';

/** Work that is timed: one iteration of a method, all pairs, float32. */
interface BenchCase {
  readonly about: string;
  readonly method: MethodName;
  readonly source: NetworkSpec & { readonly name: NetworkName };
  readonly target: BenchJob['target'];
  readonly size: number;
  /** Side of the source's images; absent: `size`. */
  readonly sourceSize?: number;
  readonly batch: number;
}

const network = <Name extends NetworkName>(name: Name, classes: number, width = 1) => ({ name, classes, width });

const large = {
  about: "the paper's 224 x 224 experiments: ResNet-34 to ResNet-18, batch 8, 16 pairs",
  method: 'l2t-ww',
  source: network('resnet34', 1000),
  target: network('resnet18', 200),
  size: 224,
  batch: 8,
} as const;

const cases = {
  'resnet32-vgg9': {
    about: "the paper's 32 x 32 experiment: ResNet-32 to VGG-9, batch 128, 15 pairs",
    method: 'l2t-ww',
    source: network('resnet32', 200),
    target: network('vgg9_bn', 10),
    size: 32,
    batch: 128,
  },
  'resnet34-resnet18': large,
  'resnet34-resnet18-64': {
    ...large,
    about: 'the same networks at a batch for a GPU: ResNet-34 to ResNet-18, batch 64, 16 pairs',
    batch: 64,
  },
  demo: {
    about: "the demo's networks: ResNet-20 to VGG-9 at a quarter of its width, batch 25",
    method: 'l2t-ww',
    source: network('resnet20', 5),
    target: network('vgg9_bn', 5, 0.25),
    size: 32,
    batch: 25,
  },
  fm: {
    about: 'feature matching: ResNet-18 on images of 128 pixels to ResNet-20 on 64 pixels, batch 32, 12 pairs',
    method: 'fm',
    source: network('resnet18', 1000),
    target: network('resnet20', 10),
    size: 64,
    sourceSize: 128,
    batch: 32,
  },
} as const satisfies Record<string, BenchCase>;

export type BenchCaseName = keyof typeof cases;
export const benchCases: Readonly<Record<BenchCaseName, BenchCase>> = cases;

/** Checks whether an iteration of the case has virtual steps. */
export const isBilevel = (name: BenchCaseName): boolean => needsOf(benchCases[name].method).learns.length > 0;

/** Checks whether training runs an iteration as one CUDA graph. The autograd engine is never captured. */
export const runsAsGraph = (engine: EngineName, device: string): boolean => engine === 'native' && device !== 'cpu';

/** The iterations that warm up before a graph is captured: what CUDA graphs ask for. */
export const iterationsBeforeGraph = 3;

/** Seconds of an iteration, from those of its phases. */
export const secondsIn = (phases: Readonly<Record<string, number>>): number => sum(Object.values(phases));

/** How a case is run. */
export interface BenchSettings extends Pick<BenchJob, 'device' | 'threads' | 'convolution'> {
  readonly innerSteps: number;
  /** In place of the case's. */
  readonly batch?: number | undefined;
}

/** The job that the addon runs for a case. */
export function benchJob(
  name: BenchCaseName,
  engine: BenchJob['engine'],
  { device, threads, convolution, innerSteps, batch }: BenchSettings,
): BenchJob {
  const { method, source, target, size, sourceSize = size } = benchCases[name];
  return {
    method,
    engine,
    ...settingsOf(method, { innerSteps }),
    precision: 'float32',
    deterministic: true,
    lr: 1e-3, // on random images, 0.1 diverges within five iterations
    target,
    size,
    batch: batch ?? benchCases[name].batch,
    source: { network: source, pairs: addon().pairs(source, sourceSize, target, size, 'all-to-all') },
    sourceSize,
    device,
    threads,
    // Only the native engine has this option.
    convolution: engine === 'native' ? convolution : 'auto',
  };
}

/**
 * Returns the GFLOP of an iteration: the products of its convolutions and linear layers, done directly. A multiplication
 * and an addition count as two. T: the number of virtual steps, undefined for a method without them.
 */
export function iterationGflop({ source, sourceSize, target, size, batch }: BenchJob, T: number | undefined): number {
  const image =
    forwardFlops(addon().describe(source.network, sourceSize)) +
    forwardFlops(addon().describe(target, size)) * (T ? targetSweeps(T) : forwardAndBackward) +
    matchingFlops(source, target, size) * (T ? matchingSweeps(T) : forwardAndBackward);
  return (batch * image) / 1e9;
}

/** A backward sweep costs two forward sweeps, a tangent two, and its backward sweep four. */
const forwardAndBackward = 3;
const tangent = 2;
const tangentBackward = 4;

/** The real step, T virtual ones, the last one on L_org, the meta-objective; a tangent at each of T + 1 points. */
const targetSweeps = (T: number): number => forwardAndBackward * (T + 3) + tangent * (T + 1) + tangentBackward * T;

/** The loss of the matching term is in the real and in T virtual steps; the adjoint ends before the first Hessian. */
const matchingSweeps = (T: number): number => forwardAndBackward * (T + 1) + tangent * T + tangentBackward * (T - 1);

/** A forward sweep of the 1×1 convolutions from the target's features to the source's, for one image. */
function matchingFlops(source: BenchJob['source'], target: NetworkSpec, size: number): number {
  const from = addon().describe(source.network, size).features;
  const to = addon().describe(target, size).features;
  return sum(
    source.pairs.map(([m, n]) => {
      const { channels = 0, size: side = 0 } = to[n] ?? {};
      return 2 * (from[m]?.channels ?? 0) * channels * side ** 2;
    }),
  );
}

/** The device of a measurement. */
export interface BenchDevice {
  /** cpu, or cuda:N. */
  readonly device: string;
  /** The GPU, if the device is cuda:N. */
  readonly gpu?: GpuDescription | undefined;
}

/** @throws L2TError DEVICE_UNAVAILABLE or INVALID_OPTION, as the addon says of such a name. */
export function benchDevice(name: string): BenchDevice {
  const { device } = addon().device(name);
  const gpu = device === 'cpu' ? undefined : addon().cuda().gpus[Number(device.split(':')[1] ?? 0)];
  return { device, gpu };
}

/** `cpu`, or `NVIDIA A100 (cuda:0)`. */
export const deviceTitle = ({ device, gpu }: BenchDevice): string => (gpu ? `${gpu.name} (${device})` : device);
