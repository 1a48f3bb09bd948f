import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Dataset } from '../../src/data/dataset.js';
import { imageFiles } from '../../src/data/dataset.js';
import { divided, formatSplit, readSplit } from '../../src/data/split-file.js';
import { readPthValue } from '../../src/networks/weights/pth.js';
import { failure, temporaryFolder, write } from './generate.js';

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
