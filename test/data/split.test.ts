import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { countPerClass, type Dataset, imageFiles, selectClasses } from '../../src/data/dataset.js';
import { countHeldOut, splitTrain, withTest } from '../../src/data/split.js';
import { evaluate, transfer } from '../../src/index.js';
import { temporaryFolder } from '../tiny.js';
import { writeClasses } from './generate.js';

/** Three interleaved classes of 40, 25 and 9 images. */
const labels = Int32Array.from({ length: 74 }, (_, image) => (image < 27 ? image % 3 : image < 59 ? image % 2 : 0));
const classNames = ['a', 'b', 'c'];
const base = { seed: 7, validation: 0.1, data: 'DIR' };
const classesOf = (indices: Int32Array) =>
  countPerClass(
    indices.map((image) => labels[image] as number),
    3,
  );

describe('splitTrain', () => {
  it('holds out a tenth of each class, rounded down; the parts are disjoint and complete', () => {
    expect(countPerClass(labels, 3)).toEqual([40, 25, 9]);
    const { train, validation } = splitTrain(labels, classNames, base);
    expect(classesOf(validation)).toEqual([4, 2, 0]);
    expect([...train, ...validation].sort((a, b) => a - b)).toEqual([...labels.keys()]);
  });

  it('is the same on every machine, for each seed another', () => {
    expect([...splitTrain(labels, classNames, base).validation]).toEqual([38, 49, 55, 63, 71, 73]);
    expect(splitTrain(labels, classNames, base)).toEqual(splitTrain(labels, classNames, base));
    expect(splitTrain(labels, classNames, { ...base, seed: 8 })).not.toEqual(splitTrain(labels, classNames, base));
  });

  it.each([
    [{ perClass: 9 }, [9, 9, 9], [0, 0, 0]],
    [{ perClass: 9, validation: 2 }, [7, 7, 7], [2, 2, 2]],
    [{ validation: 2 }, [38, 23, 7], [2, 2, 2]],
    [{ validation: 0.5 }, [20, 13, 5], [20, 12, 4]],
    [{ validation: 0 }, [40, 25, 9], [0, 0, 0]],
  ])('%j', (given, train, validation) => {
    const split = splitTrain(labels, classNames, { ...base, ...given });
    expect([classesOf(split.train), classesOf(split.validation)]).toEqual([train, validation]);
  });

  it('holds out a fraction rounded down, whatever floating point makes of the product', () => {
    const counts = Array.from({ length: 3000 }, (_, images) => images);
    expect(counts.map((images) => countHeldOut(0.1, images))).toEqual(counts.map((images) => Math.floor(images / 10)));
    expect(0.29 * 100).toBeLessThan(29);
    expect(countHeldOut(0.29, 100)).toBe(29);
  });

  it('draws N a class, a tenth of them for validation, the same ones whatever N is', () => {
    const two = ['a', 'b'];
    const ofTwo = labels.filter((label) => label < 2);
    const drawn = (perClass: number) => {
      const { train, validation } = splitTrain(ofTwo, two, { ...base, perClass });
      expect([train.length, validation.length]).toEqual([
        2 * (perClass - Math.floor(perClass / 10)),
        2 * Math.floor(perClass / 10),
      ]);
      return [...train, ...validation];
    };
    const twenty = new Set(drawn(20));
    expect(twenty.size).toBe(40);
    expect(drawn(10).every((image) => twenty.has(image))).toBe(true);
  });

  it('names the class that has too few images, its count and the folder', () => {
    expect(() => splitTrain(labels, classNames, { ...base, perClass: 10 })).toThrow(
      /^DIR: class 'c' has 9 .* 10 asked/,
    );
    expect(() => splitTrain(Int32Array.of(0, 1), classNames, base)).toThrow(/class 'c' has 0/);
    expect(() => splitTrain(labels, classNames, { ...base, validation: 9 })).toThrow(
      /^DIR: validation: 9 leaves nothing to train on of class 'c', which has 9 images/,
    );
  });
});

describe('withTest', () => {
  const dataset: Dataset = {
    layout: 'folder',
    folder: 'DIR',
    flat: true,
    classNames,
    folds: [],
    warnings: [],
    train: imageFiles('DIR', Array(74).fill('x'), labels),
    validation: undefined,
    test: undefined,
  };
  const places = (list: Dataset['train']) => Array.from({ length: list?.count ?? 0 }, (_, k) => list?.position(k));

  it('keeps a tenth of each class from training, at least one image, whichever classes are chosen afterwards', () => {
    const { train, test, testDrawn } = withTest(dataset);
    expect([countPerClass(test?.labels as Int32Array, 3), testDrawn]).toEqual([[4, 2, 1], true]);
    expect([...places(train), ...places(test)].sort((a, b) => Number(a) - Number(b))).toEqual([...labels.keys()]);
    const chosen = selectClasses(withTest(dataset), [2, 0]);
    expect(places(chosen.test)).toEqual(places(test).filter((place) => labels[Number(place)] !== 1));
  });

  it('draws the same ones on every machine', () => {
    expect(places(withTest(dataset).test)).toEqual([1, 11, 37, 44, 54, 59, 73]);
  });

  it('leaves a data set its own test images', () => {
    const own = { ...dataset, test: dataset.train };
    expect(withTest(own)).toBe(own);
  });
});

describe('data without test images', () => {
  const options = { method: 'scratch', target: 'vgg9_bn', width: 0.0625, epochs: 1, batch: 6, threads: 1 } as const;
  const out = () => join(temporaryFolder(), 'run');
  const splitOf = (run: string): string => readFileSync(join(run, 'split.json'), 'utf8');
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
