import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { addon, type NamedTensor } from '../../src/native/addon.js';
import type { Tensor } from '../../src/native/tensor.js';
import { loadCheckpoint } from '../../src/networks/checkpoint.js';
import { countParameters, describeNetwork } from '../../src/networks/describe.js';
import { writeSafetensors } from '../../src/networks/weights/safetensors.js';
import { imagenetNormalisation, torchvisionNetworks } from '../../src/options/networks.js';
import { patternImage, patternWeights, probe } from '../../tools/torchvision/pattern.js';
// Written by tools/torchvision/fixture.py.
import fixture from '../fixtures/torchvision.json' with { type: 'json' };
import { temporaryFolder } from '../tiny.js';

const { classes, size } = fixture;
const floats = ({ data }: NamedTensor) => new Float32Array(data.buffer, data.byteOffset, data.length / 4);
const largest = (values: Iterable<number>) => Math.max(...Array.from(values, Math.abs));

describe.each(torchvisionNetworks)('%s', { timeout: 60_000 }, (name) => {
  const network = { name, classes, width: 1 };
  const theirs = fixture.networks[name as keyof typeof fixture.networks];

  it("gives torchvision's logits and feature maps of an image, to 1e-5", async () => {
    const { parameters, buffers } = describeNetwork(network);
    expect([parameters.length + buffers.length, countParameters(network)]).toEqual([theirs.tensors, theirs.parameters]);
    const weights = [...parameters, ...buffers].map(({ name, shape }): NamedTensor => {
      return { name, shape, dtype: 'float32', data: new Uint8Array(patternWeights(name, shape).buffer) };
    });
    const job = { network, weights, size, normalisation: imagenetNormalisation, device: 'cpu', threads: 1 };
    const [logits, ...features] = await new (addon().Network)(job).infer(patternImage(size), true);
    const ours = Array.from(floats(logits as NamedTensor));
    const scale = largest(theirs.logits);
    ours.forEach((logit, k) => {
      expect(Math.abs(logit - (theirs.logits[k] as number)) / scale).toBeLessThan(1e-5);
    });
    expect(features.length).toBe(theirs.features.length);
    features.forEach((feature, n) => {
      const [norm, product] = theirs.features[n] as [number, number];
      const { norm: ourNorm, product: ourProduct } = probe(floats(feature));
      expect(Math.abs(ourNorm - norm) / norm).toBeLessThan(1e-5);
      expect(Math.abs(ourProduct - product) / norm).toBeLessThan(1e-5);
    });
  });
});

describe("timm's names", () => {
  const weightsOf = async (names: readonly (readonly [string, readonly number[]])[]) => {
    const path = join(temporaryFolder(), 'weights.safetensors');
    const tensors = names.map(([name, shape]): [string, Tensor] => {
      return [name, { dtype: 'float32', shape, data: new Uint8Array(patternWeights(name, shape).buffer) }];
    });
    await writeSafetensors(path, new Map(tensors));
    return path;
  };

  it('of a network are aliases', async () => {
    const network = { name: 'mobilenetv2_100', classes: 3, width: 0.1 };
    const { name, parameters, buffers } = describeNetwork(network);
    expect(name).toBe('mobilenet_v2');
    const file = await weightsOf([...parameters, ...buffers].map(({ name, shape }) => [name, shape]));
    const checkpoint = await loadCheckpoint(file, { network: 'mobilenetv2_100', width: 0.1 });
    expect(checkpoint.network).toEqual({ ...network, name: 'mobilenet_v2' });
  });

  it.each([
    ['mobilenet_v2', 'conv_stem.weight', 'classifier.weight'],
    ['vgg16_bn', 'pre_logits.fc1.weight', 'head.fc.weight'],
  ] as const)('of the tensors of a %s are refused, and what to use is said', async (network, first, last) => {
    const file = await weightsOf([
      [first, [8, 3, 3, 3]],
      [last, [5, 8]],
    ]);
    await expect(loadCheckpoint(file, { network })).rejects.toMatchObject({
      code: 'WEIGHTS_MISMATCH',
      message: expect.stringMatching(new RegExp(`timm's names .* ${first}.* torchvision\\.models\\.${network}\\(`)),
    });
  });
});
