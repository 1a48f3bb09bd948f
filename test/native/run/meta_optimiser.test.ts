import { describe, expect, it } from 'vitest';
import type { EpochEvent, NamedTensor } from '../../../src/native/addon.js';
import type { SettingValues } from '../../../src/options/methods.js';
import { values } from '../bilevel/iterations.js';
import { digest, floats, named, type Recorded, tinyJob, train } from '../tiny.js';

/** One step: all images are one batch. */
const oneStep = { epochs: 1, batch: 16 } as const;
const stateOf = ({ epochs }: Recorded) => (epochs.at(-1) as EpochEvent).state;
const of = (state: readonly NamedTensor[], prefix: string) => state.filter(({ name }) => name.startsWith(prefix));
const flat = (tensors: readonly NamedTensor[]) => tensors.flatMap((tensor) => [...floats(tensor)]);

/** Trains with each of the settings. */
const trainedWith = (all: readonly SettingValues[], changes = {}) =>
  Promise.all(all.map((settings) => train(tinyJob({ ...changes, settings }))));

describe('metaClip', () => {
  const metaWeightDecay = 0;

  it('clips the first gradient at that multiple of its norm, and keeps the mean norm of what is left', async () => {
    const clips = [0, 0.5].map((metaClip) => ({ metaClip, metaWeightDecay }));
    const [whole, half] = (await trainedWith(clips, oneStep)) as [Recorded, Recorded];
    const [g, clipped] = [whole, half].map((run) => flat(of(stateOf(run), 'adam_mean/')));
    expect(clipped).toEqual(g?.map((value) => expect.closeTo(0.5 * value, 8)));
    const [{ metrics }] = half.epochs as [EpochEvent];
    const norm = metrics.gradPhi as number;
    expect(values(named(stateOf(half), 'clip_norm'))[0]).toBeCloseTo(0.99 * norm + 0.01 * 0.5 * norm, 6);
  });

  it('leaves gradients below it as they are, bit for bit', async () => {
    const runs = await trainedWith([0, 1e6].map((metaClip) => ({ metaClip, metaWeightDecay })));
    const [none, far] = runs.map((run) => digest(of(stateOf(run), 'phi/')));
    expect(far).toBe(none);
  });
});

describe('lambdaInit equal', () => {
  it('begins with λ = 1 and equal w for every image', async () => {
    const { epochs } = await train(tinyJob({ ...oneStep, lambdaInit: 'equal' }));
    for (const pair of epochs[0]?.metrics.pairs ?? [])
      expect(pair).toMatchObject({ lambdaMean: 1, lambdaStd: 0, lambdaStart: 1 });
  });

  it('decays to that start, where the paper decays to 0', async () => {
    // Without a matching loss, the hypergradient is 0.
    const settings = { beta: 0, metaWeightDecay: 0.1, metaLr: 0.1 };
    for (const lambdaInit of ['equal', 'paper'] as const) {
      const state = stateOf(await train(tinyJob({ settings, lambdaInit })));
      const stays = flat(of(state, 'phi/')).every((value, i) => value === flat(of(state, 'phi_start/'))[i]);
      expect(stays).toBe(lambdaInit === 'equal');
    }
  });
});

it('wLrRatio 0 leaves w alone and moves λ; 0.5 takes half of a step for w', async () => {
  const states = (await trainedWith([{ wLrRatio: 0 }, { wLrRatio: 0.5 }, {}], oneStep)).map(stateOf);
  const [none, half, whole] = states.map((state) => flat(of(state, 'phi/weight_net')));
  expect(new Set(none)).toEqual(new Set([0]));
  expect(half).toEqual(whole?.map((value) => expect.closeTo(0.5 * value, 8)));
  const lambdas = states.map((state) => digest(of(state, 'phi/lambda_net')));
  expect(new Set(lambdas).size).toBe(1);
  expect(flat(of(states[0] ?? [], 'phi/lambda_net'))).not.toEqual(flat(of(states[0] ?? [], 'phi_start/lambda_net')));
});

it('phi: a run begins with the given meta-networks, and says λ by them beside λ at the end', async () => {
  const first = stateOf(await train(tinyJob({ settings: { metaLr: 0.1 } })));
  const phi = of(first, 'phi/').map((tensor) => ({ ...tensor, name: tensor.name.slice('phi/'.length) }));
  const { epochs } = await train(tinyJob({ phi, settings: { metaLr: 0, metaWeightDecay: 0 } }));
  expect(digest(of(epochs.at(-1)?.state ?? [], 'phi/'))).toBe(digest(of(first, 'phi/')));
  for (const { lambdaMean, lambdaStart } of epochs.at(-1)?.metrics.pairs ?? []) expect(lambdaStart).toBe(lambdaMean);
});
