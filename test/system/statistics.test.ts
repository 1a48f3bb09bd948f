import { expect, it } from 'vitest';
import { intervalOf, median, probabilityOfAtLeast, studentT } from '../../src/system/statistics.js';

it.each([
  [1, 12.7062],
  [2, 4.3027],
  [3, 3.1824],
  [4, 2.7764],
  [9, 2.2622],
  [10, 2.2281],
  [30, 2.0423],
  [99, 1.9842],
])("Student's t with %i degrees of freedom is the tables'", (freedom, value) => {
  expect(studentT(freedom)).toBeCloseTo(value, 4);
});

it.each([
  [0, 10, 0.1, 1],
  [1, 10, 0.1, 1 - 0.9 ** 10],
  [10, 10, 0.5, 2 ** -10],
  [3, 4, 0.5, 5 / 16],
  // By the normal approximation, 1.28155 deviations above the mean: a tenth.
  [100_000 * 0.1 + 1.28155 * Math.sqrt(9000), 100_000, 0.1, 0.1],
])('the binomial tail: P(X ≥ %d) of %d trials with %d', (successes, trials, probability, expected) => {
  expect(probabilityOfAtLeast(successes, trials, probability)).toBeCloseTo(expected, 2);
});

it('an interval is of two values or more, around their mean', () => {
  // Deviation 1, √3 in the denominator.
  const { mean, low, high } = intervalOf([1, 2, 3]) ?? { mean: 0, low: 0, high: 0 };
  expect(mean).toBe(2);
  expect(high - mean).toBeCloseTo(4.3027 / Math.sqrt(3), 4);
  expect(mean - low).toBeCloseTo(high - mean, 12);
  expect(intervalOf([1])).toBeUndefined();
});

it('the median is the middle of the sorted values', () => {
  expect([median([10, 9, 2]), median([4, 1, 3, 2])]).toEqual([9, 2.5]);
});
