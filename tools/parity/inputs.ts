import type { NamedTensor, NativeAddon, NetworkSpec } from '../../src/native/addon.js';
import { type MethodName, methodOf, needsOf, settingsOf } from '../../src/options/methods.js';
import type { Case } from './case.js';
import type { IterateJob } from './observe.js';
import { fnv1a, uniform } from './uniform.js';

type Values = Float64Array<ArrayBuffer>;

const bytesOf = (values: Values | BigInt64Array<ArrayBuffer>) => new Uint8Array(values.buffer);
const elements = (shape: readonly number[]) => shape.reduce((product, side) => product * side, 1);

/** The generator's value of a parameter or buffer, by its qualified name and shape. */
function generate(seed: number, name: string, shape: readonly number[]): NamedTensor {
  const values = uniform(seed, name, elements(shape));
  const [scale, offset] = affine(name, shape);
  for (let i = 0; i < values.length; i++) values[i] = offset + scale * (values[i] as number);
  return { name, dtype: 'float64', shape, data: bytesOf(values) };
}

/** u ↦ offset + scale · u; fan_in of a weight is the product of all its sides but the first. */
function affine(name: string, shape: readonly number[]): [scale: number, offset: number] {
  if (name.endsWith('running_mean')) return [0.1, 0];
  if (name.endsWith('running_var')) return [0.5, 1];
  const lambda = name.startsWith('lambda_net.');
  if (name.endsWith('.bias')) return [0.1, lambda ? 1 : 0];
  if (shape.length === 1) return name.endsWith('bn2.weight') ? [0.05, 0.25] : [0.2, 1];
  const deviation = Math.sqrt((shape.length === 4 ? 6 : 3) / elements(shape.slice(1)));
  return [lambda ? deviation / 2 : deviation, 0];
}

function momentumOf(seed: number, { name, shape }: NamedTensor): NamedTensor {
  const qualified = `momentum.${name}`;
  const values = uniform(seed, qualified, elements(shape));
  for (let i = 0; i < values.length; i++) values[i] = 0.01 * (values[i] as number);
  return { name: qualified, dtype: 'float64', shape, data: bytesOf(values) };
}

function batch({ seed, batch, size, classes }: Case, iteration: number): NamedTensor[] {
  const suffix = iteration === 0 ? '' : `@${iteration}`;
  const pixels = uniform(seed, `x${suffix}`, batch * 3 * size * size);
  for (let i = 0; i < pixels.length; i++) pixels[i] = 1.7 * (pixels[i] as number);
  const labels = BigInt64Array.from(
    { length: batch },
    (_, i) => (fnv1a(`y${suffix}${i}`) + BigInt(seed)) % BigInt(classes),
  );
  return [
    { name: `x${suffix}`, dtype: 'float64', shape: [batch, 3, size, size], data: bytesOf(pixels) },
    { name: `y${suffix}`, dtype: 'int64', shape: [batch], data: bytesOf(labels) },
  ];
}

/** Everything an iteration of the case starts from. */
export function caseJob(
  addon: NativeAddon,
  description: Case,
  method: MethodName,
  settings: Pick<IterateJob, 'dtype' | 'engine' | 'convolution' | 'device' | 'threads'> & {
    readonly precision?: IterateJob['precision'] | undefined;
  },
): IterateJob {
  const { seed, size, sources, what, where } = description;
  const target: NetworkSpec = { name: description.target, classes: description.classes, width: 1 };
  const networks = sources.map(({ network, classes }): NetworkSpec => ({ name: network, classes, width: 1 }));
  const targetNetwork = addon.describe(target, size);
  const tensors: NamedTensor[] = [];
  const theta = targetNetwork.parameters.map(({ name, shape }) => generate(seed, `target.${name}`, shape));
  tensors.push(...targetNetwork.buffers.map(({ name, shape }) => generate(seed, `target.${name}`, shape)));

  const matches = methodOf(method).terms.includes('matching');
  let pair = 0;
  sources.forEach((source, k) => {
    const network = addon.describe(networks[k] as NetworkSpec, size);
    for (const { name, shape } of [...network.parameters, ...network.buffers]) {
      // The addon calls a single source `source.`, whatever its prefix in the case.
      const known = `${sources.length === 1 ? 'source.' : source.prefix}${name}`;
      tensors.push({ ...generate(seed, source.prefix + name, shape), name: known });
    }
    for (const [m, n] of matches ? source.pairs : []) {
      const from = network.features[m]?.channels ?? 0;
      const to = targetNetwork.features[n]?.channels ?? 0;
      theta.push(generate(seed, `branch.${pair}.weight`, [from, to, 1, 1]));
      theta.push(generate(seed, `branch.${pair}.bias`, [from]));
      if (what) tensors.push(...linear(seed, `weight_net.${pair}`, from, from));
      if (where) tensors.push(...linear(seed, `lambda_net.${pair}`, 1, from));
      pair++;
    }
  });
  const [first] = networks;
  const last = targetNetwork.features.at(-1)?.channels;
  if (method.startsWith('lwf') && first && last) theta.push(...linear(seed, 'lwf_head', first.classes, last));
  tensors.push(...theta, ...theta.map((tensor) => momentumOf(seed, tensor)));
  for (let k = 0; k < description.iterations; k++) tensors.push(...batch(description, k));

  const { beta, lr, momentum, weightDecay, metaLr, metaWeightDecay, iterations, T } = description;
  return {
    deterministic: true,
    ...settings,
    precision: settings.precision ?? 'float32',
    method,
    lr,
    ...settingsOf(method, { momentum, weightDecay, beta, innerSteps: T, metaLr, metaWeightDecay }),
    iterations,
    sourceClasses: description.sourceOrder,
    target,
    tensors,
    sources: sources.map((source, k) => ({
      network: networks[k] as NetworkSpec,
      pairs: needsOf(method).pairs ? source.pairs : [],
    })),
  };
}

function linear(seed: number, name: string, rows: number, columns: number): NamedTensor[] {
  return [generate(seed, `${name}.weight`, [rows, columns]), generate(seed, `${name}.bias`, [rows])];
}
