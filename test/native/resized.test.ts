import { expect, test } from 'vitest';
import { measured } from './program.js';

/** Sides of the source's maps that an iteration from a ResNet-34 to a ResNet-18 at 224 pixels resizes, each once. */
const resizedSides = (method: string, engine = 'native', convolution = 'auto') =>
  [...new Set(measured('resized', method, engine, convolution) as number[])].sort((a, b) => b - a);

// The target's maps have sides of 56, 28, 14 and 7; at the last two the direct form is cheaper.
test("the largest of the target's maps is matched without a map of its size", () => {
  // 28: the source's map of 56×56 alone, which is reduced before it is matched there.
  expect(resizedSides('fm')).toEqual([28, 14, 7]);
  expect((measured('resized', 'fm', 'native', 'auto') as number[]).filter((side) => side === 28)).toHaveLength(1);
});

test.each([
  ['at', 'native', 'auto'],
  ['fm', 'native', 'direct'],
  ['fm', 'autograd', 'auto'],
])('%s by the %s engine with convolution %s reads all of them', (method, engine, convolution) => {
  expect(resizedSides(method, engine, convolution)).toEqual([56, 28, 14, 7]);
});
