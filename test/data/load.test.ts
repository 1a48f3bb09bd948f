import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cifar10, cifar100 } from '../../src/data/layouts/arrays.js';
import { openDataset } from '../../src/data/load.js';
import {
  cifarVariants,
  decodeDataset,
  encode,
  failure,
  idxImages,
  idxLabels,
  nearest,
  pattern,
  temporaryFolder,
  write,
  writeCifar,
  writeClasses,
  writeIdx,
} from './generate.js';

const options = { size: 32, resize: nearest };
const stride = 32 * 32 * 3;
const imageOf = (set: { pixels: Uint8Array } | undefined, index: number) =>
  set?.pixels.slice(index * stride, (index + 1) * stride);

describe('CIFAR', () => {
  it.each(cifarVariants)('$layout: planes become channels, the fine label is the class', async (variant) => {
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

  it('is found in the folder that the archive makes, and resized', async () => {
    const folder = temporaryFolder();
    writeCifar(join(folder, 'cifar-10-batches-bin'), cifar10);
    const progress: number[] = [];
    const data = await decodeDataset(folder, { size: 16, resize: nearest, onProgress: (done) => progress.push(done) });
    expect(data.train?.pixels.slice(9 * 768)).toEqual(await nearest(pattern(9), 32, 32, 16, 16));
    expect(progress).toEqual([...Array(12).keys()].map((image) => image + 1));
  });
});

describe('IDX', () => {
  it.each([false, true])('grey becomes three channels and 28 becomes 32 (compressed: %s)', async (compressed) => {
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

  it('reads class names beside it, and does without a test set', async () => {
    const folder = temporaryFolder();
    write(join(folder, 'train-images.idx3-ubyte'), idxImages([pattern(0, 32, 32, 1), pattern(1, 32, 32, 1)], 32, 32));
    write(join(folder, 'train-labels.idx1-ubyte'), idxLabels([1, 0]));
    write(join(folder, 'classes.txt'), 'cat\ndog\n');
    const data = await decodeDataset(folder, options);
    expect([data.classNames, data.test, [...(data.train?.labels ?? [])]]).toEqual([['cat', 'dog'], undefined, [1, 0]]);
  });

  it('holds the shipped subset of Fashion-MNIST', async () => {
    const data = await decodeDataset('data/fashion-mnist', options);
    expect([data.train?.count, data.test?.count, data.classNames[9]]).toEqual([3050, 2800, 'Ankle boot']);
  });
});

const idxWith = (change: (folder: string) => void) => (folder: string) => {
  writeIdx(folder);
  change(folder);
};
const cifarWith = (name: string, bytes: Uint8Array | string) => (folder: string) => {
  writeCifar(folder, cifar10);
  write(join(folder, name), bytes);
};
const png = () => encode(pattern(0), 32, 32, 'png');

describe('what is wrong is named', () => {
  it.each<[string, (folder: string) => unknown, RegExp]>([
    ['empty folder', () => {}, /known layout: it holds nothing\. Understood are/],
    ['unknown content', (f) => write(join(f, 'a.zip'), ''), /it holds a\.zip\. Understood are/],
    [
      'folders without images',
      (f) => write(join(f, 'cifar-10-batches-py', 'data_batch_1'), 'x'),
      /holds cifar-10-ba.*Und/,
    ],
    [
      'images without class folders',
      async (f) => write(join(f, 'train', '1.png'), await png()),
      /train has no PNG.*1\.png/,
    ],
    [
      'empty class',
      async (f) => {
        await writeClasses(f, { a: 1, b: 0 });
      },
      /b: class 'b' has no images/,
    ],
    [
      'class missing in test',
      async (f) => {
        await writeClasses(join(f, 'train'), { a: 1, b: 1 });
        await writeClasses(join(f, 'test'), { a: 1 });
      },
      /class 'b' is in \S+train but not in \S+test \(2 classes against 1\)/,
    ],
    [
      'class only in val',
      async (f) => {
        await writeClasses(join(f, 'train'), { a: 1 });
        await writeClasses(join(f, 'valid'), { a: 1, c: 1 });
      },
      /class 'c' is in \S+valid but not in \S+train/,
    ],
    [
      'two validation folders',
      async (f) => {
        await writeClasses(join(f, 'val'), { a: 1 });
        await writeClasses(join(f, 'valid'), { a: 1 });
      },
      /both the validation set/,
    ],
    ['not an image', (f) => write(join(f, 'a', '1.png'), 'BM'), /1\.png is not a PNG, JPEG, WebP, GIF or AVIF image/],
    [
      'truncated image',
      async (f) => write(join(f, 'a', '1.png'), (await png()).subarray(0, 200)),
      /1\.png cannot be decoded/,
    ],
    [
      'CIFAR batch missing',
      (f) => write(join(f, 'data_batch_1.bin'), 'x'),
      /cifar10 folder without data_batch_2\.bin.*batches\.meta\.txt/,
    ],
    ['CIFAR cut short', cifarWith('data_batch_3.bin', new Uint8Array(3072)), /data_batch_3\.bin has 3072 bytes/],
    [
      'CIFAR label',
      cifarWith('test_batch.bin', new Uint8Array(3073).fill(10)),
      /test_batch\.bin: image 0 has label 10/,
    ],
    [
      'CIFAR class empty',
      cifarWith('data_batch_5.bin', new Uint8Array(3073)),
      /class 'class 8' has no training images/,
    ],
    ['CIFAR names', cifarWith('batches.meta.txt', 'a\nb\n'), /names 2 classes, not 10/],
    ['CIFAR name twice', cifarWith('batches.meta.txt', 'a\nb\na\n'), /names the class 'a' twice/],
    [
      'CIFAR-100 half',
      (f) => write(join(f, 'train.bin'), ''),
      /cifar100 folder without test\.bin, fine_label_names\.txt/,
    ],
    ['IDX labels missing', (f) => write(join(f, 't10k-images-idx3-ubyte'), ''), /but not t10k-labels-idx1-ubyte/],
    [
      'IDX magic',
      idxWith((f) => write(join(f, 'train-images-idx3-ubyte'), idxLabels([1]))),
      /train-images\S+ is not an IDX/,
    ],
    [
      'IDX promises too much',
      idxWith((f) => write(join(f, 'train-images-idx3-ubyte'), Buffer.from('00000803ffffffffffffffffffffffff', 'hex'))),
      /announces 4294967295 × 4294967295/,
    ],
    [
      'IDX counts',
      idxWith((f) => write(join(f, 't10k-labels-idx1-ubyte'), idxLabels([1]))),
      /2 images, but \S+ has 1 labels/,
    ],
    ['IDX label', idxWith((f) => write(join(f, 't10k-labels-idx1-ubyte'), idxLabels([1, 10]))), /image 1 has label 10/],
    [
      'IDX not gzip',
      (f) => {
        write(join(f, 'train-images-idx3-ubyte.gz'), 'not gzip');
        write(join(f, 'train-labels-idx1-ubyte.gz'), 'not gzip');
      },
      /train-images\S+gz cannot be decompressed/,
    ],
  ])('%s', async (_name, make, message) => {
    const folder = temporaryFolder();
    await make(folder);
    expect(await failure(decodeDataset(folder, options))).toMatchObject({
      code: 'INVALID_DATA',
      message: expect.stringMatching(new RegExp(message, 's')),
    });
  });

  it('no folder, a file, another layout than asked for', async () => {
    const folder = temporaryFolder();
    writeIdx(folder);
    const file = join(folder, 't10k-labels-idx1-ubyte');
    expect((await failure(openDataset(join(folder, 'x'))))?.message).toMatch(/x does not exist/);
    expect((await failure(openDataset(file)))?.message).toMatch(/is a file/);
    expect((await failure(openDataset(folder, { layout: 'folder' })))?.message).toMatch(/layout 'folder'/);
    expect((await openDataset(folder, { layout: 'idx' })).layout).toBe('idx');
  });

  it('more images than memory holds are refused before anything is read', async () => {
    const folder = temporaryFolder();
    writeCifar(folder, cifar100);
    expect(await failure(decodeDataset(folder, { ...options, size: 4096 }))).toMatchObject({
      code: 'INVALID_DATA',
      message: expect.stringMatching(/100 images of 4096×4096 take 4\.7 GiB/),
    });
  });
});
