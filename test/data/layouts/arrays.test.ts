import { createHash } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cifar10, cifar100 } from '../../../src/data/layouts/arrays.js';
import { openDataset } from '../../../src/data/load.js';
import { splitNames } from '../../../src/options/datasets.js';
import { bitFlips, readDamaged, truncations } from '../../damage.js';
import { writeStl10, writeSvhn } from '../../fixtures/layouts.js';
import { matFile, numbers } from '../../fixtures/mat-file.js';
import { filesBelow } from '../../tiny.js';
import {
  decodeDataset,
  idxImages,
  idxLabels,
  nearest,
  pattern,
  temporaryFolder,
  write,
  writeCifar,
  writeIdx,
} from '../generate.js';
import { change, cut, itRefuses, labelsOf, pixelsOf, remove, replace } from './reading.js';

const options = { size: 32, resize: nearest };
const stride = 32 * 32 * 3;
const imageOf = (set: { pixels: Uint8Array } | undefined, index: number) =>
  set?.pixels.slice(index * stride, (index + 1) * stride);

describe('images in one array', () => {
  it.each([cifar10, cifar100])('$layout: planes become channels, the fine label is the class', async (variant) => {
    const folder = temporaryFolder();
    writeCifar(folder, variant);
    const data = await decodeDataset(folder, options);
    expect(data.layout).toBe(variant.layout);
    expect(data.classNames[7]).toBe('class 7');
    expect([...(data.train?.labels ?? [])]).toEqual([...Array(variant.classes).keys()]);
    expect([...(data.test?.labels ?? [])]).toEqual([3, 1]);
    for (const label of [0, 5, variant.classes - 1]) expect(imageOf(data.train, label)).toEqual(pattern(label));
    expect(imageOf(data.test, 0)).toEqual(pattern(3));
  });

  it('CIFAR is found in the folder that the archive makes, and resized', async () => {
    const folder = temporaryFolder();
    writeCifar(join(folder, 'cifar-10-batches-bin'), cifar10);
    const data = await decodeDataset(folder, { size: 16, resize: nearest });
    expect(data.train?.pixels.slice(9 * 768)).toEqual(await nearest(pattern(9), 32, 32, 16, 16));
  });

  it.each([false, true])('IDX: grey becomes three channels and 28 becomes 32 (compressed: %s)', async (compressed) => {
    const folder = temporaryFolder();
    writeIdx(folder, { compressed });
    const data = await decodeDataset(folder, options);
    expect([data.layout, data.train?.count, data.test?.count]).toEqual(['idx', 10, 2]);
    expect(data.classNames).toEqual([...'0123456789']);
    const grey = pattern(7, 28, 28, 1);
    const padded = new Uint8Array(stride);
    for (let row = 0; row < 28; row++) {
      for (let at = 0; at < 84; at++)
        padded[((row + 2) * 32 + 2) * 3 + at] = grey[row * 28 + Math.floor(at / 3)] as number;
    }
    expect(imageOf(data.train, 7)).toEqual(padded);
    expect(imageOf(data.test, 0)).toEqual(padded);
  });

  it('IDX: class names beside it are read, and it does without a test set', async () => {
    const folder = temporaryFolder();
    write(join(folder, 'train-images.idx3-ubyte'), idxImages([pattern(0, 32, 32, 1), pattern(1, 32, 32, 1)], 32, 32));
    write(join(folder, 'train-labels.idx1-ubyte'), idxLabels([1, 0]));
    write(join(folder, 'classes.txt'), 'cat\ndog\n');
    const data = await openDataset(folder);
    expect([data.classNames, data.test, labelsOf(data.train)]).toEqual([['cat', 'dog'], undefined, [1, 0]]);
  });

  it('IDX: the shipped subset of Fashion-MNIST', async () => {
    const data = await decodeDataset('data/fashion-mnist', options);
    expect([data.train?.count, data.test?.count, data.classNames[9]]).toEqual([3050, 2800, 'Ankle boot']);
  });

  it.each([true, false])(
    'SVHN: label 10 is the digit 0, and no image is turned (compressed: %s)',
    async (compressed) => {
      const folder = temporaryFolder();
      writeSvhn(folder, { compressed });
      const data = await openDataset(folder);
      expect(data).toMatchObject({ layout: 'svhn', folder, flat: false, classNames: [...'0123456789'] });
      expect([labelsOf(data.train), data.validation, labelsOf(data.test)]).toEqual([
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        undefined,
        [3, 0],
      ]);
      expect(data.train?.sides).toEqual([32, 32]);
      for (const image of [0, 7]) expect(await pixelsOf(data.train, image)).toEqual(pattern(image, 32));
      expect(await pixelsOf(data.test, 1)).toEqual(pattern(1, 32));
      expect(data.test?.name(1)).toBe(`${join(folder, 'test_32x32.mat')}, image 1`);
    },
  );

  it.each(['', 'stl10_binary'])('STL-10: labels from 1, folds, and no image is turned (in %j)', async (inside) => {
    const folder = temporaryFolder();
    writeStl10(join(folder, inside));
    const data = await openDataset(folder);
    expect([data.layout, data.folder]).toEqual(['stl10', join(folder, inside)]);
    expect([data.classNames[0], data.classNames.length]).toEqual(['class0', 10]);
    expect([data.train, data.test].map(labelsOf)).toEqual([
      [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
      [2, 1],
    ]);
    for (const image of [0, 9]) expect(await pixelsOf(data.train, image)).toEqual(pattern(image, 96));
    expect(await pixelsOf(data.test, 1)).toEqual(pattern(1, 96));
    expect(data.folds.map((fold) => [...fold]).slice(7)).toEqual([
      [7, 0],
      [8, 1],
      [9, 2],
    ]);
    rmSync(join(folder, inside, 'fold_indices.txt'));
    expect((await openDataset(folder)).folds).toEqual([]);
  });
});

const writeCifar10 = (folder: string) => writeCifar(folder, cifar10);
itRefuses('cifar10', writeCifar10, [
  [/cifar10 folder without data_batch_2\.bin.*batches\.meta\.txt/, only({ 'data_batch_1.bin': 'x' })],
  [/data_batch_3\.bin has 3072 bytes/, replace('data_batch_3.bin', new Uint8Array(3072))],
  [/test_batch\.bin: image 0 has label 10/, replace('test_batch.bin', new Uint8Array(3073).fill(10))],
  [/class 'class 8' has no training images/, replace('data_batch_5.bin', new Uint8Array(3073))],
  [/names 2 classes, not 10/, replace('batches.meta.txt', 'a\nb\n')],
  [/names the class 'a' twice/, replace('batches.meta.txt', 'a\nb\na\n')],
]);
itRefuses('cifar100', () => {}, [
  [/cifar100 folder without test\.bin, fine_label_names\.txt/, only({ 'train.bin': '' })],
]);

const hugeIdx = Buffer.from('00000803ffffffffffffffffffffffff', 'hex');
const noGzip = { 'train-images-idx3-ubyte.gz': 'not gzip', 'train-labels-idx1-ubyte.gz': 'not gzip' };
itRefuses('idx', writeIdx, [
  [/but not t10k-labels-idx1-ubyte/, only({ 't10k-images-idx3-ubyte': '' })],
  [/train-images\S+ is not an IDX/, replace('train-images-idx3-ubyte', idxLabels([1]))],
  [/announces 4294967295 × 4294967295/, replace('train-images-idx3-ubyte', hugeIdx)],
  [/2 images, but \S+ has 1 labels/, replace('t10k-labels-idx1-ubyte', idxLabels([1]))],
  [/image 1 has label 10/, replace('t10k-labels-idx1-ubyte', idxLabels([1, 10]))],
  [/train-images\S+gz cannot be decompressed/, only(noGzip)],
]);

itRefuses('svhn', writeSvhn, [
  [/svhn folder without test_32x32\.mat: it holds train_32x32\.mat/, remove('test_32x32.mat')],
  [/train_32x32\.mat is damaged: .*cut short/, cut('train_32x32.mat', 1000)],
  [/train_32x32\.mat has no X/, replace('train_32x32.mat', matFile({ y: numbers([1, 1], [1]) }))],
  [/image 1 has label 0, but labels are 1 to 10/, replace('test_32x32.mat', svhnFile([1, 0]))],
  [/2 images in X, but not one label/, replace('test_32x32.mat', svhnFile([1], 2))],
  [/class '0' has no training images/, replace('train_32x32.mat', svhnFile([1]))],
]);

itRefuses('stl10', writeStl10, [
  [/stl10 folder without class_names\.txt: it holds fold/, remove('class_names.txt')],
  [/train_X\.bin has 9000 bytes, but the 10 labels .* for 276480/, cut('train_X.bin', 9000)],
  [/test_y\.bin: image 1 has label 11/, replace('test_y.bin', Uint8Array.from([1, 11]))],
  [/fold 2: it has image 10, but there are 10/, change('fold_indices.txt', '2 5', '2 10')],
  [/fold 2: it has image 5, but it comes twice/, change('fold_indices.txt', '2 5', '5 5')],
  [/not 10 folds of equal size/, change('fold_indices.txt', '9 2', '9')],
  [/fold_indices\.txt, line 3: '2 x' is not/, change('fold_indices.txt', '2 5', '2 x')],
]);

/** A folder of these files alone. */
function only(files: Readonly<Record<string, string>>) {
  return (folder: string) => {
    for (const name of filesBelow(folder)) rmSync(join(folder, name));
    for (const [name, content] of Object.entries(files)) write(join(folder, name), content);
  };
}

function svhnFile(labels: number[], count = labels.length): Buffer {
  const X = numbers([32, 32, 3, count], new Uint8Array(count * stride), 'uint8');
  return matFile({ X, y: numbers([labels.length, 1], labels) });
}

describe('damaged arrays', { timeout: 120_000 }, () => {
  /** Reads and decodes all: the data must be sound. Returns its hash. */
  async function load(folder: string): Promise<string> {
    const { classNames, ...data } = await decodeDataset(folder, options);
    const hash = createHash('sha256');
    for (const { pixels, labels, count } of splitNames.flatMap((split) => data[split] ?? [])) {
      expect([pixels.length, labels.length]).toEqual([count * stride, count]);
      expect(labels.every((label) => label >= 0 && label < classNames.length)).toBe(true);
      hash.update(labels).update(pixels);
    }
    return hash.digest('hex');
  }

  it.each<[string, (folder: string) => unknown, boolean]>([
    ['CIFAR', writeCifar10, false],
    ['IDX', writeIdx, false],
    ['IDX.gz, which has checksums', (folder) => writeIdx(folder, { compressed: true }), true],
  ])('%s: a cut is an error; a flipped bit gives sound data or an error', async (_, make, isChecked) => {
    const folder = temporaryFolder();
    await make(folder);
    const original = await load(folder);
    for (const name of filesBelow(folder).filter((name) => !name.endsWith('.txt'))) {
      const bytes = readFileSync(join(folder, name));
      const read = async (damaged: Uint8Array) => {
        write(join(folder, name), damaged);
        const content = await load(folder);
        if (isChecked) expect(content).toBe(original);
      };
      const { values } = await readDamaged(truncations(bytes, bytes.length >> 5 || 1), read, 'INVALID_DATA');
      expect(values).toBe(0);
      await readDamaged(bitFlips(bytes, 125), read, 'INVALID_DATA');
      write(join(folder, name), bytes);
    }
  });
});
