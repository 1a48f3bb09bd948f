import { describe, expect, it } from 'vitest';
import { countPerClass, type Dataset, imageFiles, selectClasses } from '../../src/data/dataset.js';
import { Random } from '../../src/data/random.js';
import { countHeldOut, splitTrain, withTest } from '../../src/data/split.js';

/** Three interleaved classes of 40, 25 and 9 images. */
const labels = Int32Array.from({ length: 74 }, (_, image) => (image < 27 ? image % 3 : image < 59 ? image % 2 : 0));
const classNames = ['a', 'b', 'c'];
const base = { seed: 7, validation: 0.1, folder: 'DIR' };
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

  it.each([0, -1, 1.5, Number.NaN])('%d is no number of images a class', (perClass) => {
    expect(() => splitTrain(labels, classNames, { ...base, perClass })).toThrow(/whole number/);
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

describe('Random', () => {
  it('is SplitMix64', () => {
    // The reference implementation's first numbers for seed 1234567.
    const random = new Random(1234567);
    expect([random.next(), random.next(), random.next()]).toEqual([
      6457827717110365317n,
      3203168211198807973n,
      9817491932198370423n,
    ]);
  });

  it('below(n) gives every value, and shuffling every order, about equally often', () => {
    const random = new Random(0);
    const orders = new Map<string, number>();
    for (let draw = 0; draw < 6000; draw++) {
      const values = [0, 1, 2];
      random.shuffle(values);
      orders.set(values.join(''), (orders.get(values.join('')) ?? 0) + 1);
    }
    expect(orders.size).toBe(6);
    for (const count of orders.values()) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });

  it.each([-1, 0.5, 2 ** 53, Number.NaN])('refuses seed %d', (seed) => {
    expect(() => new Random(seed)).toThrow(/seed/);
  });
});
