import { describe, expect, it } from 'vitest';
import { addon, type NetworkSpec } from '../../../src/native/addon.js';
import { floats } from '../tiny.js';

const start = (network: NetworkSpec, seed: number) =>
  new Map(
    addon()
      .initialise(network, seed)
      .map((tensor) => [tensor.name, tensor]),
  );

/** Mean and standard deviation. */
function moments(values: Float32Array): [number, number] {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return [mean, Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length)];
}

/** Five standard errors of a normal sample of n: a right start fails this once in a million draws. */
function expectNormal(values: Float32Array, deviation: number) {
  const [mean, std] = moments(values);
  expect(Math.abs(mean)).toBeLessThan((5 * deviation) / Math.sqrt(values.length));
  expect(Math.abs(std - deviation)).toBeLessThan((5 * deviation) / Math.sqrt(2 * values.length));
}

function expectUniform(values: Float32Array, bound: number) {
  const [mean, std] = moments(values);
  const deviation = bound / Math.sqrt(3);
  expect(Math.abs(mean)).toBeLessThan((5 * deviation) / Math.sqrt(values.length));
  // The fourth moment of a uniform is 9/5 σ⁴, so its sample deviation varies less than a normal's.
  expect(Math.abs(std - deviation)).toBeLessThan((5 * deviation) / Math.sqrt(2 * values.length));
  expect(values.every((value) => Math.abs(value) <= Math.fround(bound))).toBe(true);
}

describe('initialise', () => {
  const vgg = start({ name: 'vgg9_bn', classes: 100, width: 0.5 }, 3);
  const resnet = start({ name: 'resnet18', classes: 1000, width: 0.25 }, 3);
  const values = (tensors: typeof vgg, name: string) => floats(tensors.get(name));

  it('convolutions: He normal with fan-out (output channels · k²)', () => {
    expectNormal(values(vgg, 'features.4.weight'), Math.sqrt(2 / (64 * 9)));
    expectNormal(values(vgg, 'features.18.weight'), Math.sqrt(2 / (256 * 9)));
    expectNormal(values(resnet, 'conv1.weight'), Math.sqrt(2 / (16 * 49)));
    expectNormal(values(resnet, 'layer2.0.downsample.0.weight'), Math.sqrt(2 / 32));
  });

  it('the linear layers: normal(0, 0.01) and no bias in VGG, ± 1/√fan_in with bias in ResNets', () => {
    expectNormal(values(vgg, 'classifier.weight'), 0.01);
    expect(new Set(values(vgg, 'classifier.bias'))).toEqual(new Set([0]));
    expectUniform(values(resnet, 'fc.weight'), 1 / Math.sqrt(128));
    expectUniform(values(resnet, 'fc.bias'), 1 / Math.sqrt(128));
  });

  it('every other bias and running mean 0, every batch-norm scale and running variance 1', () => {
    const drawn = /(conv\d|downsample\.0|fc)\.(weight|bias)$/;
    for (const [name, tensor] of resnet) {
      if (drawn.test(name)) continue;
      expect([name, new Set(floats(tensor))]).toEqual([name, new Set([/weight|running_var/.test(name) ? 1 : 0])]);
    }
    expect(new Set(values(vgg, 'features.4.bias'))).toEqual(new Set([0]));
  });

  it('every entry of the network, in its order, as float32', () => {
    const network = { name: 'resnet20', classes: 5, width: 0.5 };
    const { parameters, buffers } = addon().describe(network, 32);
    expect(
      addon()
        .initialise(network, 0)
        .map(({ name, shape, dtype }) => ({ name, shape, dtype })),
    ).toEqual([...parameters, ...buffers].map(({ name, shape }) => ({ name, shape, dtype: 'float32' })));
  });

  it('equal seeds give equal bytes, others differ', () => {
    const network = { name: 'resnet20', classes: 5, width: 0.5 };
    const bytes = (seed: number) => Buffer.concat([...start(network, seed).values()].map(({ data }) => data));
    expect(bytes(7).equals(bytes(7))).toBe(true);
    expect(bytes(7).equals(bytes(8))).toBe(false);
  });
});
