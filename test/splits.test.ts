import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { evaluate, resume, transfer } from '../src/index.js';
import { writeClasses } from './datasets/generate.js';
import { writeStl10 } from './fixtures/layouts.js';
import { temporaryFolder, tinyData } from './tiny.js';

const options = { method: 'scratch', target: 'vgg9_bn', width: 0.0625, epochs: 1, batch: 6, threads: 1 } as const;
const out = () => join(temporaryFolder(), 'run');
const splitOf = (run: string): string => readFileSync(join(run, 'split.json'), 'utf8');

describe('which images train and which validate', () => {
  let data: string;
  beforeAll(() => {
    data = tinyData();
  });

  it('is in the run folder, and may be given to another run', async () => {
    const first = await transfer({ ...options, data, out: out(), seed: 1, perClass: 10 }).result;
    const { train, validation } = JSON.parse(splitOf(first.run));
    expect([train.length, validation.length]).toEqual([27, 3]);
    const other = await transfer({ ...options, data, out: out(), seed: 2, perClass: 10 }).result;
    expect(splitOf(other.run)).not.toBe(splitOf(first.run));
    const splitFile = join(first.run, 'split.json');
    const same = await transfer({ ...options, data, out: out(), seed: 2, splitFile }).result;
    expect(splitOf(same.run)).toBe(splitOf(first.run));
  });

  it('names places in the whole data set, also where classes were chosen', async () => {
    const classes = 'middle,right';
    const first = await transfer({ ...options, data, out: out(), classes }).result;
    const { train } = JSON.parse(splitOf(first.run));
    // Image k is of class k mod 3: left, middle, right.
    expect(train.some((place: number) => place % 3 === 0)).toBe(false);
    const splitFile = join(first.run, 'split.json');
    const same = await transfer({ ...options, data, out: out(), classes, splitFile }).result;
    expect(splitOf(same.run)).toBe(splitOf(first.run));
    const withoutLeft = transfer({ ...options, data, out: out(), splitFile }).result;
    await expect(withoutLeft).rejects.toMatchObject({
      message: expect.stringMatching(/'left' has no training images/),
    });
  });

  it('serves eval, too', async () => {
    const splitFile = join(temporaryFolder(), 'split.json');
    writeFileSync(splitFile, '{"validation": [3, 4, 5, 7], "test": [0, 1, 2]}');
    const { run } = await transfer({ ...options, data, out: out(), splitFile }).result;
    const checkpoint = join(run, 'best.safetensors');
    expect((await evaluate(checkpoint, { data, splitFile })).total).toBe(3);
    expect((await evaluate(checkpoint, { data, splitFile, split: 'validation' })).total).toBe(4);
  });

  it('leaves the data set its own validation images where it has none', async () => {
    const folder = temporaryFolder();
    for (const split of ['train', 'val']) await writeClasses(join(folder, split), { a: 3, b: 3 });
    const first = transfer({ ...options, data: folder, out: out() });
    const splitFile = join((await first.result).run, 'split.json');
    for await (const event of transfer({ ...options, data: folder, out: out(), splitFile })) {
      if (event.type === 'start') expect(event.images).toEqual({ train: 6, validation: 6, test: 0 });
    }
  });

  it('may leave test images out, and is not to change before a resume', async () => {
    const splitFile = join(temporaryFolder(), 'split.json');
    writeFileSync(splitFile, '{"train": [0, 1, 2, 5, 9], "validation": [3, 4], "test": [0, 1, 2, 3]}');
    const controller = new AbortController();
    const run = transfer({ ...options, epochs: 50, data, out: out(), splitFile, signal: controller.signal });
    let folder = '';
    for await (const event of run) {
      if (event.type !== 'start') continue;
      folder = event.run;
      expect(event.images).toEqual({ train: 5, validation: 2, test: 4 });
      controller.abort();
    }
    await expect(run.result).rejects.toMatchObject({ code: 'ABORTED' });
    writeFileSync(splitFile, '{"train": [0, 1, 2, 5, 8], "validation": [3, 4], "test": [0, 1, 2, 3]}');
    await expect(resume(folder).result).rejects.toMatchObject({ code: 'INVALID_RUN' });
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
    const images = async (given: object) => {
      const { run } = await transfer({ ...options, ...given, data: stl, out: out() }).result;
      return JSON.parse(splitOf(run)).train.length;
    };
    expect([await images({}), await images({ fold: 3 })]).toEqual([20, 10]);
    await expect(images({ fold: 3, classes: 'class1,class2' })).resolves.toBe(2);
  });

  it.each([
    [{ splitFile: 'x', perClass: 3 }, /--per-class cannot accompany --split-file/],
    [{ splitFile: 'x', fold: 3 }, /--fold cannot accompany --split-file/],
    [{ fold: 3 }, /has no folds/],
    [{ cache: 'x' }, /--cache is for images of at least 64 pixels/],
  ])('%j is refused', async (given, message) => {
    const { result } = transfer({ ...options, ...given, data, out: out() });
    await expect(result).rejects.toMatchObject({ code: 'INVALID_OPTION', message: expect.stringMatching(message) });
  });
});
