import { expect, it } from 'vitest';
import type { EpochEvent } from '../../../src/native/addon.js';
import { digest, images, type Recorded, tinyJob, train } from '../tiny.js';

const stepsOf = ({ events }: Recorded) => events.filter((event) => event.type === 'step');
const phiOf = ({ state }: EpochEvent) => digest(state.filter(({ name }) => name.startsWith('phi/')));

/** θ hardly moves, so the meta-objective is the cross-entropy of what judges φ, before its own step. */
const still = { lr: 1e-9, settings: { momentum: 0, weightDecay: 0 }, train: images(18) } as const;

it('metaBatch other: the next batch of the epoch judges φ, and after the last the first', async () => {
  const steps = stepsOf(await train(tinyJob({ ...still, metaBatch: 'other' })));
  // Batches of 4, 4, 4, 4 and 2 images, in two epochs.
  expect(steps.length).toBe(10);
  steps.forEach(({ epoch, step, metaObjective }) => {
    const next = steps.find((other) => other.epoch === epoch && other.step === (step % 5) + 1);
    expect(metaObjective).toBeCloseTo(next?.losses.org as number, 5);
  });
});

it('metaBatch same, or one batch an epoch: the batch itself judges φ', async () => {
  for (const job of [tinyJob(still), tinyJob({ ...still, metaBatch: 'other', batch: 18 })]) {
    for (const { losses, metaObjective } of stepsOf(await train(job))) expect(metaObjective).toBeCloseTo(losses.org, 5);
  }
});

it('metaEvery 3: φ moves in the steps 0, 3, 6, … of the run alone, and the metrics are means over these', async () => {
  const settings = { metaEvery: 3, metaLr: 0.05 };
  const recorded = await train(tinyJob({ settings }));
  const moves = stepsOf(recorded).map(({ metaObjective }) => metaObjective);
  // Two epochs of 4 steps.
  expect(moves.map((objective) => objective !== undefined)).toEqual(
    [true, false, false, true, false, false, true, false], // 0, 3 and 6
  );
  const [first, second] = recorded.epochs as [EpochEvent, EpochEvent];
  expect(first.metrics.metaObjective).toBeCloseTo(((moves[0] as number) + (moves[3] as number)) / 2, 10);
  expect(second.metrics.metaObjective).toBeCloseTo(moves[6] as number, 10);
  expect(phiOf(second)).not.toBe(phiOf(first));
});

it('metaEvery: an epoch without a step that moves φ leaves φ alone and has no meta-objective', async () => {
  const { epochs } = await train(tinyJob({ settings: { metaEvery: 100 } }));
  const [first, second] = epochs as [EpochEvent, EpochEvent];
  expect(first.metrics.metaObjective).toBeGreaterThan(0);
  expect([second.metrics.metaObjective, second.metrics.gradPhi]).toEqual([undefined, undefined]);
  expect(phiOf(second)).toBe(phiOf(first));
});
