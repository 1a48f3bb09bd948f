import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Dataset } from '../../src/data/dataset.js';
import { imageFiles } from '../../src/data/dataset.js';
import { divided, formatSplit, readSplit } from '../../src/data/split-file.js';
import { evaluate, resume, type TransferOptions, transfer } from '../../src/index.js';
import { readPthValue } from '../../src/networks/weights/pth.js';
import { writeStl10 } from '../fixtures/layouts.js';
import { tinyData } from '../tiny.js';
import { failure, temporaryFolder, write, writeClasses } from './generate.js';

/** So many training and test images in so many classes; files that nobody opens. */
function dataset(classes: number, train: number, test: number): Dataset {
  const list = (count: number) =>
    imageFiles(
      'nowhere',
      Array(count).fill('x'),
      Array.from({ length: count }, () => 0),
    );
  const classNames = Array.from({ length: classes }, (_, k) => String(k));
  return {
    layout: 'folder',
    folder: 'nowhere',
    flat: false,
    classNames,
    folds: [],
    warnings: [],
    train: list(train),
    validation: undefined,
    test: list(test),
  };
}

const places = (list: Dataset['train']) => Array.from({ length: list?.count ?? 0 }, (_, k) => list?.position(k));

function file(content: string): string {
  const path = join(temporaryFolder(), 'split.json');
  write(path, content);
  return path;
}

describe('a split file', () => {
  it('is read as a run folder has it, with or without test images', async () => {
    const split = { train: Int32Array.of(3, 0), validation: Int32Array.of(1), test: undefined };
    expect(await readSplit(file(formatSplit(split)), dataset(2, 4, 4))).toEqual(split);
    const { validation, test } = await readSplit(file('{"train": [2], "test": [1]}'), dataset(2, 4, 4));
    expect([validation, test]).toEqual([new Int32Array(0), Int32Array.of(1)]);
    const rest = await readSplit(file('{"validation": [2, 0]}'), dataset(2, 4, 4));
    expect([...rest.train]).toEqual([1, 3]);
  });

  it('names training images to test on where the data set has no test images', async () => {
    const untested = { ...dataset(2, 5, 0), test: undefined };
    const whole = file('{"train": [3, 0], "validation": [1], "test": [2]}');
    expect((await readSplit(whole, untested)).test).toEqual(Int32Array.of(2));
    const rest = await readSplit(file('{"validation": [1], "test": [2]}'), untested);
    const { train, validation, test } = divided(untested, rest);
    expect([train, validation, test].map((list) => places(list))).toEqual([[0, 3, 4], [1], [2]]);
    const twice = await failure(readSplit(file('{"train": [0, 2], "test": [2]}'), untested));
    expect(twice?.message).toMatch(/train, validation and test name image 2 twice/);
    const beyond = await failure(readSplit(file('{"train": [0], "test": [5]}'), untested));
    expect(beyond?.message).toMatch(/name image 5, but the data set has 5/);
  });

  it.each([
    ['no JSON', '{"train": [0', /is no split/],
    ['another form', '{"training": [0]}', /is no split/],
    ['neither training nor validation images', '{"test": [0]}', /is no split/],
    ['no position', '{"train": [0.5]}', /is no split/],
    ['no training images', '{"train": []}', /has no training images/],
    ['no test images', '{"train": [0], "test": []}', /has no test images/],
    ['a position beyond', '{"train": [0, 4]}', /name image 4, but the data set has 4/],
    ['an image for both', '{"train": [0, 1], "validation": [1]}', /name image 1 twice/],
    ['a test image twice', '{"train": [0], "test": [2, 2]}', /test name image 2 twice/],
  ])('with %s is refused', async (_, content, message) => {
    const error = await failure(readSplit(file(content), dataset(2, 4, 4)));
    expect(error).toMatchObject({ code: 'INVALID_DATA', message: expect.stringMatching(message) });
  });

  const splits = '../shared/splits';
  it.skipIf(!existsSync(splits)).each([
    ['cifar100', 100, 45_000, 5_000, 10_000],
    ['stl10', 10, 4_500, 500, 8_000],
    ['cub200', 200, 4_994, 1_000, 5_794],
    ['dog', 120, 10_800, 1_200, 8_580],
  ])(`the authors' for %s is theirs, image by image (skipped without ${splits})`, async (name, classes, ...counts) => {
    const [train, validation, test] = counts as [number, number, number];
    const path = join(splits, name);
    const split = await readSplit(path, dataset(classes, train + validation, test));
    expect([split.train.length, split.validation.length, split.test?.length]).toEqual(counts);
    for (const [ending, indices] of [
      ['train', split.train],
      ['val', split.validation],
      ['test', split.test],
    ] as const) {
      const [, images] = (await readPthValue(readFileSync(`${path}-${ending}`), '')) as [unknown, number[]];
      expect([...(indices ?? [])]).toEqual(images);
    }
    // Together they are every training image, and every test image, once.
    expect([...split.train, ...split.validation].sort((a, b) => a - b)).toEqual([...Array(train + validation).keys()]);
    const other = await failure(readSplit(path, dataset(7, train + validation, test)));
    expect(other?.message).toMatch(new RegExp(`data set with ${classes} classes, but this one has 7`));
  });
});

describe('which images train and which validate', () => {
  const common = { method: 'scratch', target: 'vgg9_bn', width: 0.0625, epochs: 1, batch: 6, threads: 1 } as const;
  const splitOf = (run: string): string => readFileSync(join(run, 'split.json'), 'utf8');
  let data: string;
  beforeAll(() => {
    data = tinyData();
  });
  const begin = (given: Partial<TransferOptions>) =>
    transfer({ ...common, data, out: join(temporaryFolder(), 'run'), ...given });
  const resultOf = (given: Partial<TransferOptions>) => begin(given).result;
  /** How many images each set has, and whether they select the epoch, as the run says when it starts; then it ends. */
  async function startOf(given: Partial<TransferOptions>) {
    const controller = new AbortController();
    const run = begin({ ...given, signal: controller.signal });
    for await (const event of run) {
      if (event.type !== 'start') continue;
      controller.abort();
      await expect(run.result).rejects.toMatchObject({ code: 'ABORTED' });
      return event;
    }
    throw new Error('it did not start');
  }

  it.each([
    [undefined, 30],
    ['middle,right', 20],
  ])('is in the run folder, and may be given to another run: classes %s', async (classes, count) => {
    const first = await resultOf({ seed: 1, perClass: 10, classes });
    const { train, validation, test } = JSON.parse(splitOf(first.run));
    expect([train.length, validation.length, test]).toEqual([count, 0, undefined]);
    const other = await resultOf({ seed: 2, perClass: 10, classes });
    expect(splitOf(other.run)).not.toBe(splitOf(first.run));
    const splitFile = join(first.run, 'split.json');
    const same = await resultOf({ seed: 2, splitFile, classes });
    expect(splitOf(same.run)).toBe(splitOf(first.run));
    if (classes === undefined) return;
    // Places are those in the whole data set, where image k is of class k mod 3: left, middle, right.
    expect(train.some((place: number) => place % 3 === 0)).toBe(false);
    await expect(resultOf({ splitFile })).rejects.toThrow(/'left' has no training images/);
  });

  it('serves eval, too', async () => {
    const splitFile = file('{"validation": [3, 4, 5, 7], "test": [0, 1, 2]}');
    const { checkpoint } = await resultOf({ splitFile });
    expect((await evaluate(checkpoint, { data, splitFile })).total).toBe(3);
    expect((await evaluate(checkpoint, { data, splitFile, split: 'validation' })).total).toBe(4);
  });

  it.each([
    [undefined, [4, 6]],
    [0, [4, 0]],
    [1, [2, 2]],
    [0.5, [2, 2]],
  ] as const)("with validation %s are of the data's own or of the training images", async (validation, counts) => {
    const folder = temporaryFolder();
    for (const split of ['train', 'val']) await writeClasses(join(folder, split), { a: 3, b: 3 });
    const { run, images } = await startOf({ data: folder, validation });
    expect([images.train, images.validation]).toEqual(counts);
    if (validation !== undefined) return;
    // The split names no validation images: they are the data set's own.
    const again = await startOf({ data: folder, splitFile: join(run, 'split.json') });
    expect(again.images).toEqual({ train: 4, validation: 6, test: 2 });
  });

  it('may leave test images out, and is not to change before a resume', async () => {
    const splitFile = file('{"train": [0, 1, 2, 5, 9], "validation": [3, 4], "test": [0, 1, 2, 3]}');
    const { run, images } = await startOf({ epochs: 50, splitFile });
    expect(images).toEqual({ train: 5, validation: 2, test: 4 });
    writeFileSync(splitFile, '{"train": [0, 1, 2, 5, 8], "validation": [3, 4], "test": [0, 1, 2, 3]}');
    await expect(resume(run).result).rejects.toMatchObject({ code: 'INVALID_RUN' });
  });

  it('may be one of STL-10’s folds', async () => {
    const stl = temporaryFolder();
    writeStl10(stl);
    // Twice its ten images, one a class; each fold is the first or the second ten.
    for (const file of ['train_X.bin', 'train_y.bin']) {
      const bytes = readFileSync(join(stl, file));
      writeFileSync(join(stl, file), Buffer.concat([bytes, bytes]));
    }
    const fold = (k: number) => Array.from({ length: 10 }, (_, image) => image + 10 * (k % 2)).join(' ');
    writeFileSync(join(stl, 'fold_indices.txt'), Array.from({ length: 10 }, (_, k) => fold(k)).join('\n'));
    const count = async (given: object) => (await startOf({ ...given, data: stl })).images.train;
    expect(await count({})).toBe(20);
    expect(await count({ fold: 3 })).toBe(10);
    expect(await count({ fold: 3, classes: 'class1,class2' })).toBe(2);
  });

  it.each([
    [133, 399, false],
    [134, 402, true],
  ])('%i of each of three classes: do they select the epoch?', async (validation, count, selectBest) => {
    const { images, ...start } = await startOf({ data: tinyData(136), validation });
    expect([images.validation, start.selectBest]).toEqual([count, selectBest]);
  });

  it.each([
    [{ splitFile: 'x', perClass: 3 }, /perClass cannot accompany splitFile/],
    [{ splitFile: 'x', validation: 0 }, /validation cannot accompany splitFile/],
    [{ validation: 1.5 }, /validation is 1.5: it must be 0, a fraction below 1, or a whole number/],
    [{ validation: -1 }, /validation is -1: it must be 0/],
    [{ splitFile: 'x', fold: 3 }, /fold cannot accompany splitFile/],
    [{ fold: 3 }, /has no folds/],
    [{ cache: 'x' }, /^cache is for images of at least 64 pixels/],
  ])('%j is refused', async (given, message) => {
    const refused = { code: 'INVALID_OPTION', message: expect.stringMatching(message) };
    await expect(resultOf(given)).rejects.toMatchObject(refused);
  });
});
