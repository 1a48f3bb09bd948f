import { describe, expect, it } from 'vitest';
import { addon, type NamedTensor } from '../../src/native/addon.js';
import { countParameters, describeNetwork } from '../../src/networks/describe.js';
import { imagenetNormalisation, torchvisionNetworks } from '../../src/options/networks.js';
import { patternImage, patternWeights, probe } from '../../tools/torchvision/pattern.js';
// Written by tools/torchvision/fixture.py.
import fixture from '../fixtures/torchvision.json' with { type: 'json' };

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
