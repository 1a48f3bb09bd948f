import { describe, expect, it } from 'vitest';
import { transfer } from '../../src/index.js';
import { guessing, isAtChance, isLookedAt } from '../../src/run/chance.js';
import { eventsOf, warningsOf } from '../outcomes.js';
import { newPath, tinyData, tinyOptions } from '../tiny.js';

describe('a network that only guesses', () => {
  it('names the most frequent class, and its loss is the entropy of the shares', () => {
    const { accuracy, loss } = guessing(Int32Array.of(0, 0, 1, 2), 3);
    expect(accuracy).toBe(0.5);
    expect(loss).toBeCloseTo(1.5 * Math.log(2), 12);
  });

  it('loses as the training loss counts: each class alike with --balance, a share of each with --label-smoothing', () => {
    const labels = Int32Array.of(0, 0, 0, 1);
    const balanced = guessing(labels, 3, { balance: true });
    expect(balanced).toEqual({ accuracy: undefined, loss: expect.closeTo(Math.log(2), 12) });
    const learning = { trainAccuracy: 0.6, losses: { org: 0.56 } };
    expect([isAtChance(learning, 4, balanced), isAtChance(learning, 4, guessing(labels, 3))]).toEqual([false, true]);
    // 0.1 of each label goes to all three classes alike.
    const [a, b, c] = [0.9 * 0.75 + 0.1 / 3, 0.9 * 0.25 + 0.1 / 3, 0.1 / 3];
    const entropy = -(a * Math.log(a) + b * Math.log(b) + c * Math.log(c));
    expect(guessing(labels, 3, { labelSmoothing: 0.1 }).loss).toBeCloseTo(entropy, 12);
  });

  const chance = { accuracy: 0.1, loss: Math.log(10) };
  it.each([
    ['neither better', 0.1, 2.3, true],
    ['by luck a little better', 0.118, 2.29, true],
    ['more right than by chance', 0.14, 2.29, false],
    ['a lower loss', 0.1, 2.2, false],
    ['a loss that only rose', 0.1, 5, true],
  ])('of 500 images: %s', (_, trainAccuracy, org, expected) => {
    expect(isAtChance({ trainAccuracy, losses: { org } }, 500, chance)).toBe(expected);
  });

  it('is looked for once: after a tenth of the steps, and 50', () => {
    const looked = (epochs: number, steps: number) =>
      [...Array(epochs).keys()].filter((epoch) => isLookedAt(epoch, { epochs, steps }));
    expect(looked(200, 4)).toEqual([19]);
    expect(looked(20, 4)).toEqual([12]);
    expect(looked(3, 1000)).toEqual([0]);
    expect(looked(3, 4)).toEqual([]);
  });
});

describe('a run', { timeout: 120_000 }, () => {
  const warnings = async (lr: number) => {
    const given = { ...tinyOptions, pairs: undefined, method: 'scratch', batch: 3, epochs: 6, lr } as const;
    const events = await eventsOf(transfer({ ...given, data: tinyData(), out: newPath() }));
    return warningsOf(events).filter((message) => message.startsWith('nothing is learned'));
  };

  it('that learns nothing says so once, and what to try', async () => {
    expect(await warnings(1e-9)).toEqual([expect.stringMatching(/guessing gets 33\.3 %.*lr: 'auto', or a lower lr/)]);
  });

  it('that learns says nothing', async () => {
    expect(await warnings(0.02)).toEqual([]);
  });
});
