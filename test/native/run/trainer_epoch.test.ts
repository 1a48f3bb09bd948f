import { describe, expect, it } from 'vitest';
import { argmax } from '../../../src/inference/logits.js';
import { addon, type EpochEvent, type NamedTensor } from '../../../src/native/addon.js';
import { floats, images, scratch, train } from '../tiny.js';

const validation = images(12, { seed: 2 });
const test = images(20, { seed: 3 });
const job = scratch({ epochs: 12, validation, test });
const metricsOf = (epochs: readonly EpochEvent[]) => epochs.map(({ metrics }) => metrics);

/** The logits of each image by a target's weights. */
async function logitsOf(weights: readonly NamedTensor[], { pixels }: { readonly pixels: Uint8Array }) {
  const [all] = await new (addon().Network)({ ...job, network: job.target, weights }).infer(pixels, false);
  const logits = floats(all);
  return Array.from({ length: logits.length / 4 }, (_, i) => [...logits.subarray(4 * i, 4 * i + 4)]);
}

it('patience ends the run after so many validations that are not better, with the result of the best', async () => {
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
  const logits = await logitsOf(epochs[1]?.network ?? [], test);
  const near = [...test.labels].filter((label, i) => {
    const own = logits[i] as number[];
    return own.filter((logit) => logit > (own[label] as number)).length < 3;
  });
  expect(result.test?.correctTop).toBe(near.length);
  expect(near.length).toBeGreaterThan(result.test?.correct as number);
});

describe('the best epoch', () => {
  it('is the first with the best validation accuracy; its weights are tested', async () => {
    const { epochs, result } = await train({ ...job, epochs: 6 });
    const accuracies = metricsOf(epochs).map(({ validationAccuracy }) => validationAccuracy as number);
    const best = accuracies.indexOf(Math.max(...accuracies));
    expect(result.best).toEqual({ epoch: best, accuracy: accuracies[best] });
    expect(epochs.map(({ best }) => best)).toEqual(
      accuracies.map((a, e) => accuracies.slice(0, e).every((b) => a > b)),
    );
    const predict = async (set: { readonly pixels: Uint8Array }) =>
      Int32Array.from(await logitsOf((epochs[best] as EpochEvent).network, set), (logits) =>
        argmax(Float32Array.from(logits)),
      );
    expect(await predict(test)).toEqual(result.test?.predictions);
    const right = (await predict(validation)).filter((label, i) => label === validation.labels[i]).length;
    expect(right / validation.labels.length).toBe(accuracies[best]);
  });

  it('is the last where it is not wanted, which is validated all the same', async () => {
    const six = { ...job, epochs: 6 };
    const [selected, kept] = [await train(six), await train({ ...six, selectBest: false })];
    // Else the two would be the same.
    expect(selected.result.best?.epoch).toBeLessThan(5);
    expect(metricsOf(kept.epochs)).toEqual(metricsOf(selected.epochs));
    expect(kept.epochs.every(({ best }) => best)).toBe(true);
    const { metrics, state, network } = kept.epochs.at(-1) as EpochEvent;
    expect(kept.result.best).toEqual({ epoch: 5, accuracy: metrics.validationAccuracy });
    const resumed = await train({ ...six, selectBest: false, resume: { state, best: network } });
    expect(resumed.result).toEqual(kept.result);
  });

  it('is the last without validation images', async () => {
    const { epochs, result } = await train(scratch({ epochs: 3, test }));
    expect(epochs.map(({ best }) => best)).toEqual([true, true, true]);
    expect(result.best).toEqual({ epoch: 2 });
    expect(result.test?.total).toBe(20);
  });
});
