import { describe, expect, it } from 'vitest';
import { countPerClass } from '../../src/datasets/dataset.js';
import { Random } from '../../src/datasets/random.js';
import { splitTrain } from '../../src/datasets/split.js';

/** Three interleaved classes of 40, 25 and 9 images. */
const labels = Int32Array.from({ length: 74 }, (_, image) => (image < 27 ? image % 3 : image < 59 ? image % 2 : 0));
const classNames = ['a', 'b', 'c'];
const base = { seed: 7, hasValidation: false, folder: 'DIR' };
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
    [9, [9, 9, 9], [0, 0, 0]],
    [1, [1, 1, 1], [0, 0, 0]],
  ])('%i a class: too few for validation', (perClass, train, validation) => {
    const split = splitTrain(labels, classNames, { ...base, perClass });
    expect([classesOf(split.train), classesOf(split.validation)]).toEqual([train, validation]);
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

  it('holds nothing out where the data set has validation images', () => {
    const split = splitTrain(labels, classNames, { ...base, hasValidation: true });
    expect([split.train.length, split.validation.length]).toEqual([74, 0]);
  });

  it('names the class that has too few images, its count and the folder', () => {
    expect(() => splitTrain(labels, classNames, { ...base, perClass: 10 })).toThrow(
      /^DIR: class 'c' has 9 .* 10 asked/,
    );
    expect(() => splitTrain(Int32Array.of(0, 1), classNames, base)).toThrow(/class 'c' has 0/);
  });

  it.each([0, -1, 1.5, Number.NaN])('%d is no number of images a class', (perClass) => {
    expect(() => splitTrain(labels, classNames, { ...base, perClass })).toThrow(/whole number/);
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
