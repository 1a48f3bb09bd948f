import type { EngineName, GroupConfig, LambdaInit, NamedTensor } from '../../../src/native/addon.js';
import { type MethodName, methodOf, type SettingValues } from '../../../src/options/methods.js';
import { iterate } from '../../../tools/parity/observe.js';
import { uniform } from '../../../tools/parity/uniform.js';
import { tinyJob, train } from '../tiny.js';

const [iterations, size, classes] = [3, 32, 4];
export const batch = 6;

const float64 = (name: string, shape: readonly number[], values: Float64Array<ArrayBuffer>): NamedTensor => ({
  name,
  dtype: 'float64',
  shape,
  data: new Uint8Array(values.buffer),
});

/** `prefix`: judge_ for the batch that judges φ. */
export function batches(prefix = '', images = batch): NamedTensor[] {
  return Array.from({ length: iterations }, (_, k) => (k === 0 ? '' : `@${k}`)).flatMap((suffix) => {
    const [x, y] = [`${prefix}x${suffix}`, `${prefix}y${suffix}`];
    const labels = BigInt64Array.from({ length: images }, (__, i) => BigInt(i % classes));
    return [
      float64(x, [images, 3, size, size], uniform(7, x, images * 3 * size * size)),
      { name: y, dtype: 'int64' as const, shape: [images], data: new Uint8Array(labels.buffer) },
    ];
  });
}

/** Batches of images without labels. */
export const unlabelled = (prefix = '', images = batch): NamedTensor[] =>
  batches(`${prefix}unlabelled_`, images).filter(({ name }) => name.includes('unlabelled_x'));

/** The state of a short run by the names of `iterate`. */
const toInputs = (state: readonly NamedTensor[]): NamedTensor[] =>
  state.flatMap((tensor) => {
    const [, kind = '', name = ''] = /^([a-z_]+)\/(.*)$/.exec(tensor.name) ?? [];
    const prefix = { theta: '', phi: '', buffer: '', momentum: 'momentum.' }[kind];
    return prefix === undefined ? [] : [{ ...tensor, name: prefix + name }];
  });

/** A method's job, and the tensors to begin from. */
async function begin(method: MethodName, settings: SettingValues) {
  const job = tinyJob({ method, epochs: 1, settings });
  const { epochs } = await train(job);
  const weights = job.sources.flatMap((each) =>
    each.weights.map((tensor) => ({ ...tensor, name: `source.${tensor.name}` })),
  );
  return { job, tensors: [...toInputs(epochs[0]?.state ?? []), ...weights, ...batches()] };
}

export const values = (tensor: NamedTensor | undefined): Float64Array =>
  new Float64Array(tensor?.data.slice().buffer as ArrayBuffer);

/** ‖a − b‖ / ‖b‖. */
function error(a: Float64Array, b: Float64Array): number {
  const square = (each: (value: number, i: number) => number) =>
    b.reduce((sum, value, i) => sum + each(value, i) ** 2, 0);
  return Math.sqrt(square((value, i) => (a[i] as number) - value) / square((value) => value));
}

/** Beyond the method: what a run may add to any method, or change in its meta-objective. */
export interface Changes {
  readonly settings?: SettingValues;
  readonly classWeights?: readonly number[];
  readonly sourceClasses?: readonly number[];
  readonly lambdaInit?: LambdaInit;
  /** The batch that judges φ, or images without labels. */
  readonly images?: readonly NamedTensor[];
}

/** A short training by one engine, alone or in a group. */
export async function trained(method: MethodName, { settings = {}, images = [], ...changes }: Changes) {
  const { job, tensors } = await begin(method, settings);
  const { target, lr: _, ...rest } = job;
  const sources = job.sources.map(({ network, pairs }) => ({ network, pairs }));
  const common = { ...rest, ...changes, method, target, sources };
  return (engine: EngineName, group?: GroupConfig) =>
    iterate({ ...common, engine, tensors: [...tensors, ...images], iterations, lr: 0.02, dtype: 'float64', group });
}

/**
 * Names the tensors that differ by more than rounding in float64: all losses, and θ, momentum and φ each as a whole,
 * since a bias before batch norm has no gradient but rounding.
 */
export function differences(
  method: MethodName,
  ours: readonly NamedTensor[],
  theirs: readonly NamedTensor[],
): string[] {
  const names = theirs.map(({ name }) => name);
  const losses = names.filter((name) => name.includes('loss/')).length;
  const missing = losses === iterations * (1 + methodOf(method).terms.length) ? [] : ['the number of losses'];
  const whole = ['theta/', 'momentum/', 'phi/'].filter((prefix) => names.some((name) => name.startsWith(prefix)));
  const differing = [...whole, ...names.filter((name) => /(loss|virtual|meta)\//.test(name))].filter((prefix) => {
    const [mine, truth] = [ours, theirs].map((tensors) =>
      Float64Array.from(tensors.filter(({ name }) => name.startsWith(prefix)).flatMap((tensor) => [...values(tensor)])),
    );
    return !(error(mine as Float64Array, truth as Float64Array) < 1e-10);
  });
  return [...missing, ...differing];
}
