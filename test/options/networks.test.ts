import { describe, expect, it } from 'vitest';
import { defaultBatch } from '../../src/options/networks.js';

describe('the batch where no option says', () => {
  it.each([
    [32, 60_000, 128],
    [32, 2048, 128],
    [32, 2047, 64],
    [32, 1024, 64],
    [32, 1023, 32],
    [32, 10, 32],
    [224, 1024, 64],
    [224, 1023, 32],
  ])('of images of %d pixels, %d of them: %d', (size, images, batch) => {
    expect(defaultBatch(size, images)).toBe(batch);
  });
});
