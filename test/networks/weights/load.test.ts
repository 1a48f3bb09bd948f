import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadCheckpoint, networkIn } from '../../../src/networks/checkpoint.js';
import { hashTensors } from '../../../src/networks/weights/content-hash.js';
import { loadWeights } from '../../../src/networks/weights/load.js';
import { classesOf } from '../../../src/networks/weights/match.js';
import { safetensorsChunks } from '../../../src/networks/weights/safetensors.js';
import { patternWeights } from '../../../tools/torchvision/pattern.js';
import { temporaryFolder, tinySource, write } from '../../tiny.js';
import { ownLogits, worst } from '../export/cases.js';
import { renamed } from '../renamed.js';
import { dict, int, pickle, stateDict, text } from './pickle-writer.js';
import { floatStorage, legacyPth, tensor, zipPth } from './pth-writer.js';

/** Loads a file of these bytes whose name says nothing of its format. */
const load = (bytes: Uint8Array) => loadWeights(write(temporaryFolder(), 'weights.bin', bytes));

const weight = floatStorage('0', [1, 2, 3, 4]);
const bias = floatStorage('1', [5, 6]);
const entries = (prefix = '') =>
  [
    [`${prefix}fc.weight`, tensor(weight, [2, 2])],
    [`${prefix}fc.bias`, tensor(bias, [2])],
  ] as const;
const checkpoint = (key: string) =>
  dict([
    ['epoch', int(3)],
    ['arch', text('resnet')],
    [key, stateDict([...entries('module.'), ['module.note', text('no tensor')]])],
    ['optimizer', dict([['state', dict([['0', tensor(bias, [2])]])]])],
  ]);

describe('loadWeights', () => {
  it.each([
    ['a state dict', stateDict(entries())],
    ['a plain dict', dict(entries())],
    ['names with module.', stateDict(entries('module.'))],
    ['a compiled network', stateDict(entries('_orig_mod.'))],
    ['an average of compiled ones', stateDict([['n_averaged', tensor(bias, [])], ...entries('module._orig_mod.')])],
    ['a checkpoint with state_dict', checkpoint('state_dict')],
    ['a checkpoint with model', checkpoint('model')],
  ])('%s, in both formats of torch.save', async (_, object) => {
    for (const [format, file] of [
      ['pth-legacy', legacyPth(object, [weight, bias])],
      ['pth-zip', zipPth(object, [weight, bias])],
    ] as const) {
      const loaded = await load(file);
      expect(loaded.format).toBe(format);
      expect([...loaded.tensors]).toEqual([
        ['fc.weight', { dtype: 'float32', shape: [2, 2], data: weight.data }],
        ['fc.bias', { dtype: 'float32', shape: [2], data: bias.data }],
      ]);
    }
  });

  it('safetensors, with its metadata', async () => {
    const tensors = new Map([['module.a', { dtype: 'int8', shape: [1], data: Uint8Array.of(7) } as const]]);
    const { metadata, format, ...loaded } = await load(
      Buffer.concat(safetensorsChunks(tensors, new Map([['k', 'v']]))),
    );
    expect({ format, metadata: [...metadata] }).toEqual({ format: 'safetensors', metadata: [['k', 'v']] });
    expect([...loaded.tensors.keys()]).toEqual(['a']);
  });

  it('keeps module. where not every name has it', async () => {
    const mixed = stateDict([...entries('module.'), ['head', tensor(bias, [2])]]);
    const { tensors } = await load(legacyPth(mixed, [weight, bias]));
    expect([...tensors.keys()]).toEqual(['module.fc.weight', 'module.fc.bias', 'head']);
  });

  it.each<[RegExp, Uint8Array]>([
    [/a dict of "epoch", and no tensors/, legacyPth(dict([['epoch', int(1)]]), [])],
    [/holds no dict/, legacyPth(tensor(bias, [2]), [bias])],
    [/holds no weights/, pickle(2, 'N')],
    [/holds no weights/, Buffer.from('version https://git-lfs.github.com/spec/v1\n')],
    [/holds no weights/, new Uint8Array(0)],
  ])('refuses what %s', async (message, bytes) => {
    const refused = { code: 'INVALID_WEIGHTS', message: expect.stringMatching(message) };
    await expect(load(bytes)).rejects.toMatchObject(refused);
  });

  it('names a file that is missing', async () => {
    const path = join(temporaryFolder(), 'none.pth');
    await expect(loadWeights(path)).rejects.toMatchObject({
      code: 'FILE_ACCESS',
      message: expect.stringContaining(path),
    });
  });

  const published = join(import.meta.dirname, '../../../../shared/checkpoints/resnet32-tinyimagenet.pth.tar');
  it.skipIf(!existsSync(published))('the published ResNet-32, where it lies beside the repository', async () => {
    const { tensors, format } = await loadWeights(published);
    expect([format, tensors.size, classesOf(tensors, published, ['fc.weight'])]).toEqual(['pth-legacy', 201, 200]);
    expect(tensors.get('conv1.weight')?.shape).toEqual([16, 3, 3, 3]);
    expect(tensors.get('bn1.num_batches_tracked')?.dtype).toBe('int64');
  });
});

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

/**
 * Weights with which a shortcut does what F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, planes // 4, planes // 4)) does: a
 * convolution that copies channels, with zeros before and after them, and a batch norm that changes nothing.
 */
const padding: Named = [32, 64].flatMap((channels): Named[number][] => {
  const [block, of] = [`layer${channels / 32 + 1}.0.shortcut`, channels / 2];
  const copies = Float32Array.from({ length: channels * of }, (_, at) =>
    Number(Math.floor(at / of) - channels / 4 === at % of),
  );
  const norm = (part: string, value: number) =>
    [`${block}.1.${part}`, [channels], new Float32Array(channels).fill(value)] as const;
  return [
    [`${block}.0.weight`, [channels, of, 1, 1], copies],
    ...[norm('weight', 1), norm('bias', 0), norm('running_mean', 0), norm('running_var', 1 - 1e-5)],
  ];
});

describe('a CIFAR ResNet whose tensors are called layer1.0.… and linear.…', () => {
  it.each([
    ['resnet20_a', 'resnet20', 3],
    ['resnet32_a', 'resnet32', 5],
  ] as const)(
    'without weights in its shortcuts is a %s: it computes what a %s does whose shortcuts pad with zeros',
    async (network, other, blocks) => {
      const tensors = drawn(blocks, 10, 'none', 'linear');
      const file = pth(tensors, { prefix: 'module.' });
      expect(await networkIn(file)).toMatchObject({ network });
      const checkpoint = await loadCheckpoint(file, { network });
      expect(checkpoint).toMatchObject({ network: { name: network, classes: 10, width: 1 }, size: 32 });
      const pixels = Uint8Array.from({ length: 32 * 32 * 3 }, (_, i) => Math.imul(i, 2654435761) >>> 24);
      const padded = await loadCheckpoint(pth([...tensors, ...padding]), { network: other });
      const expected = await ownLogits(padded, pixels);
      const scale = Math.max(...expected.map(Math.abs));
      expect(Math.max(...expected) - Math.min(...expected)).toBeGreaterThan(0.01 * scale);
      expect(worst(await ownLogits(checkpoint, pixels), expected) / scale).toBeLessThan(1e-5);
    },
  );

  it.each([
    ['shortcut', 'linear'],
    ['downsample', 'fc'],
  ] as const)(
    'with weights in .%s and %s is a resnet20 whose first convolution has no bias',
    async (shortcut, head) => {
      const named = drawn(3, 10, shortcut, head);
      const theirs = new Map(named.map(([name, , values]) => [name, values]));
      const file = pth(named, { zipped: true });
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

describe('prefixes', () => {
  it.each<[string, (own: string) => string]>([
    ['model.', (own) => `model.${own}`],
    ['backbone.', (own) => `backbone.${own}`],
    ['module.model.', (own) => `module.model.${own}`],
    ['backbone., but for the last layer', (own) => (own.startsWith('fc.') ? own : `backbone.${own}`)],
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
