import { describe, expect, it } from 'vitest';
import { addon } from '../../../src/native/addon.js';
import { type RunJob, scratch, train } from '../tiny.js';

describe('the augmentation of a run', () => {
  const target = scratch().target;
  /** The loss of the first step, on all images, with the same weights for every seed. */
  const firstLoss = async (augment: RunJob['augment'], seed: number) => {
    const job = scratch({ augment, seed, batch: 16, epochs: 1, targetWeights: addon().initialise(target, 3) });
    return (await train(job)).epochs[0]?.metrics.losses.org as number;
  };

  it('none shows each image whole, whatever the seed; crop-flip draws', async () => {
    expect(await firstLoss('none', 1)).toBeCloseTo(await firstLoss('none', 2), 5);
    const drawn = [await firstLoss('crop-flip', 1), await firstLoss('crop-flip', 2)];
    for (const loss of drawn) expect(Math.abs(loss - (await firstLoss('none', 1)))).toBeGreaterThan(1e-4);
    expect(new Set(drawn).size).toBe(2);
  });
});
