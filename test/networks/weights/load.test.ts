import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadWeights } from '../../../src/networks/weights/load.js';
import { classesOf } from '../../../src/networks/weights/match.js';
import { safetensorsChunks } from '../../../src/networks/weights/safetensors.js';
import { dict, int, pickle, stateDict, text } from './pickle-writer.js';
import { floatStorage, legacyPth, tensor, zipPth } from './pth-writer.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weights-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Loads a file of these bytes whose name says nothing of its format. */
async function load(bytes: Uint8Array) {
  const path = join(folder, 'weights.bin');
  await writeFile(path, bytes);
  return loadWeights(path);
}

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

  it.each<[string, Uint8Array, RegExp]>([
    ['a checkpoint without tensors', legacyPth(dict([['epoch', int(1)]]), []), /a dict of "epoch", and no tensors/],
    ['a single tensor', legacyPth(tensor(bias, [2]), [bias]), /holds no dict/],
    ['a pickle that is not of torch.save', pickle(2, 'N'), /holds no weights/],
    ['a text', Buffer.from('version https://git-lfs.github.com/spec/v1\n'), /holds no weights/],
    ['nothing', new Uint8Array(0), /holds no weights/],
  ])('refuses %s', async (_, bytes, message) => {
    await expect(load(bytes)).rejects.toMatchObject({
      code: 'INVALID_WEIGHTS',
      message: expect.stringMatching(message),
    });
  });

  it('names a file that is missing', async () => {
    const path = join(folder, 'none.pth');
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
