import { addon, type BenchJob, type NetworkDescription, type NetworkSpec } from '../native/addon.js';

/**
 * GFLOP of an iteration of L2T-ww with T virtual steps: the products of convolutions and linear layers, done directly; a
 * multiplication and an addition count as two.
 */
export function iterationGflop({ source, target, size, batch }: BenchJob, innerSteps: number): number {
  const matching = matchingFlops(source, target, size);
  const image =
    forwardFlops(source.network, size) +
    forwardFlops(target, size) * targetSweeps(innerSteps) +
    matching * matchingSweeps(innerSteps);
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

/** A forward sweep of one image. */
function forwardFlops(network: NetworkSpec, size: number): number {
  const description = addon().describe(network, size);
  const sides = [size];
  let flops = 0;
  for (const operation of description.operations) {
    const { kernel, outputs, inputs } = weightOf(description, operation);
    const { stride = 1, padding = 0 } = operation.settings;
    const side = sides[operation.inputs[0] as number] as number;
    const window = operation.settings.kernel ?? kernel;
    const out = operation.kind === 'global_average_pool' ? 1 : Math.floor((side + 2 * padding - window) / stride) + 1;
    sides.push(out);
    flops += 2 * outputs * inputs * kernel ** 2 * out ** 2;
  }
  return flops;
}

/** The sides of a convolution's or a linear layer's weight; any other operation multiplies nothing that counts. */
function weightOf(
  { parameters }: NetworkDescription,
  { kind, tensors }: NetworkDescription['operations'][number],
): { outputs: number; inputs: number; kernel: number } {
  const weight = parameters.find(({ name }) => name === tensors.weight);
  if (weight === undefined || !['conv2d', 'linear'].includes(kind)) return { outputs: 0, inputs: 0, kernel: 1 };
  const [outputs = 0, inputs = 0, kernel = 1] = weight.shape;
  return { outputs, inputs, kernel };
}

/** A forward sweep of the 1×1 convolutions from the target's features to the source's, for one image. */
function matchingFlops(source: BenchJob['source'], target: NetworkSpec, size: number): number {
  const from = addon().describe(source.network, size).features;
  const to = addon().describe(target, size).features;
  return source.pairs.reduce((sum, [m, n]) => {
    const { channels = 0, size: side = 0 } = to[n] ?? {};
    return sum + 2 * (from[m]?.channels ?? 0) * channels * side ** 2;
  }, 0);
}
