import { expect, test } from 'vitest';
import { measured } from './program.js';

const { calls, results, launches, kept, resize, fits } = measured('steps') as {
  calls: string[][];
  results: number[];
  launches: number;
  kept: boolean;
  resize: { most: number; part: number }[];
  fits: number[];
};

test('a step warms up three times, is captured once at each shape, and from then on is only replayed', () => {
  const warmUp = (images: number) => [`copy in ${images}`, 'warm up'];
  expect(calls).toEqual([
    ...[warmUp(4), warmUp(4), warmUp(2), warmUp(4)],
    ['copy in 4', 'capture 0', 'replay 0'],
    ['copy in 4', 'replay 0'],
    ...[warmUp(2), warmUp(2)],
    ['copy in 2', 'capture 1', 'replay 1'],
    ['reset'],
  ]);
});

test('with graphs every step gives what the work itself gives, in the same tensors', () => {
  expect(results).toEqual([4, 4, 2, 4, 4, 4, 2, 2, 2].map((images, step) => images * step));
  expect(kept).toBe(true);
  expect(launches).toBe(2);
});

test("bytes resized as floats, as on a GPU, are the CPU's or rarely one off", () => {
  expect(resize).toHaveLength(4);
  for (const { most, part } of resize) {
    expect(most).toBeLessThanOrEqual(1);
    expect(part).toBeLessThan(0.02);
  }
});

test('the batch that fits is estimated from a smaller one, on the safe side', () => {
  // 50 images take 60 bytes, so 100 bytes are enough for 83; 47 take 57, for 82. Of 4 not even 2 fit.
  expect(fits).toEqual([83, 82, 0]);
});
