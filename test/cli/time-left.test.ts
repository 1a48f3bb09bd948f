import { expect, it } from 'vitest';
import { TimeLeft } from '../../src/cli/time-left.js';
import type { RunEvent } from '../../src/run/events.js';

/** A run of epochs of 10 steps on 100 training and 30 test images; the clock is the test's. */
function run({ epochs = 21 } = {}) {
  let now = 0;
  const time = new TimeLeft(() => now);
  const send = (event: object) => time.on(event as RunEvent);
  send({ type: 'start', epochs, images: { train: 100, validation: 10, test: 30 } });
  return {
    time,
    step: (epoch: number, step: number, seconds: number) => {
      now += seconds;
      return send({ type: 'step', epoch, step, steps: 10 });
    },
    epoch: (epoch: number, seconds: number, waited = 0) => {
      now += waited;
      return send({ type: 'epoch', epoch, epochs, seconds });
    },
  };
}

it('says after five steps how long the run will take; the first step, which is slow, is not counted', () => {
  const { step, time } = run();
  expect([1, 2, 3, 4, 5].map((k) => step(0, k, k === 1 ? 60 : 1))).toEqual(Array(5).fill(undefined));
  expect(time.seconds).toBeUndefined();
  // 20.4 epochs of 10 s, and two passes over 30 test images at a third of 0.1 s an image.
  expect(step(0, 6, 1)).toBe('21 epochs of about 10 s: 3 min 26 s');
  expect(time.seconds).toBeCloseTo(206, 6);
  expect(step(0, 7, 1)).toBeUndefined();
});

it('says it after five seconds, or at the end of an epoch that is shorter', () => {
  const slow = run();
  slow.step(0, 1, 60);
  expect(slow.step(0, 2, 3)).toBeUndefined();
  expect(slow.step(0, 3, 3)).toMatch(/^21 epochs of about 30 s: /);
  const short = run();
  short.step(0, 1, 0.1);
  short.step(0, 2, 0.1);
  expect(short.epoch(0, 0.25)).toBe('20 epochs of about 0.25 s: 5 s');
  const single = run({ epochs: 1 });
  single.step(0, 1, 0.1);
  expect(single.epoch(0, 0.25)).toBeUndefined();
});

it('counts what an epoch takes beyond its steps', () => {
  const { step, epoch, time } = run();
  for (let k = 1; k <= 10; k++) step(0, k, 1);
  epoch(0, 14, 4);
  expect(time.seconds).toBeCloseTo(20 * 14 + 2.8, 6);
  for (let k = 1; k <= 10; k++) step(1, k, 1);
  epoch(1, 14, 6);
  expect(time.seconds).toBeCloseTo(19 * 15 + 3, 6);
});

it("does not take a resumed run's first epoch for a whole one", () => {
  const { step, epoch, time } = run();
  step(4, 9, 1);
  expect(step(4, 10, 1)).toBeUndefined();
  expect(epoch(4, 2)).toBeUndefined();
  expect(time.seconds).toBeUndefined();
  for (let k = 1; k <= 10; k++) step(5, k, 1);
  expect(epoch(5, 10)).toMatch(/^15 epochs of about 10 s: 2 min 32 s$/);
});
