import { describe, expect, it } from 'vitest';
import { addon, type EpochEvent } from '../../src/native/addon.js';
import { floats, images, type RunJob, scratch, train } from './tiny.js';

const job: RunJob = scratch({
  epochs: 12,
  validation: images(12, { seed: 2 }),
  test: images(20, { seed: 3 }),
});
const metricsOf = (epochs: readonly EpochEvent[]) => epochs.map(({ metrics }) => metrics);

describe('patience', () => {
  it('ends the run after so many validations that are not better, with the result of the best', async () => {
    const all = await train(job);
    const accuracies = metricsOf(all.epochs).map(({ validationAccuracy }) => validationAccuracy as number);
    const bestOf = (count: number) => accuracies.indexOf(Math.max(...accuracies.slice(0, count)));
    const end = accuracies.findIndex((_, epoch) => epoch - bestOf(epoch + 1) === 3) + 1;
    expect(end, 'else nothing is tested').toBeGreaterThan(0);
    expect(end).toBeLessThan(12);

    const { epochs, result } = await train({ ...job, patience: 3 });
    expect(metricsOf(epochs)).toEqual(metricsOf(all.epochs.slice(0, end)));
    expect(result).toMatchObject({ stopped: false, epochs: end, best: { epoch: bestOf(end) } });
    expect(result.test?.total).toBe(20);

    // Its last state is its end: a resume trains no further.
    const [last, best] = [epochs.at(-1), epochs[bestOf(end)]] as [EpochEvent, EpochEvent];
    const resumed = await train({ ...job, patience: 3, resume: { state: last.state, best: best.network } });
    expect(resumed).toMatchObject({ events: [], result });
    // Resumed on the way, it waits no longer than without the interruption.
    const early = epochs.at(-2) as EpochEvent;
    const rest = await train({ ...job, patience: 3, resume: { state: early.state, best: best.network } });
    expect(metricsOf(rest.epochs)).toEqual([last.metrics]);
    expect(rest.result).toEqual(result);
  });

  it('counts validations, not epochs', async () => {
    const { epochs, result } = await train({ ...job, epochs: 40, evalEvery: 3, patience: 2 });
    expect(result.epochs).toBeLessThan(40);
    expect(result.epochs - 1 - (result.best?.epoch as number)).toBe(6);
    expect(epochs).toHaveLength(result.epochs);
  });
});

it('validates every n-th epoch and the last, and trains the same', async () => {
  const [every, some] = [await train(job), await train({ ...job, epochs: 12, evalEvery: 5 })];
  const validated = metricsOf(some.epochs).flatMap(({ epoch, validationAccuracy }) =>
    validationAccuracy === undefined ? [] : [epoch],
  );
  expect(validated).toEqual([4, 9, 11]);
  expect(metricsOf(some.epochs).map(({ losses }) => losses)).toEqual(
    metricsOf(every.epochs).map(({ losses }) => losses),
  );
  // Until an epoch is validated the last is the best, so that there is one at any time.
  expect(some.epochs.slice(0, 5).map(({ best }) => best)).toEqual([true, true, true, true, true]);
  expect(validated).toContain(some.result.best?.epoch);
});

it('counts the test images whose class is among the K likeliest', async () => {
  const { epochs, result } = await train({ ...job, epochs: 2, top: 3, selectBest: false });
  const network = new (addon().Network)({
    ...job,
    network: job.target,
    weights: epochs[1]?.network ?? [],
  });
  const test = job.test as { readonly pixels: Uint8Array; readonly labels: Int32Array };
  const logits = floats((await network.infer(test.pixels, false))[0]);
  const near = [...test.labels].filter((label, i) => {
    const own = [...logits.subarray(4 * i, 4 * i + 4)];
    return own.filter((logit) => logit > (own[label] as number)).length < 3;
  });
  expect(result.test?.correctTop).toBe(near.length);
  expect(near.length).toBeGreaterThan(result.test?.correct as number);
});
