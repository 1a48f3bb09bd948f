import { describe, expect, it } from 'vitest';
import { addon, type NamedTensor, type NetworkJob } from '../../src/native/addon.js';
import { imagenetNormalisation } from '../../src/options/networks.js';
import { uniform } from '../../tools/parity/uniform.js';
import { digest, floats, images, named } from '../native/tiny.js';

const network = { name: 'resnet20', classes: 4, width: 0.125 };
const weights = addon().initialise(network, 2);
const { pixels } = images(13);
const stride = 32 * 32 * 3;

const load = (changes: Partial<NetworkJob> = {}) =>
  new (addon().Network)({
    network,
    weights,
    size: 32,
    normalisation: imagenetNormalisation,
    device: 'cpu',
    threads: 1,
    ...changes,
  });

const mean = (values: Float32Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;

const logits = async (job: Partial<NetworkJob> = {}) => floats(named(await load(job).infer(pixels, false), 'logits'));

describe('Network', () => {
  it('gives logits, and every feature map where they are wanted', async () => {
    const loaded = load();
    const all = await loaded.infer(pixels, true);
    const maps = addon()
      .describe(network, 32)
      .features.map(({ index, channels, size }) => [`feature/${index}`, [13, channels, size, size]]);
    expect(all.map(({ name, shape }) => [name, shape])).toEqual([['logits', [13, 4]], ...maps]);
    expect(digest(await loaded.infer(pixels, false))).toBe(digest(all.slice(0, 1)));
  });

  it('the last feature map, averaged, through the linear layer is the logits', async () => {
    const all = await load().infer(pixels, true);
    const last = floats(all.at(-1));
    const [weight, bias] = [floats(named(weights, 'fc.weight')), floats(named(weights, 'fc.bias'))];
    const channels = weight.length / 4;
    const area = last.length / 13 / channels;
    const means = Array.from({ length: 13 * channels }, (_, at) => mean(last.subarray(at * area, (at + 1) * area)));
    floats(all[0]).forEach((logit, at) => {
      const [image, label] = [Math.floor(at / 4), at % 4];
      const products = means
        .slice(image * channels, (image + 1) * channels)
        .map((value, c) => value * (weight[label * channels + c] as number));
      expect(logit).toBeCloseTo(
        products.reduce((sum, value) => sum + value, bias[label] as number),
        5,
      );
    });
  });

  it('an image is one to it, whatever is beside it, also in calls side by side', async () => {
    const loaded = load();
    const whole = floats((await loaded.infer(pixels, false))[0]);
    const one = (i: number) => loaded.infer(pixels.slice(i * stride, (i + 1) * stride), false);
    const single = await Promise.all(Array.from({ length: 13 }, (_, i) => one(i)));
    single.forEach(([tensor], i) => {
      floats(tensor).forEach((logit, k) => {
        expect(logit).toBeCloseTo(whole[4 * i + k] as number, 4);
      });
    });
  });

  it('normalises', async () => {
    const twice = imagenetNormalisation.std.map((std) => 2 * std) as unknown as [number, number, number];
    expect(await logits({ normalisation: { ...imagenetNormalisation, std: twice } })).not.toEqual(await logits());
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
    expect(await logits({ weights: bfloat16 })).toEqual(await logits({ weights: truncated }));
  });

  it('the weights may change or go once it has them', async () => {
    const copy: NamedTensor[] = weights.map((tensor) => ({ ...tensor, data: tensor.data.slice() }));
    const loaded = load({ weights: copy });
    for (const { data } of copy) data.fill(255);
    expect(floats((await loaded.infer(pixels, false))[0])).toEqual(await logits());
  });

  it('applies meta-networks to its own features', async () => {
    const features = [2, 5];
    const channels = features.map((m) => (addon().describe(network, 32).features[m] as { channels: number }).channels);
    const tensor = (name: string, shape: number[]): NamedTensor => {
      const count = shape.reduce((a, b) => a * b, 1);
      const values = Float32Array.from(uniform(3, name, count), (value) => 4 * value - 2);
      return { name, dtype: 'float32', shape, data: new Uint8Array(values.buffer) };
    };
    const phi = channels.flatMap((c, i) => [
      tensor(`weight_net.${i}.weight`, [c, c]),
      tensor(`weight_net.${i}.bias`, [c]),
      tensor(`lambda_net.${i}.weight`, [1, c]),
      tensor(`lambda_net.${i}.bias`, [1]),
    ]);
    const all = await load({ importance: { method: 'l2t-ww', features, phi } }).infer(pixels, true);
    features.forEach((m, i) => {
      const c = channels[i] as number;
      const map = floats(named(all, `feature/${m}`));
      const area = map.length / 13 / c;
      const [w, lambda] = [floats(named(all, `w/${i}`)), floats(named(all, `lambda/${i}`))];
      const [f, fBias, g, gBias] = ['weight_net', 'lambda_net'].flatMap((net) =>
        ['weight', 'bias'].map((part) => floats(named(phi, `${net}.${i}.${part}`))),
      ) as [Float32Array, Float32Array, Float32Array, Float32Array];
      for (let image = 0; image < 13; image++) {
        // w = softmax(f(s)), λ = ReLU6(g(s)), s the map averaged over places
        const s = Array.from({ length: c }, (_, k) => mean(map.subarray((image * c + k) * area).subarray(0, area)));
        const dot = (row: Float32Array) => s.reduce((sum, value, k) => sum + value * (row[k] as number), 0);
        const logits = s.map((_, k) => dot(f.subarray(k * c)) + (fBias[k] as number));
        const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0);
        logits.forEach((logit, k) => {
          expect(w[image * c + k]).toBeCloseTo(Math.exp(logit) / sum, 5);
        });
        expect(lambda[image]).toBeCloseTo(Math.min(6, Math.max(0, dot(g) + (gBias[0] as number))), 4);
      }
    });
  });

  const noPhi = { method: 'l2t-ww', features: [0], phi: [] };

  const misshapen = weights.map((tensor) => (tensor.name === 'fc.bias' ? { ...tensor, shape: [2, 2] } : tensor));

  it.each<[string, Partial<NetworkJob>, string, RegExp]>([
    ['missing weights', { weights: weights.slice(1) }, 'WEIGHTS_MISMATCH', /no entry conv1\.weight/],
    ['misshapen weights', { weights: misshapen }, 'WEIGHTS_MISMATCH', /fc\.bias has shape \[2, 2\].*wants \[4\]/],
    ['another network', { network: { ...network, name: 'vgg9_bn' } }, 'WEIGHTS_MISMATCH', /features\.0\.weight/],
    ['images too small', { network: { ...network, name: 'vgg9_bn' }, size: 4 }, 'INVALID_OPTION', /too small/],
    ['no such device', { device: 'cuda:999' }, 'DEVICE_UNAVAILABLE', /cuda:999/],
    ['no threads', { threads: 0 }, 'INVALID_OPTION', /^threads must be a whole number from 1/],
    ['no φ', { importance: noPhi }, 'WEIGHTS_MISMATCH', /weight_net\.0\.weight/],
    ['no such feature', { importance: { ...noPhi, features: [99] } }, 'INVALID_OPTION', /no feature 99/],
    ['no job', undefined as never, 'INVALID_OPTION', /The job must be an object/],
  ])('%s is refused', (_, changes, code, message) => {
    const construct = () => (changes === undefined ? new (addon().Network)(changes) : load(changes));
    expect(construct).toThrow(expect.objectContaining({ name: 'L2TError', code }));
    expect(construct).toThrow(message);
  });

  it.each([
    ['no pixels', new Uint8Array()],
    ['half an image', new Uint8Array(1.5 * stride)],
    ['floats', new Float32Array(stride) as unknown as Uint8Array],
    ['nothing', undefined as unknown as Uint8Array],
  ])('%s: refused', (_, given) => {
    expect(() => load().infer(given, false)).toThrow(/count x size x size x 3/);
  });
});
