import { describe, expect, it } from 'vitest';
import type { EngineName, NamedTensor } from '../../src/native/addon.js';
import { type MethodName, methodNames, needsOf } from '../../src/options/methods.js';
import { declarations, iterate } from '../../tools/parity/observe.js';
import { uniform } from '../../tools/parity/uniform.js';
import { tinyJob, train } from './tiny.js';

const [iterations, batch, size, classes] = [3, 6, 32, 4];

const float64 = (name: string, shape: readonly number[], values: Float64Array<ArrayBuffer>): NamedTensor => ({
  name,
  dtype: 'float64',
  shape,
  data: new Uint8Array(values.buffer),
});

function batches(): NamedTensor[] {
  return Array.from({ length: iterations }, (_, k) => (k === 0 ? '' : `@${k}`)).flatMap((suffix) => {
    const labels = BigInt64Array.from({ length: batch }, (__, i) => BigInt(i % classes));
    const pixels = uniform(7, `x${suffix}`, batch * 3 * size * size);
    return [
      float64(`x${suffix}`, [batch, 3, size, size], pixels),
      { name: `y${suffix}`, dtype: 'int64' as const, shape: [batch], data: new Uint8Array(labels.buffer) },
    ];
  });
}

/** The state of a short run by the names of `iterate`. */
const toInputs = (state: readonly NamedTensor[]): NamedTensor[] =>
  state.flatMap((tensor) => {
    const [, kind = '', name = ''] = /^([a-z_]+)\/(.*)$/.exec(tensor.name) ?? [];
    const prefix = { theta: '', phi: '', buffer: '', momentum: 'momentum.' }[kind];
    return prefix === undefined ? [] : [{ ...tensor, name: prefix + name }];
  });

/** A method's job, with pairs only where it reads them, and the tensors to begin from. */
async function begin(method: MethodName) {
  const needs = needsOf(method);
  const [source] = tinyJob().sources;
  const sources = source && needs.source ? [needs.pairs ? source : { ...source, pairs: [] }] : [];
  const job = tinyJob({ method, sources, epochs: 1 });
  const { epochs } = await train(job);
  const weights = sources.flatMap((each) =>
    each.weights.map((tensor) => ({ ...tensor, name: `source.${tensor.name}` })),
  );
  return { job, tensors: [...toInputs(epochs[0]?.state ?? []), ...weights, ...batches()] };
}

const values = (tensor: NamedTensor | undefined): Float64Array =>
  new Float64Array(tensor?.data.slice().buffer as ArrayBuffer);

/** ‖a − b‖ / ‖b‖. */
function error(a: Float64Array, b: Float64Array): number {
  const square = (each: (value: number, i: number) => number) =>
    b.reduce((sum, value, i) => sum + each(value, i) ** 2, 0);
  return Math.sqrt(square((value, i) => (a[i] as number) - value) / square((value) => value));
}

describe.each(methodNames)('%s', (method) => {
  it('is, in float64, what automatic differentiation gives: losses, θ, momentum, φ', async () => {
    const { job, tensors } = await begin(method);
    const { target, settings, convolution, device, threads } = job;
    const iterated = (engine: EngineName) => {
      const sources = job.sources.map(({ network, pairs }) => ({ network, pairs }));
      const common = { method, engine, convolution, settings, target, device, threads, sources, tensors, iterations };
      return iterate({ ...common, lr: 0.02, dtype: 'float64' });
    };
    const [ours, theirs] = [await iterated('native'), await iterated('autograd')];
    const names = theirs.map(({ name }) => name);
    expect(names.filter((name) => name.includes('loss/')).length).toBe(iterations * (1 + methodTerms(method)));
    // θ as a whole: a bias before batch norm has no gradient but rounding.
    const whole = ['theta/', 'momentum/', 'phi/'].filter((prefix) => names.some((name) => name.startsWith(prefix)));
    for (const prefix of [...whole, ...names.filter((name) => /(loss|virtual|meta)\//.test(name))]) {
      const [mine, truth] = [ours, theirs].map((tensors) =>
        Float64Array.from(
          tensors.filter(({ name }) => name.startsWith(prefix)).flatMap((tensor) => [...values(tensor)]),
        ),
      );
      expect([prefix, error(mine as Float64Array, truth as Float64Array) < 1e-10]).toEqual([prefix, true]);
    }
  });
});

const methodTerms = (method: MethodName): number =>
  declarations().methods.find(({ name }) => name === method)?.terms.length ?? 0;
