import { fileURLToPath } from 'node:url';
import { fitImage } from '../../../src/data/fit.js';
import { loadData } from '../../../src/data/load.js';
import { evaluationSplit } from '../../../src/data/split.js';
import { addon } from '../../../src/native/addon.js';
import type { NamedTensor } from '../../../src/native/tensor.js';
import type { Checkpoint } from '../../../src/networks/checkpoint.js';
import { imagenetNormalisation, type NetworkName, torchvisionNetworks } from '../../../src/options/networks.js';
import { largest } from '../../../src/system/statistics.js';

/** A network to export, real images, and its own logits of them. */

const fashion = fileURLToPath(new URL('../../../data/fashion-mnist', import.meta.url));

const floats = (data: Uint8Array): Float32Array => new Float32Array(data.slice().buffer);

/** Numbers in [0, 1), the same each time. */
function uniform(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Initial weights, but batch norms that do something, as after a training: a graph that forgot one of their parts is wrong. */
function trained({ name, data, ...tensor }: NamedTensor): NamedTensor {
  const spread = [
    [/bn\d?\.weight$|downsample\.1\.weight$/, 0.3, 0.6],
    [/running_mean$/, -0.3, 0.3],
    [/running_var$/, 0.5, 2],
    [/bias$/, -0.3, 0.3],
  ] as const;
  const row = spread.find(([pattern]) => pattern.test(name));
  if (row === undefined) return { name, data, ...tensor };
  const [, low, high] = row;
  const draw = uniform(name.length * 7919 + data.length);
  const values = floats(data).map(() => low + (high - low) * draw());
  return { name, ...tensor, data: new Uint8Array(values.buffer) };
}

/** 64 pixels are enough for the networks that are meant for 224. */
export function networkWith(name: NetworkName, width: number, classes = 7): Checkpoint {
  const network = { name, classes, width };
  return {
    network,
    size: torchvisionNetworks.includes(name) ? 64 : 32,
    classNames: Array.from({ length: classes }, (_, k) => `"class" ${k} é`),
    normalisation: { ...imagenetNormalisation, std: [0.25, 0.2, 0.3] },
    weights: addon().initialise(network, 3).map(trained),
  };
}

/** The first test images of Fashion-MNIST: uint8, count × size × size × 3. */
export async function realImages(count: number, size: number): Promise<Uint8Array> {
  const list = evaluationSplit(await loadData({ data: fashion }));
  const images: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    images.push(await fitImage(await list.read(i), size, addon().resize, list.name(i)));
  }
  return Buffer.concat(images);
}

/** Images as the graph takes them: B × 3 × size × size, pixels in [0, 1] (`inside`) or normalised. */
export function inputOf(
  pixels: Uint8Array,
  { size, normalisation: { mean, std } }: Pick<Checkpoint, 'size' | 'normalisation'>,
  normalise: 'inside' | 'outside',
): Float32Array {
  const area = size * size;
  return Float32Array.from(pixels, (_, at) => {
    const [image, channel, place] = [Math.floor(at / (3 * area)), Math.floor(at / area) % 3, at % area];
    const value = (pixels[(image * area + place) * 3 + channel] as number) / 255;
    return normalise === 'inside' ? value : (value - (mean[channel] as number)) / (std[channel] as number);
  });
}

/** The logits of this package. */
export async function ownLogits(checkpoint: Checkpoint, pixels: Uint8Array): Promise<Float32Array> {
  const network = new (addon().Network)({ ...checkpoint, device: 'cpu', threads: 1 });
  const [logits] = await network.infer(pixels, false);
  return floats((logits as NamedTensor).data);
}

export const worst = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  a.length === b.length ? largest(Array.from(a, (value, i) => Math.abs(value - (b[i] as number)))) : Infinity;

/**
 * How far another program's float32 logits may be from ours. Sums are in another order: of logits near 1 the last
 * digits differ, some 1e-6.
 */
export const tolerance = 1e-4;
