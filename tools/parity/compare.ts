import { L2TError } from '../../src/errors.js';
import type { NamedTensor } from '../../src/native/addon.js';
import type { Tensor, TensorMap } from '../../src/native/tensor.js';
import type { Case } from './case.js';
import { probe } from './uniform.js';

/** Tolerance in float64, relative to each quantity's norm. */
const exactTolerance = 1e-9;
/** How convolutions multiply: directly, or in the Winograd domain, whose transforms multiply rounding errors. */
export type Convolutions = 'direct' | 'winograd';
/** Tolerance in float32, relative to each quantity's norm, for what is computed before any step. */
const roundingTolerance: Readonly<Record<Convolutions, number>> = { direct: 1e-5, winograd: 1e-4 };

/** The columns of the table: a title, and a pattern for the beginning of its quantities' names. */
export const groups = [
  ['losses', /^(iteration\d+\/)?(loss|virtual|meta)\//],
  ['w', /^w\//],
  ['λ', /^lambda\//],
  ['∇f', /^grad\/weight_net\./],
  ['∇g', /^grad\/lambda_net\./],
  ['logits', /^logits\//],
  ['features', /^probe\/(source|target)_feature\//],
  ['θ', /^probe\/theta\//],
  ['momentum', /^probe\/momentum\//],
  ['statistics', /^probe\/buffer\//],
  ['θ(T+1)', /^probe\/virtual_theta\//],
  ['φ', /^probe\/phi\//],
] as const;

const beforeAnyStep = /^((iteration0\/)?loss\/|w\/|lambda\/|logits\/|probe\/(source|target)_feature\/)/;

/** The addon's names of terms, in the fixtures. */
const inFixtures: Readonly<Record<string, string>> = { matching: 'wfm', attention: 'at', distillation: 'lwf' };
const fixtureName = (name: string): string =>
  name.replace(/(?<=(?:loss|virtual)\/)[a-z]+/, (term) => inFixtures[term] ?? term);

export interface Verdict {
  readonly passed: boolean;
  /** Worst relative error of each group of quantities; absent if the case has none. */
  readonly worst: ReadonlyMap<string, number>;
  /** The failures, in words. */
  readonly failures: readonly string[];
  /** float32 only: error of the whole ∇φ, relative to its norm; absent if the case has none. */
  readonly gradError?: number;
  /** float32 only: error ÷ bound of the values after a step; absent if the case has none or too wide a bound. */
  readonly ratios?: { readonly grad?: number; readonly rest?: number };
}

interface Difference {
  /** ‖actual − expected‖². */
  readonly square: number;
  /** ‖expected‖²; for a probe, that of the probed tensor. */
  readonly norm: number;
}

function toFloat64({ dtype, data }: Tensor): Float64Array {
  // A copy: a view needs its offset to be a multiple of the element size, which a file does not promise.
  const bytes = Uint8Array.from(data).buffer;
  if (dtype === 'float64') return new Float64Array(bytes);
  if (dtype === 'float32') return Float64Array.from(new Float32Array(bytes));
  throw new L2TError('INVALID_DATA', `A quantity has dtype ${dtype}: only float32 and float64 are compared.`);
}

/** Undefined if the addon did not give the quantity, or gave it in another shape. */
function difference(name: string, expected: Tensor, actual: Map<string, NamedTensor>): Difference | undefined {
  const probed = name.startsWith('probe/') ? name.slice('probe/'.length) : undefined;
  const tensor = actual.get(probed ?? name);
  if (tensor === undefined) return undefined;
  const values = probed === undefined ? toFloat64(tensor) : probe(probed, toFloat64(tensor));
  const reference = toFloat64(expected);
  if (values.length !== reference.length) return undefined;
  let square = 0;
  let norm = 0;
  reference.forEach((value, i) => {
    square += ((values[i] as number) - value) ** 2;
    norm += value ** 2;
  });
  return { square, norm: probed === undefined ? norm : (reference[0] ?? 0) ** 2 };
}

/** The relative error. A quantity whose norm is 0 must be exactly 0; NaN counts as an infinite error. */
function errorOf({ square, norm }: Difference): number {
  if (square === 0) return 0;
  const error = Math.sqrt(square / norm);
  return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
}

/**
 * Compares every quantity of the fixture. One that the addon did not give, or that belongs to no column, is a failure.
 */
export function compare(
  { float32 }: Case,
  expected: TensorMap,
  outputs: readonly NamedTensor[],
  dtype: 'float32' | 'float64',
  convolutions: Convolutions,
): Verdict {
  const actual = new Map(outputs.map((tensor) => [fixtureName(tensor.name), tensor]));
  const worst = new Map<string, number>();
  const failures: string[] = [];
  const grad = { square: 0, norm: 0 };
  let rest: number | undefined;
  for (const [name, tensor] of expected) {
    const group = groups.find(([, pattern]) => pattern.test(name))?.[0];
    const result = difference(name, tensor, actual);
    if (group === undefined || result === undefined) {
      failures.push(`${name} is not compared: ${group ? 'the addon gives no such quantity' : 'its kind is unknown'}`);
      continue;
    }
    const error = errorOf(result);
    worst.set(group, Math.max(worst.get(group) ?? 0, error));
    const tolerance = dtype === 'float64' ? exactTolerance : roundingTolerance[convolutions];
    const judged = dtype === 'float64' || beforeAnyStep.test(name);
    if (judged && error > tolerance) failures.push(`${name} is off by ${error.toExponential(1)}`);
    if (judged) continue;
    if (name.startsWith('grad/')) {
      grad.square += result.square;
      grad.norm += result.norm;
    } else rest = Math.max(rest ?? 0, error);
  }
  const verdict = { passed: failures.length === 0, worst, failures };
  if (dtype === 'float64') return verdict;
  const gradError = grad.norm + grad.square > 0 ? errorOf(grad) : undefined;
  return {
    ...verdict,
    ...(gradError !== undefined && { gradError }),
    ratios: ratiosOf(float32?.[convolutions], gradError, rest),
  };
}

/** Cases with a wider bound tell nothing: there, rounding alone changes much. */
const widestBound = 0.1;
/** The largest median of error ÷ bound that passes. */
export const largestMedian = 10;

function ratiosOf(
  bounds: { readonly grad: number; readonly rest: number } | undefined,
  grad: number | undefined,
  rest: number | undefined,
): Verdict['ratios'] {
  const ratio = (error: number | undefined, bound: number | undefined) =>
    error !== undefined && bound !== undefined && bound > 0 && bound < widestBound ? error / bound : undefined;
  return { grad: ratio(grad, bounds?.grad), rest: ratio(rest, bounds?.rest) };
}

export function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)];
  const lower = sorted[Math.ceil(middle) - 1];
  return upper === undefined || lower === undefined ? undefined : (upper + lower) / 2;
}
