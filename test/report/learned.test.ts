import { describe, expect, it } from 'vitest';
import type { PairMetrics } from '../../src/native/addon.js';
import { learnedOf } from '../../src/report/learned.js';
import type { RunData } from '../../src/store/run-data.js';

type Run = Parameters<typeof learnedOf>[0];

/** Feature 8 has 64 channels, feature 5 has 32. */
const first = { path: 'nets/big.pth', network: 'resnet20', width: 1, size: 32 };
const second = { ...first, path: 'runs/svhn/best.safetensors' };

/** A pair by its λ at the start and at the end, and by the part of its entropy of w that is lost. */
const pair = (
  m: 5 | 8,
  n: number,
  { lambda, lost, source = 0 }: { lambda?: readonly [number, number]; lost?: number; source?: number },
): PairMetrics => ({
  source,
  pair: [m, n],
  ...(lambda && { lambdaStart: lambda[0], lambdaMean: lambda[1], lambdaStd: 0.1 }),
  ...(lost !== undefined && { weightEntropy: (1 - lost) * Math.log(m === 8 ? 64 : 32) }),
});

function learned(pairs: readonly PairMetrics[], { sources = [first], metaLr = 1e-4 } = {}) {
  const epoch = { epoch: 0, pairs } as unknown as RunData['metrics'][0];
  return learnedOf({ record: { spec: { sources, metaLr } }, metrics: [epoch] } as unknown as Run);
}

describe('what the meta-networks learned', () => {
  it.each([
    [
      'they hardly moved',
      [pair(8, 3, { lambda: [1, 1.09], lost: 0.01 }), pair(5, 1, { lambda: [0.05, 0], lost: 0.002 })],
      'The meta-networks hardly moved (λ changed by at most 0.09, the entropy of w is at most 1.0 % below that of equal weights): this run says nothing about what or where to transfer.',
      { lambdaChange: 0.09, zeroPairs: 0, entropyLost: 0.01, means: false },
    ],
    [
      'pairs went to 0, and another rose',
      [
        pair(8, 3, { lambda: [1, 2.31], lost: 0.4 }),
        pair(8, 4, { lambda: [1.5, 0], lost: 0.02 }),
        pair(5, 1, { lambda: [0.2, 0], lost: 0 }),
      ],
      'λ of 1 of 3 pairs went to 0, and that of pair 8-3 rose most, from 1.00 to 2.31; w of pair 8-3 is furthest from equal weights, with an entropy 40.0 % below theirs.',
      { lambdaChange: 1.5, zeroPairs: 1, entropyLost: 0.4, means: true },
    ],
    [
      'λ alone is learned: all pairs went to 0',
      [pair(8, 3, { lambda: [1, 0.002] }), pair(5, 1, { lambda: [2, 0] })],
      'λ of 2 of 2 pairs went to 0.',
      { lambdaChange: 2, zeroPairs: 2, means: true },
    ],
    [
      'λ alone is learned: it fell',
      [pair(8, 3, { lambda: [1, 1.1] }), pair(5, 1, { lambda: [1.5, 0.5] })],
      'λ of pair 5-1 changed most, from 1.50 to 0.50.',
      { lambdaChange: 1, zeroPairs: 0, means: true },
    ],
    [
      'λ moved, but less than the starts differ',
      [pair(8, 3, { lambda: [0.5, 0.4] }), pair(5, 1, { lambda: [2.5, 1.8] })],
      'λ of pair 5-1 changed most, from 2.50 to 1.80, but the pairs differ more by their start than by what was learned.',
      { lambdaChange: 0.7, zeroPairs: 0, means: true },
    ],
    [
      'λ alone is learned: it hardly moved',
      [pair(8, 3, { lambda: [1, 1.1] })],
      'The meta-networks hardly moved (λ changed by at most 0.10): this run says nothing about where to transfer.',
      { means: false },
    ],
    [
      'w alone is learned: it moved',
      [pair(8, 3, { lost: 0.06 }), pair(5, 1, { lost: 0.3 })],
      'w of pair 5-1 is furthest from equal weights, with an entropy 30.0 % below theirs.',
      { entropyLost: 0.3, means: true },
    ],
    [
      'w alone is learned: it hardly moved',
      [pair(8, 3, { lost: 0.004 })],
      'The meta-networks hardly moved (the entropy of w is at most 0.4 % below that of equal weights): this run says nothing about what to transfer.',
      { means: false },
    ],
    [
      'w moved, and λ did not',
      [pair(8, 3, { lambda: [1, 1.1], lost: 0.3 })],
      'λ changed by at most 0.10; w of pair 8-3 is furthest from equal weights, with an entropy 30.0 % below theirs.',
      { means: true },
    ],
  ])('%s', (_, pairs, sentence, numbers) => {
    const found = learned(pairs);
    expect(found).toMatchObject({ pairs: pairs.length, sentence });
    for (const [name, value] of Object.entries(numbers)) {
      const expected = typeof value === 'number' ? expect.closeTo(value, 9) : value;
      expect(found).toHaveProperty(name, expected);
    }
    expect(found).toHaveProperty('means', !sentence.includes('hardly moved'));
    expect([found?.lambdaChange === undefined, found?.zeroPairs === undefined]).toEqual(
      Array(2).fill(pairs[0]?.lambdaMean === undefined),
    );
  });

  it('names the source of a pair where there are several', () => {
    const pairs = [pair(8, 3, { lambda: [1, 1.1] }), pair(5, 1, { lambda: [1, 3], lost: 0.3, source: 1 })];
    expect(learned(pairs, { sources: [first, second] })?.sentence).toBe(
      'λ of pair 5-1 of svhn/best.safetensors changed most, from 1.00 to 3.00; w of pair 5-1 of svhn/best.safetensors is furthest from equal weights, with an entropy 30.0 % below theirs.',
    );
  });

  it('is nothing where they were kept as they were, whatever they began with', () => {
    const kept = learned([pair(8, 3, { lambda: [1, 1], lost: 0.5 })], { metaLr: 0 });
    expect(kept).toMatchObject({ means: false, sentence: 'The meta-networks were kept as they were.' });
  });

  it('is undefined without meta-networks, and before the first epoch', () => {
    expect(learned([pair(8, 3, {})])).toBeUndefined();
    expect(learned([])).toBeUndefined();
  });
});
