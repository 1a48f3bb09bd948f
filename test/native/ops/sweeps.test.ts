import { describe, expect, test } from 'vitest';
import { emulated, measured } from '../program.js';

/** Relative error of each of an operation's four sweeps. */
interface Errors {
  readonly forward: number;
  readonly backward: number;
  readonly tangent: number;
  /** Absent of a loss that needs no more than its gradient. */
  readonly tangentBackward?: number;
}

/** batch, channels in, channels out, side, kernel, stride, padding (0 where the operation has none). */
type Shape = readonly [number, number, number, number, number, number, number];

// Odd shapes on purpose: no channel count is a multiple of 16.
const cases: readonly [operation: string, shape: Shape][] = [
  ['conv2d', [2, 3, 5, 7, 3, 1, 1]],
  ['conv2d', [3, 4, 17, 9, 3, 2, 1]],
  ['conv2d', [1, 5, 3, 6, 1, 2, 0]],
  ['conv2d', [2, 3, 6, 11, 7, 2, 3]],
  ['conv2d with bias', [2, 3, 5, 7, 3, 1, 1]],
  ['depthwise conv2d', [2, 5, 5, 7, 3, 1, 1]],
  ['depthwise conv2d', [3, 19, 19, 8, 3, 2, 1]],
  // Two channels out of each channel in.
  ['depthwise conv2d', [2, 3, 6, 1, 3, 1, 1]],
  ['batch_norm', [3, 5, 0, 4, 0, 0, 0]],
  ['batch_norm', [1, 17, 0, 3, 0, 0, 0]],
  ['relu', [2, 3, 0, 5, 0, 0, 0]],
  ['relu6', [2, 3, 0, 5, 0, 0, 0]],
  ['add', [2, 3, 0, 5, 0, 0, 0]],
  ['padded_shortcut', [2, 4, 8, 6, 0, 2, 0]],
  ['padded_shortcut', [3, 5, 10, 7, 0, 2, 0]],
  ['padded_shortcut', [1, 3, 3, 1, 0, 2, 0]],
  ['max_pool', [2, 3, 0, 8, 2, 2, 0]],
  ['max_pool', [1, 5, 0, 9, 3, 2, 1]],
  ['avg_pool', [2, 3, 0, 5, 0, 0, 0]],
  // Bins that overlap, that repeat, and that are whole.
  ['adaptive_avg_pool', [2, 3, 7, 10, 0, 0, 0]],
  ['adaptive_avg_pool', [2, 3, 7, 1, 0, 0, 0]],
  ['adaptive_avg_pool', [1, 5, 7, 14, 0, 0, 0]],
  ['flatten', [2, 3, 0, 4, 0, 0, 0]],
  ['flatten', [2, 3, 0, 1, 0, 0, 0]],
  ['flatten', [0, 3, 0, 4, 0, 0, 0]],
  ['linear', [3, 7, 5, 0, 0, 0, 0]],
  ['linear', [1, 1, 1, 0, 0, 0, 0]],
  ['cross_entropy', [4, 6, 0, 0, 0, 0, 0]],
  ['weighted cross_entropy', [4, 6, 0, 0, 0, 0, 0]],
  ['matching_loss', [3, 5, 7, 4, 0, 0, 0]],
  ['attention_loss', [3, 5, 7, 4, 0, 0, 0]],
  ['attention_loss', [1, 1, 3, 1, 0, 0, 0]],
  ['distillation_loss', [3, 5, 7, 4, 0, 0, 0]],
  ['distillation_loss', [1, 3, 2, 1, 0, 0, 0]],
  ['kd_loss', [3, 0, 7, 0, 0, 0, 0]],
  ['sp_loss', [5, 5, 7, 4, 0, 0, 0]],
  ['vid_loss', [3, 5, 7, 4, 0, 0, 0]],
  // Form 0: F(4×4), 1: 2×2 maps, 2: patches; then 0: nothing, 1: ReLU, 2: ReLU and max-pool, 3: a residual and ReLU.
  ['unit', [2, 9, 19, 7, 3, 1, 1]],
  ['unit with relu', [3, 17, 18, 4, 3, 1, 1]],
  ['unit with max_pool', [2, 16, 32, 10, 3, 1, 1]],
  ['unit with residual', [2, 18, 19, 6, 3, 1, 1]],
  ['unit with relu', [3, 9, 18, 2, 3, 1, 1]],
  ['unit with max_pool', [4, 16, 33, 2, 3, 1, 1]],
  // Few channels, and strides: no transform.
  ['unit', [2, 3, 19, 9, 3, 1, 1]],
  ['unit with max_pool', [2, 3, 16, 8, 3, 1, 1]],
  ['unit with relu', [2, 3, 17, 15, 7, 2, 3]],
  ['unit with residual', [2, 18, 19, 10, 3, 2, 1]],
  ['unit', [3, 17, 20, 9, 1, 2, 0]],
  ['unit', [2, 10, 12, 8, 1, 2, 0]],
  ['unit with residual', [2, 20, 9, 5, 1, 1, 0]],
  // Many weights: the products of all images, one after the other.
  ['unit with residual', [2, 96, 130, 6, 3, 1, 1]],
  ['unit with max_pool', [3, 256, 200, 2, 3, 1, 1]],
  ['fused matching_loss', [3, 5, 7, 4, 0, 0, 0]],
  ['fused matching_loss', [2, 19, 33, 17, 0, 0, 0]],
  // Then the sides of the source's maps: smaller than the target's, equal, and larger.
  ['gram matching_loss', [3, 5, 7, 9, 4, 9, 13]],
  ['gram matching_loss', [2, 19, 33, 17, 1, 2, 16]],
  ['gram matching_loss', [2, 1, 1, 5, 3, 0, 0]],
  ['gram matching_loss', [2, 16, 32, 12, 6, 6, 12]],
  ['gram matching_loss', [1, 3, 2, 1, 1, 2, 0]],
  // A rank may have no images.
  ['gram matching_loss', [0, 5, 7, 9, 4, 9, 13]],
];

// Under an emulator only what the CPU's own kernels compute: LibTorch's operations are tested elsewhere.
const checked = cases.filter(([operation]) => !emulated || /^(unit|fused|gram)\b/.test(operation));

describe.each(checked)('%s %j', (operation, shape) => {
  const { autograd, float32, difference } = measured('sweeps', operation, ...shape.map(String)) as {
    autograd: Errors;
    float32: Errors;
    difference: number;
  };

  test('each sweep is what automatic differentiation gives, float64', () => {
    for (const error of Object.values(autograd)) expect(error).toBeLessThan(1e-10);
  });

  test('each sweep in float32 is itself in float64, to rounding', () => {
    // The tangent of a loss is one number, a sum that cancels.
    for (const error of Object.values(float32)) expect(error).toBeLessThan(3e-5);
  });

  test('the tangent is the central difference', () => {
    // A step of 1e-6 leaves 1e-12 of curvature and 1e-10 of rounding.
    // The tangent of a loss is a sum that cancels, so its rounding counts for more: 2e-8 on ARM, 5e-9 on x64.
    expect(difference).toBeLessThan(emulated && operation.endsWith('_loss') ? 1e-7 : 1e-8);
  });
});
