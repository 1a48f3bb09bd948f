import { describe, expect, it } from 'vitest';
import type { EpochEvent, NamedTensor, NativeEvent } from '../../../src/native/addon.js';
import { failureOf } from '../../outcomes.js';
import { digest, images, newRun, type Recorded, type RunJob, scratch, tinyJob, train } from '../tiny.js';

/** The parts of a run that an interruption must not change: metrics, networks and states of its epochs. */
const outcome = (epochs: readonly EpochEvent[]) =>
  epochs.map(({ metrics, best, network, state }) => ({
    metrics,
    best,
    network: digest(network),
    state: digest(state),
  }));

const bestNetwork = (epochs: readonly EpochEvent[]): readonly NamedTensor[] =>
  epochs.findLast(({ best }) => best)?.network ?? [];

/** Stops while the `count`-th step's save waits to be acknowledged, so that it always ends at the same step. */
async function stopAfter(count: number, job: RunJob): Promise<Recorded & { state: readonly NamedTensor[] }> {
  let saves = 0;
  const recorded = await train({ ...job, saveEvery: 0 }, (event, stop) => {
    if (event.type === 'save' && ++saves === count) stop();
  });
  expect(recorded.result.stopped).toBe(true);
  return { ...recorded, state: recorded.saves.at(-1)?.state ?? [] };
}

const position = (state: readonly NamedTensor[]) => {
  const progress = state.find(({ name }) => name === 'progress');
  return [...new BigInt64Array(progress?.data.slice().buffer ?? new ArrayBuffer(0))].slice(0, 2).map(Number);
};

const validation = images(12, { seed: 2 });
const test = images(12, { seed: 3 });

const beyondPaper = {
  train: images(18),
  metaBatch: 'other',
  classWeights: [0.5, 1.5, 1, 1],
  lambdaInit: 'equal',
  settings: { metaEvery: 2, labelSmoothing: 0.1, metaClip: 0.5, wLrRatio: 0.5, metaWeightDecay: 0.1 },
} as const;

describe('resume', () => {
  // 5 steps an epoch, the last of which saves with its epoch: the sixth save is in the second epoch.
  it.each([
    ['l2t-ww, in the first epoch', 2, [0, 2], tinyJob({ train: images(20), validation, test })],
    ['l2t-ww by autograd', 2, [0, 2], tinyJob({ train: images(20), validation, test, engine: 'autograd' })],
    ['l2t-ww, in the second', 6, [1, 2], tinyJob({ train: images(20), validation, test, settings: { metaLr: 0.05 } })],
    ['l2t-ww beyond the paper, in the first epoch', 2, [0, 2], tinyJob(beyondPaper)],
    ['l2t-ww beyond the paper, in the second', 6, [1, 2], tinyJob(beyondPaper)],
    ['scratch without validation', 6, [1, 2], scratch({ train: images(20), test, epochs: 3 })],
  ])('%s: bit-identical to a run that went through', async (_, saves, where, job) => {
    const through = await train(job);
    const stopped = await stopAfter(saves, job);
    expect(position(stopped.state)).toEqual(where);
    const resume = { state: stopped.state, best: bestNetwork(stopped.epochs) };
    const resumed = await train({ ...job, resume });
    expect(outcome([...stopped.epochs, ...resumed.epochs])).toEqual(outcome(through.epochs));
    expect(resumed.result).toEqual(through.result);
  });

  it("from an epoch's own state", async () => {
    const job = tinyJob({ validation, test });
    const through = await train(job);
    const first = through.epochs[0] as EpochEvent;
    const resumed = await train({ ...job, resume: { state: first.state, best: first.network } });
    expect(outcome(resumed.epochs)).toEqual(outcome(through.epochs.slice(1)));
    expect(resumed.result).toEqual(through.result);
  });

  it('from the last state only tests', async () => {
    const job = scratch({ test });
    const through = await train(job);
    const { state } = through.epochs.at(-1) as EpochEvent;
    const resumed = await train({ ...job, resume: { state, best: bestNetwork(through.epochs) } });
    expect(resumed.events).toEqual([]);
    expect(resumed.result).toEqual(through.result);
  });

  it('stop() from a step ends with a save and says so', async () => {
    const job = scratch({ epochs: 1000 });
    const { events, result } = await train(job, (event: NativeEvent, stop) => {
      if (event.type === 'step' && event.step === 2) stop();
    });
    expect(events.at(-1)?.type).toBe('save');
    expect(result.stopped).toBe(true);
    expect(result.test).toBeUndefined();
  });

  it('stop() before start() saves the beginning', async () => {
    const positions: number[][] = [];
    const run = newRun(scratch(), (event) => {
      positions.push(event.type === 'save' ? position(event.state) : []);
      run.saved();
    });
    run.stop();
    await run.start();
    expect(positions).toEqual([[0, 0]]);
  });
});

describe('a damaged state is refused', () => {
  const job = scratch();
  const saved = stopAfter(2, job).then(({ state }) => state);
  const replaced = (name: string, changes: Partial<NamedTensor>) => async () =>
    (await saved).map((tensor) => (tensor.name === name ? { ...tensor, ...changes } : tensor));
  const twoSums = { shape: [2], data: new Uint8Array(16) };
  const isNoMomentum = ({ name }: NamedTensor) => !name.startsWith('momentum');
  const progress = (...values: bigint[]) =>
    replaced('progress', { data: new Uint8Array(BigInt64Array.from(values).buffer) });

  it.each([
    ['no position', async () => (await saved).filter(({ name }) => name !== 'progress'), /^INVALID_RUN .*'progress'/],
    ['an epoch beyond the last', progress(3n, 0n, 0n, -1n), /^INVALID_RUN .*position/],
    ['a negative step', progress(0n, -1n, 0n, -1n), /^INVALID_RUN .*position/],
    ['a step beyond the last', progress(0n, 5n, 0n, -1n), /^INVALID_RUN .*position/],
    ['a best epoch to come', progress(0n, 1n, 0n, 1n), /^INVALID_RUN .*position/],
    ['all epochs, but no best one', progress(2n, 0n, 0n, -1n), /^INVALID_RUN .*position/],
    ['epoch sums of another method', replaced('epoch_sums/losses/org', twoSums), /^INVALID_RUN .*sums/],
    ['no momentum', async () => (await saved).filter(isNoMomentum), /^WEIGHTS_MISMATCH .*momentum/],
    ['a best epoch without its network', progress(1n, 0n, 0n, 0n), /^WEIGHTS_MISMATCH .*features/],
  ])('%s', async (_, damage, message) => {
    const resume = { state: await damage(), best: [] };
    expect(await failureOf(async () => train({ ...job, resume }))).toMatch(message);
  });
});
