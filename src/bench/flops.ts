import { addon, type BenchJob, type NetworkSpec } from '../native/addon.js';
import { forwardFlops } from '../networks/describe.js';

/**
 * GFLOP of an iteration, with T virtual steps, undefined where the method has none: the products of convolutions and linear layers, done directly; a
 * multiplication and an addition count as two.
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
  return source.pairs.reduce((sum, [m, n]) => {
    const { channels = 0, size: side = 0 } = to[n] ?? {};
    return sum + 2 * (from[m]?.channels ?? 0) * channels * side ** 2;
  }, 0);
}
