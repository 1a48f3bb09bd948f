import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { evaluate, resume, transfer } from '../../src/index.js';
import { writeStl10 } from '../fixtures/layouts.js';
import { temporaryFolder, tinyData } from '../tiny.js';
import { writeClasses } from './generate.js';

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
    const { train, validation, test } = JSON.parse(splitOf(first.run));
    expect([train.length, validation.length, test]).toEqual([30, 0, undefined]);
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
      if (event.type === 'start') expect(event.images).toEqual({ train: 4, validation: 6, test: 2 });
    }
  });

  it.each([
    [undefined, [4, 6]],
    [0, [4, 0]],
    [1, [2, 2]],
    [0.5, [2, 2]],
  ] as const)("with validation %s are of the data's own or of the training images", async (validation, images) => {
    const folder = temporaryFolder();
    for (const split of ['train', 'val']) await writeClasses(join(folder, split), { a: 3, b: 3 });
    for await (const event of transfer({ ...options, validation, data: folder, out: out() })) {
      if (event.type === 'start') expect([event.images.train, event.images.validation]).toEqual(images);
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
    [133, 399, false],
    [134, 402, true],
  ])('%i of each of three classes: do they select the epoch?', async (validation, count, selectBest) => {
    const controller = new AbortController();
    const { signal } = controller;
    const run = transfer({ ...options, data: tinyData(136), validation, out: out(), signal });
    for await (const event of run) {
      if (event.type !== 'start') continue;
      expect([event.images.validation, event.selectBest]).toEqual([count, selectBest]);
      controller.abort();
    }
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
    const { result } = transfer({ ...options, ...given, data, out: out() });
    await expect(result).rejects.toMatchObject({ code: 'INVALID_OPTION', message: expect.stringMatching(message) });
  });
});

describe('data without test images', () => {
  let flat: string;
  beforeAll(async () => {
    flat = temporaryFolder();
    await writeClasses(flat, { a: 21, b: 12, c: 4 });
  });
  const run = async (given: object) => {
    const started = transfer({ ...options, ...given, data: flat, out: out() });
    for await (const event of started) {
      if (event.type === 'start') expect(event.testDrawn).toBe(true);
    }
    const { run, correct, total } = await started.result;
    return { run, correct, total, ...(JSON.parse(splitOf(run)) as Record<'train' | 'validation' | 'test', number[]>) };
  };

  it('is tested on the same tenth of each class by every run, which no run trains or validates on', async () => {
    const whole = await run({});
    expect([whole.train.length, whole.total]).toEqual([33, 4]);
    const others = await run({ seed: 4, classes: 'c,a', perClass: 2, validation: 1 });
    expect(others.test).toEqual(whole.test.filter((place) => place < 21 || place >= 33));
    const all = [...whole.train, ...whole.validation, ...whole.test];
    expect(new Set(all).size).toBe(37);
    expect([...others.train, ...others.validation].filter((place) => whole.test.includes(place))).toEqual([]);
    const splitFile = join(whole.run, 'split.json');
    const same = await transfer({ ...options, data: flat, out: out(), seed: 9, splitFile }).result;
    expect(splitOf(same.run)).toBe(splitOf(whole.run));
  });

  it.each([
    [{ a: 2, b: 1 }, {}, /class 'b' has too few images: it needs one to train on and one to test on/],
    [{ a: 10, b: 10 }, { perClass: 10 }, /'a' has 9 training images beside the tenth that is kept for the test/],
  ])('needs enough of it: %j', async (classes, given, message) => {
    const folder = temporaryFolder();
    await writeClasses(folder, classes);
    await expect(transfer({ ...options, ...given, data: folder, out: out() }).result).rejects.toMatchObject({
      code: 'INVALID_DATA',
      message: expect.stringMatching(message),
    });
  });

  it('is evaluated on the run’s test images where the checkpoint lies in its folder', async () => {
    const { run: folder, correct } = await run({});
    const notes: string[] = [];
    const onNote = (message: string) => notes.push(message);
    const own = await evaluate(join(folder, 'best.safetensors'), { data: flat, onNote });
    expect([own.correct, own.total]).toEqual([correct, 4]);
    expect(notes).toEqual([expect.stringMatching(/the 4 test images that .*split\.json names/)]);
    const explicit = await evaluate(join(folder, 'best.safetensors'), { data: flat, split: 'train', onNote });
    const elsewhere = join(temporaryFolder(), 'best.safetensors');
    cpSync(join(folder, 'best.safetensors'), elsewhere);
    const moved = await evaluate(elsewhere, { data: flat, onNote });
    expect([explicit.total, moved.total, notes.length]).toEqual([37, 37, 1]);
    const splitFile = join(folder, 'split.json');
    expect((await evaluate(elsewhere, { data: flat, splitFile })).total).toBe(4);
    await writeClasses(flat, { a: 22 });
    await expect(evaluate(join(folder, 'best.safetensors'), { data: flat })).rejects.toMatchObject({
      code: 'INVALID_DATA',
      message: expect.stringMatching(/changed since .* began/),
    });
  });
});
