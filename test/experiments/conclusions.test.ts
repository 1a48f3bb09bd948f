import { expect, it } from 'vitest';
import { conclusionsOf } from '../../src/experiments/conclusions.js';
import { mean } from '../../src/system/statistics.js';

const row = (label: string, accuracies: (number | null)[], perClass?: number) => {
  const finished = accuracies.filter((accuracy) => accuracy !== null);
  const average = finished.length > 0 ? mean(finished) : null;
  return { label, method: 'fm' as const, accuracies, mean: average, ...(perClass && { perClass }) };
};
/** A network of `with`, which no seed changes. */
const other = (label: string, accuracy: number) => ({ ...row(label, [accuracy, accuracy]), method: null });

// Differences 0.02, 0.01, 0.03: mean 0.02, and 4.3027 × 0.01 / √3 to both sides.
const close = [row('fm', [0.4, 0.42, 0.44]), row('l2t-ww', [0.42, 0.43, 0.47]), row('scratch', [0.1, 0.1, 0.1])];

it.each([
  [
    'three seeds',
    close,
    'l2t-ww is 2.0 points ahead of fm (95 % interval of the 3 paired differences: −0.5 to 4.5): not settled.',
  ],
  [
    'differences that agree',
    [row('at', [0.4, 0.5, 0.6]), row('fm', [0.5, 0.6, 0.701])],
    'fm is 10.0 points ahead of at (95 % interval of the 3 paired differences: 9.9 to 10.2): settled.',
  ],
  [
    'one seed',
    [row('at', [0.4]), row('fm', [0.5])],
    'fm is 10.0 points ahead of at (one seed that both finished): one seed settles nothing.',
  ],
  [
    'equal results',
    [row('at', [0.5]), row('fm', [0.5])],
    'at and fm are equal (one seed that both finished): one seed settles nothing.',
  ],
  [
    'seeds of which no method has both',
    [row('at', [0.4, null]), row('fm', [null, 0.5])],
    'fm and at have no seed that both finished: nothing is settled.',
  ],
  [
    'a mean that is higher for want of the hard seed',
    [row('at', [0.5, 0.6, null]), row('fm', [0.4, 0.5, 0.6])],
    'at is 10.0 points ahead of fm (95 % interval of the 2 paired differences: 10.0 to 10.0): settled.',
  ],
  [
    'a mean that is higher, and behind where both finished',
    [row('at', [null, 0.4, 0.44]), row('fm', [0.1, 0.5, 0.5])],
    'at is 8.0 points behind fm (95 % interval of the 2 paired differences: −33.4 to 17.4): not settled.',
  ],
  [
    'a method and a network that is only tested',
    [row('at', [0.5, 0.52]), other('a.onnx', 0.4)],
    'at is 11.0 points ahead of a.onnx (95 % interval of the 2 paired differences: −1.7 to 23.7): not settled.',
  ],
  [
    'two networks that are only tested, whose difference no seed settles',
    [other('a.onnx', 0.4), other('b.onnx', 0.5)],
    'b.onnx is 10.0 points ahead of a.onnx on these test images.',
  ],
])('of %s', (_, rows, sentence) => {
  expect(conclusionsOf(rows)).toEqual([sentence]);
});

it('nothing of one method, or where the others diverged', () => {
  expect(conclusionsOf([row('fm', [0.5, 0.6])])).toEqual([]);
  expect(conclusionsOf([row('fm', [0.5, 0.6]), row('at', [null, null])])).toEqual([]);
});

it('a sentence for each number of images a class', () => {
  const rows = [row('at', [0.1], 5), row('fm', [0.2], 5), row('at', [0.4], 10), row('fm', [0.3], 10)];
  expect(conclusionsOf(rows)).toEqual([
    'With 5 images a class, fm is 10.0 points ahead of at (one seed that both finished): one seed settles nothing.',
    'With 10 images a class, at is 10.0 points ahead of fm (one seed that both finished): one seed settles nothing.',
  ]);
});
