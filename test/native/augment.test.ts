import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { addon, type RunJob } from '../../src/native/addon.js';
import { programPath } from './program.js';
import { scratch, train } from './tiny.js';

/** torchvision's results (tools/trivial-augment.py). */
const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/trivial-augment/${name}`, import.meta.url));

interface Case {
  readonly operation: string;
  readonly bin: number;
  readonly negative: boolean;
}
const cases: readonly Case[] = JSON.parse(readFileSync(fixture('cases.json'), 'utf8'));
const bytes = 32 * 32 * 3;
const imagesOf = (all: Buffer) =>
  Array.from({ length: all.length / bytes }, (_, k) => all.subarray(k * bytes, (k + 1) * bytes));
const [original, ...expected] = imagesOf(readFileSync(fixture('images.bin'))) as [Buffer, ...Buffer[]];

const words = cases.flatMap(({ operation, bin, negative }) => [operation, String(bin), negative ? '-' : '+']);
const results = imagesOf(execFileSync(programPath('augment'), [fixture('images.bin'), ...words]));

describe("TrivialAugmentWide is torchvision's, byte for byte", () => {
  it.each(cases.map((each, k) => [`${each.operation} ${each.negative ? '−' : ''}${each.bin}`, k] as const))(
    '%s',
    (_, k) => {
      expect(results[k]?.equals(expected[k] as Buffer)).toBe(true);
      // An operation that does nothing would agree, too.
      expect(results[k]?.equals(original)).toBe(cases[k]?.operation === 'Identity');
    },
  );
});

describe('of a run', () => {
  const target = scratch().target;
  /** The loss of the first step, on all images, with the same weights for every seed. */
  const firstLoss = async (augment: RunJob['augment'], seed: number) => {
    const job = scratch({ augment, seed, batch: 16, epochs: 1, targetWeights: addon().initialise(target, 3) });
    return (await train(job)).epochs[0]?.metrics.losses.org as number;
  };

  it('none shows each image whole, whatever the seed; crop-flip and trivial draw', async () => {
    expect(await firstLoss('none', 1)).toBeCloseTo(await firstLoss('none', 2), 5);
    const drawn = [await firstLoss('crop-flip', 1), await firstLoss('crop-flip', 2), await firstLoss('trivial', 1)];
    for (const loss of drawn) expect(Math.abs(loss - (await firstLoss('none', 1)))).toBeGreaterThan(1e-4);
    expect(new Set(drawn).size).toBe(3);
    expect(await firstLoss(undefined, 1)).toBe(drawn[0]);
  });

  it('an unknown augmentation is refused', async () => {
    await expect(train(scratch({ augment: 'flip' as never }))).rejects.toMatchObject({ code: 'INVALID_OPTION' });
  });
});
