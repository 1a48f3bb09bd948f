import { describe, expect, it } from 'vitest';
import { addon, type EvaluateJob, type NamedTensor, type NativeImages } from '../../src/addon.js';
import { imagenetNormalisation } from '../../src/networks.js';
import { floats, images } from './tiny.js';

const network = { name: 'resnet20', classes: 4, width: 0.125 };
const weights = addon().initialise(network, 2);

const evaluate = (changes: Partial<EvaluateJob> = {}) =>
  addon().evaluate({
    ...{ network, weights, images: images(13), size: 32, normalisation: imagenetNormalisation },
    ...{ batch: 5, device: 'cpu', threads: 1 },
    ...changes,
  });

/** The last layer says `bias`, whatever the image. */
function deaf(bias: readonly number[]): NamedTensor[] {
  return weights.map((tensor) => {
    if (tensor.name === 'fc.weight') return { ...tensor, data: new Uint8Array(tensor.data.length) };
    if (tensor.name === 'fc.bias') return { ...tensor, data: new Uint8Array(Float32Array.from(bias).buffer) };
    return tensor;
  });
}

describe('evaluate', () => {
  it('counts the predictions that are the labels', async () => {
    const set = images(13);
    const { correct, total, predictions, loss } = await evaluate();
    expect([total, predictions.length]).toEqual([13, 13]);
    expect(predictions.every((label) => label >= 0 && label < 4)).toBe(true);
    expect(correct).toBe(predictions.filter((label, i) => label === set.labels[i]).length);
    expect(loss).toBeGreaterThan(0);
  });

  it('takes the largest logit; its loss is the mean cross-entropy in nats', async () => {
    const { predictions, loss, correct } = await evaluate({ weights: deaf([0, 1, 3, 2]) });
    expect(new Set(predictions)).toEqual(new Set([2]));
    expect(correct).toBe(3);
    // 13 images of classes 0, 1, 2, 3, 0, …: four of class 0, three of each other.
    const logSum = Math.log(1 + Math.E + Math.E ** 2 + Math.E ** 3);
    expect(loss).toBeCloseTo(logSum - (4 * 0 + 3 * 1 + 3 * 3 + 3 * 2) / 13, 5);
  });

  it('does not depend on how images are batched', async () => {
    const [one, all] = await Promise.all([evaluate({ batch: 1 }), evaluate({ batch: 100 })]);
    expect(one.predictions).toEqual(all.predictions);
    expect(one.loss).toBeCloseTo(all.loss, 5);
  });

  it('follows the indices', async () => {
    const set = images(13);
    const whole = await evaluate();
    const indices = Int32Array.of(12, 3, 3, 0);
    const { predictions, total } = await evaluate({ images: { ...set, indices } });
    expect(total).toBe(4);
    expect([...predictions]).toEqual([...indices].map((i) => whole.predictions[i]));
  });

  it('images of another size are resized as `resize` does', async () => {
    const large = images(5, { size: 48 });
    const stride = 48 * 48 * 3;
    const pixels = new Uint8Array(5 * 32 * 32 * 3);
    for (let i = 0; i < 5; i++) {
      const small = await addon().resize(large.pixels.slice(i * stride, (i + 1) * stride), 48, 48, 32, 32);
      pixels.set(small, i * small.length);
    }
    const expected = await evaluate({ images: { ...large, pixels, size: 32 } });
    expect((await evaluate({ images: large })).loss).toBe(expected.loss);
  });

  it('half precision weights are read as the numbers they are', async () => {
    const bfloat16 = weights.map((tensor) => {
      const upper = Uint16Array.from(new Uint32Array(floats(tensor).buffer), (bits) => bits >>> 16);
      return { ...tensor, dtype: 'bfloat16' as const, data: new Uint8Array(upper.buffer) };
    });
    const truncated = weights.map((tensor) => {
      const bits = new Uint32Array(floats(tensor).buffer).map((word) => (word & 0xffff0000) >>> 0);
      return { ...tensor, data: new Uint8Array(bits.buffer) };
    });
    expect((await evaluate({ weights: bfloat16 })).loss).toBe((await evaluate({ weights: truncated })).loss);
  });

  const relabelled = (label: number): NativeImages => {
    const set = images(13);
    return { ...set, labels: set.labels.with(4, label) };
  };
  const misshapen = weights.map((tensor) => (tensor.name === 'fc.bias' ? { ...tensor, shape: [2, 2] } : tensor));

  it.each([
    ['a label out of range', { images: relabelled(4) }, 'INVALID_DATA', /Image 4 has label 4.*4 classes/],
    ['a negative label', { images: relabelled(-1) }, 'INVALID_DATA', /Image 4 has label -1/],
    ['an index out of range', { images: { ...images(13), indices: Int32Array.of(13) } }, 'INVALID_OPTION', /'indices'/],
    ['no images', { images: { ...images(13), indices: new Int32Array() } }, 'INVALID_DATA', /no images/],
    ['too few pixels', { images: { ...images(13), pixels: new Uint8Array(3) } }, 'INVALID_OPTION', /'pixels'/],
    ['missing weights', { weights: weights.slice(1) }, 'WEIGHTS_MISMATCH', /no entry conv1\.weight/],
    ['misshapen weights', { weights: misshapen }, 'WEIGHTS_MISMATCH', /fc\.bias has shape \[2, 2\].*wants \[4\]/],
    ['another network', { network: { ...network, name: 'vgg9_bn' } }, 'WEIGHTS_MISMATCH', /features\.0\.weight/],
    ['no such device', { device: 'cuda:999' }, 'DEVICE_UNAVAILABLE', /cuda:999/],
    ['batch 0', { batch: 0 }, 'INVALID_OPTION', /'batch' must be a whole number from 1/],
  ])('%s is refused', async (_, changes, code, message) => {
    const call = async () => evaluate(changes);
    await expect(call()).rejects.toMatchObject({ name: 'L2TError', code, message: expect.stringMatching(message) });
  });
});
