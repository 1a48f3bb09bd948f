import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { evaluate, exportNetwork, loadCheckpoint, Network, transfer } from '../../src/index.js';
import type { Tensor } from '../../src/native/tensor.js';
import { type Checkpoint, networkIn } from '../../src/networks/checkpoint.js';
import { hashTensors } from '../../src/networks/weights/content-hash.js';
import { readSafetensors, writeSafetensors } from '../../src/networks/weights/safetensors.js';
import { patternWeights } from '../../tools/torchvision/pattern.js';
import { temporaryFolder, tinyData, tinyOptions, tinySource, write } from '../tiny.js';
import { ownLogits, worst } from './export/cases.js';
import { dict, stateDict } from './weights/pickle-writer.js';
import { floatStorage, legacyPth, tensor, zipPth } from './weights/pth-writer.js';

type Named = readonly (readonly [name: string, shape: readonly number[], values: Float32Array])[];

/** The numbers of a file of torch.save, as scripts write it. */
function pth(tensors: Named, { prefix = '', zipped = false } = {}): string {
  const storages = tensors.map(([name, , values]) => floatStorage(name, [...values]));
  const entries = tensors.map(([name, shape], i) => [`${prefix}${name}`, tensor(storages[i] as never, shape)] as const);
  const object = dict([['state_dict', stateDict(entries)]]);
  return write(temporaryFolder(), 'net.th', zipped ? zipPth(object, storages) : legacyPth(object, storages));
}

/** Drawn weights for a CIFAR ResNet with names as in akamaster/pytorch_resnet_cifar10; running statistics are not trivial. */
function drawn(blocks: number, classes: number, shortcut: 'none' | 'shortcut' | 'downsample', head: string): Named {
  const named: [string, readonly number[]][] = [];
  const conv = (name: string, out: number, of: number, side: number) => named.push([name, [out, of, side, side]]);
  const norm = (name: string, channels: number) =>
    ['weight', 'bias', 'running_mean', 'running_var'].map((part) => named.push([`${name}.${part}`, [channels]]));
  conv('conv1.weight', 16, 3, 3);
  norm('bn1', 16);
  let of = 16;
  for (const [stage, channels] of [16, 32, 64].entries()) {
    for (let k = 0; k < blocks; k++) {
      const block = `layer${stage + 1}.${k}`;
      conv(`${block}.conv1.weight`, channels, of, 3);
      norm(`${block}.bn1`, channels);
      conv(`${block}.conv2.weight`, channels, channels, 3);
      norm(`${block}.bn2`, channels);
      if (shortcut !== 'none' && of !== channels) {
        conv(`${block}.${shortcut}.0.weight`, channels, of, 1);
        norm(`${block}.${shortcut}.1`, channels);
      }
      of = channels;
    }
  }
  named.push([`${head}.weight`, [classes, 64]], [`${head}.bias`, [classes]]);
  return named.map(([name, shape]) => [name, shape, patternWeights(name, shape)]);
}

interface Map3 {
  readonly channels: number;
  readonly side: number;
  readonly at: (channel: number, row: number, column: number) => number;
}

function made(channels: number, side: number, value: Map3['at']): Map3 {
  const values = new Float64Array(channels * side * side);
  let i = 0;
  for (let c = 0; c < channels; c++)
    for (let row = 0; row < side; row++)
      for (let column = 0; column < side; column++) values[i++] = value(c, row, column);
  const inside = (k: number) => k >= 0 && k < side;
  return {
    channels,
    side,
    at: (c, row, column) => (inside(row) && inside(column) ? (values[(c * side + row) * side + column] as number) : 0),
  };
}

/** The logits of one image by plain loops in float64. */
function plainLogits(tensors: Named, blocks: number, image: Map3): number[] {
  const values = new Map(tensors.map(([name, , numbers]) => [name, numbers]));
  const get = (name: string) => values.get(name) as Float32Array;
  const conv = (name: string, x: Map3, out: number, stride: number) => {
    const weight = get(`${name}.weight`);
    return made(out, Math.ceil(x.side / stride), (c, row, column) => {
      let sum = 0;
      let i = c * x.channels * 9;
      for (let k = 0; k < x.channels; k++)
        for (let dy = -1; dy <= 1; dy++)
          for (let dx = -1; dx <= 1; dx++)
            sum += (weight[i++] as number) * x.at(k, row * stride + dy, column * stride + dx);
      return sum;
    });
  };
  const norm = (name: string, x: Map3, after = (value: number) => value) => {
    const [scale, shift, mean, variance] = ['weight', 'bias', 'running_mean', 'running_var'].map((part) =>
      get(`${name}.${part}`),
    ) as [Float32Array, Float32Array, Float32Array, Float32Array];
    const of = (list: Float32Array, c: number) => list[c] as number;
    return made(x.channels, x.side, (c, row, column) =>
      after(((x.at(c, row, column) - of(mean, c)) / Math.sqrt(of(variance, c) + 1e-5)) * of(scale, c) + of(shift, c)),
    );
  };
  const relu = (value: number) => Math.max(value, 0);
  let x = norm('bn1', conv('conv1', image, 16, 1), relu);
  for (const [stage, channels] of [16, 32, 64].entries()) {
    for (let k = 0; k < blocks; k++) {
      const block = `layer${stage + 1}.${k}`;
      const stride = stage > 0 && k === 0 ? 2 : 1;
      const input = x;
      // F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, planes // 4, planes // 4)): zeros for the channels before and after.
      const before = stride === 2 ? channels / 4 : 0;
      const skip = (c: number, row: number, column: number) =>
        c < before || c >= before + input.channels ? 0 : input.at(c - before, stride * row, stride * column);
      const inner = norm(`${block}.bn1`, conv(`${block}.conv1`, input, channels, stride), relu);
      const y = norm(`${block}.bn2`, conv(`${block}.conv2`, inner, channels, 1));
      x = made(channels, y.side, (c, row, column) => relu(y.at(c, row, column) + skip(c, row, column)));
    }
  }
  const [weight, bias] = [get('linear.weight'), get('linear.bias')];
  const means = Array.from({ length: 64 }, (_, c) => {
    let sum = 0;
    for (let row = 0; row < x.side; row++) for (let column = 0; column < x.side; column++) sum += x.at(c, row, column);
    return sum / x.side ** 2;
  });
  return Array.from(bias, (b, k) => means.reduce((sum, mean, c) => sum + mean * (weight[64 * k + c] as number), b));
}

const pixels = Uint8Array.from({ length: 32 * 32 * 3 }, (_, i) => Math.imul(i, 2654435761) >>> 24);

function normalised({ normalisation: { mean, std } }: Checkpoint): Map3 {
  return made(3, 32, (c, row, column) => {
    const value = (pixels[(row * 32 + column) * 3 + c] as number) / 255;
    return (value - (mean[c] as number)) / (std[c] as number);
  });
}

describe('a CIFAR ResNet whose tensors are called layer1.0.… and linear.…', () => {
  it.each([
    ['resnet20_a', 3],
    ['resnet32_a', 5],
  ] as const)(
    'without weights in its shortcuts is a %s: its logits are those of plain loops',
    async (network, blocks) => {
      const tensors = drawn(blocks, 10, 'none', 'linear');
      const file = pth(tensors, { prefix: 'module.' });
      expect(await networkIn(file)).toMatchObject({ network });
      const checkpoint = await loadCheckpoint(file, { network });
      expect(checkpoint).toMatchObject({ network: { name: network, classes: 10, width: 1 }, size: 32 });
      const plain = plainLogits(tensors, blocks, normalised(checkpoint));
      const scale = Math.max(...plain.map(Math.abs));
      expect(Math.max(...plain) - Math.min(...plain)).toBeGreaterThan(0.01 * scale);
      expect(worst(await ownLogits(checkpoint, pixels), plain) / scale).toBeLessThan(1e-5);
    },
  );

  it.each([
    ['shortcut', 'linear'],
    ['downsample', 'fc'],
  ] as const)(
    'with weights in .%s and %s is a resnet20 whose first convolution has no bias',
    async (shortcut, head) => {
      const theirs = new Map(drawn(3, 10, shortcut, head).map(([name, , values]) => [name, values]));
      const file = pth(drawn(3, 10, shortcut, head), { zipped: true });
      expect(await networkIn(file)).toMatchObject({ network: 'resnet20' });
      const { weights } = await loadCheckpoint(file, { network: 'resnet20', strict: true });
      const floats = (name: string) => {
        const data = weights.find((each) => each.name === name)?.data as Uint8Array;
        return new Float32Array(Uint8Array.from(data).buffer);
      };
      for (const [ours, other] of [
        ['block1.conv1.weight', 'layer1.0.conv1.weight'],
        ['block3.downsample.0.weight', `layer2.0.${shortcut}.0.weight`],
        ['block5.downsample.1.running_var', `layer3.0.${shortcut}.1.running_var`],
        ['blocks6.1.bn2.bias', 'layer3.2.bn2.bias'],
        ['fc.weight', `${head}.weight`],
      ] as const)
        expect(floats(ours)).toEqual(theirs.get(other));
      expect(floats('conv1.bias')).toEqual(new Float32Array(16));
    },
  );
});

/** The tensors of a network in a file of another program. `name`: what it calls each; undefined: it has none. */
async function renamed(source: string, name: (own: string) => string | undefined, more: [string, Tensor][] = []) {
  const { tensors } = await readSafetensors(source);
  const entries = [...tensors].flatMap(([own, each]): [string, Tensor][] => {
    const other = name(own);
    return other === undefined ? [] : [[other, each]];
  });
  const file = join(temporaryFolder(), 'renamed.safetensors');
  await writeSafetensors(file, new Map([...entries, ...more]));
  return file;
}

const isLast = (name: string) => name.startsWith('fc.');
const zeros = (...shape: number[]): Tensor => ({
  dtype: 'float32',
  shape,
  data: new Uint8Array(4 * shape.reduce((product, length) => product * length, 1)),
});

describe('prefixes', () => {
  it.each<[string, (own: string) => string]>([
    ['model.', (own) => `model.${own}`],
    ['backbone.', (own) => `backbone.${own}`],
    ['module.model.', (own) => `module.model.${own}`],
    ['backbone., but for the last layer', (own) => (isLast(own) ? own : `backbone.${own}`)],
  ])('%s', async (_, name) => {
    const source = await tinySource();
    const file = await renamed(source, name);
    expect(await networkIn(file)).toMatchObject({ network: 'resnet20' });
    const [theirs, ours] = [await loadCheckpoint(file, { network: 'resnet20' }), await loadCheckpoint(source)];
    expect(hashTensors(theirs.weights)).toBe(hashTensors(ours.weights));
  });

  it('stay where tensors outside of a head have none', async () => {
    const file = await renamed(await tinySource(), (own) => (own === 'bn1.weight' ? own : `backbone.${own}`));
    await expect(loadCheckpoint(file, { network: 'resnet20' })).rejects.toMatchObject({ code: 'WEIGHTS_MISMATCH' });
  });
});

describe('a source without a last layer', async () => {
  const data = tinyData();
  const headless = await renamed(await tinySource(), (own) => (isLast(own) ? undefined : `backbone.${own}`), [
    ['head.weight', zeros(7, 64)],
  ]);
  const network = 'resnet20';

  it('is recognised', async () => {
    expect(await networkIn(headless)).toMatchObject({ network });
    expect((await loadCheckpoint(headless, { network })).network.classes).toBe(0);
  });

  it.each(['fm', 'at', 'l2t-ww', 'sp', 'vid'] as const)('serves %s', async (method) => {
    const options = { ...tinyOptions, data, method, source: headless, sourceNetwork: network, epochs: 1 } as const;
    const { accuracy } = await transfer({ ...options, out: join(temporaryFolder(), 'run') }).result;
    expect(accuracy).toBeGreaterThanOrEqual(0);
  });

  it('gives the same result as with it', async () => {
    const source = await tinySource();
    const { pairs } = tinyOptions;
    const hashes = [];
    for (const file of [source, await renamed(source, (own) => (isLast(own) ? undefined : own))]) {
      const options = { ...tinyOptions, data, pairs, source: file, sourceNetwork: network, epochs: 1 } as const;
      const run = await transfer({ ...options, out: join(temporaryFolder(), 'run') }).result;
      hashes.push(hashTensors(run.network.weights));
    }
    expect(hashes[0]).toBe(hashes[1]);
  });

  it.each(['lwf', 'lwf+at', 'kd'] as const)('is refused for %s, which reads its outputs', async (method) => {
    const { pairs, ...others } = tinyOptions;
    const options = { ...others, ...(method === 'lwf+at' && { pairs }), data, method, source: headless } as const;
    const run = transfer({ ...options, sourceNetwork: network, out: join(temporaryFolder(), 'run') });
    await expect(run.result).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining(`${headless} has no last layer: use a file that has one, or a method`),
    });
  });

  it('has features, and no labels', async () => {
    const checkpoint = await loadCheckpoint(headless, { network });
    const loaded = Network.from(checkpoint);
    const image = { pixels, height: 32, width: 32 };
    expect((await loaded.features([image])).length).toBe(9);
    const refused = { code: 'WEIGHTS_MISMATCH', message: expect.stringContaining('has no last layer (fc.weight)') };
    await expect(loaded.predict([image])).rejects.toMatchObject(refused);
    await expect(evaluate(headless, { data, network })).rejects.toMatchObject(refused);
    const out = join(temporaryFolder(), 'out');
    await expect(exportNetwork(headless, { network, to: 'onnx', out })).rejects.toMatchObject(refused);
    await exportNetwork(headless, { network, to: 'safetensors', out });
    expect(hashTensors((await loadCheckpoint(out)).weights)).toBe(hashTensors(checkpoint.weights));
  });

  it('is a network to start from: the last layer starts anew', async () => {
    const options = { data, method: 'finetune', target: network, targetInit: headless, threads: 1, lr: 0.01 } as const;
    const run = transfer({ ...options, epochs: 1, batch: 6, out: join(temporaryFolder(), 'run') });
    expect((await run.result).network.network).toEqual({ name: network, classes: 3, width: 1 });
  });
});
