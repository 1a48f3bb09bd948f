import { describe, expect, it } from 'vitest';
import type { NativeEvent, StepEvent } from '../../../src/native/addon.js';
import { newRun, type RunJob, scratch, stepsOf, tinyJob, train } from '../tiny.js';

describe('trying learning rates', () => {
  const tryRates = async (job: RunJob, rates: readonly number[]) => {
    const events: NativeEvent[] = [];
    const run = newRun(job, (event) => events.push(event));
    await run.tryRates(rates);
    expect(events.every(({ type }) => type === 'step')).toBe(true);
    return stepsOf(events);
  };

  it.each([
    ['scratch', scratch],
    ['l2t-ww, whose meta-networks stay', () => tinyJob({ settings: { metaLr: 0, metaWeightDecay: 0 } })],
  ])('takes the real steps of training: %s', async (_, job) => {
    const losses = (steps: readonly StepEvent[]) => steps.map((step) => step.losses);
    const trained = stepsOf((await train(job())).events).slice(0, 4);
    expect(losses(await tryRates(job(), Array(4).fill(0.05)))).toEqual(losses(trained));
  });

  it('goes through the epochs for as long as there are rates, and takes each', async () => {
    const steps = await tryRates(scratch(), [1e-9, 1e-9, 1e-9, 1e-9, 0.5, 0.5, 1e-9, 1e-9, 1e-9]);
    expect(steps.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const still = await tryRates(scratch(), Array(9).fill(1e-9));
    expect(steps.slice(0, 5).map(({ losses }) => losses.org)).toEqual(
      still.slice(0, 5).map(({ losses }) => losses.org),
    );
    expect(steps[6]?.losses.org).not.toBeCloseTo(still[6]?.losses.org as number, 3);
  });

  it('ends at an infinite loss, and refuses what is no rate', async () => {
    const steps = await tryRates(scratch(), [1e-3, 1e30, 1e30, 1e30, 1e-3, 1e-3, 1e-3, 1e-3]);
    expect(steps.at(-1)?.losses.org).toBe(Number.POSITIVE_INFINITY);
    expect(steps.length).toBeLessThan(8);
    for (const rates of [[], [0], [Number.NaN], ['0.1']]) {
      await expect(tryRates(scratch(), rates as number[])).rejects.toMatchObject({ code: 'INVALID_OPTION' });
    }
  });

  it('a list of four billion holes is refused at its first', async () => {
    const rates: number[] = [];
    rates.length = 2 ** 32 - 1;
    await expect(tryRates(scratch(), rates)).rejects.toMatchObject({ code: 'INVALID_OPTION' });
  });
});
