import { describe, expect, it } from 'vitest';
import { addon, type EpochEvent, type NamedTensor } from '../../../src/native/addon.js';
import { methodNames, methodOf, needsOf } from '../../../src/options/methods.js';
import { refusal } from '../../outcomes.js';
import {
  digest,
  floats,
  images,
  named,
  type Recorded,
  type RunJob,
  scratch,
  stepsOf,
  tinyJob,
  train,
} from '../tiny.js';

const last = (epochs: readonly EpochEvent[]): EpochEvent => epochs.at(-1) as EpochEvent;

describe('a run', () => {
  it('learns: the losses fall and the classes are told apart', async () => {
    const { epochs } = await train(tinyJob({ epochs: 8, train: images(32), batch: 16, lr: 0.1 }));
    const [first, end] = [epochs[0]?.metrics, last(epochs).metrics];
    expect(end.losses.org).toBeLessThan(0.7 * (first?.losses.org as number));
    expect(end.losses.matching).toBeLessThan(first?.losses.matching as number);
    expect(end.trainAccuracy).toBeGreaterThan(0.6);
  });

  it('is the same by either engine, but for rounding', async () => {
    const [native, autograd] = [await train(tinyJob()), await train(tinyJob({ engine: 'autograd' }))];
    const losses = ({ events }: Recorded) =>
      stepsOf(events).flatMap(({ losses, metaObjective }) => [losses.org, losses.matching, metaObjective]);
    const expected = losses(autograd) as number[];
    const relative = losses(native).map((value, i) => Math.abs((value as number) / (expected[i] as number) - 1));
    expect(relative.length).toBe(24);
    expect(Math.max(...relative)).toBeLessThan(1e-3);
    expect(Math.max(...relative)).toBeGreaterThan(0);
  });

  it('says a step of each, in order, then the epoch', async () => {
    const { events, result } = await train(tinyJob());
    const shown = events.map((event) =>
      event.type === 'step' ? `${event.epoch}.${event.step}/${event.steps}` : event.type,
    );
    expect(shown).toEqual([
      ...['0.1/4', '0.2/4', '0.3/4', '0.4/4', 'epoch'],
      ...['1.1/4', '1.2/4', '1.3/4', '1.4/4', 'epoch'],
    ]);
    expect(result).toEqual({ stopped: false, epochs: 2, best: { epoch: 1 } });
  });

  // A batch's size shows in the epoch's mean, in which each image counts once.
  it.each([
    ['all full', 8, [4, 4]],
    ['the last short one is used', 10, [4, 4, 2]],
    ['a remainder of one image joins the batch before it', 9, [4, 5]],
    ['one batch for fewer images', 3, [3]],
  ])('batches: %s', async (_, count, sizes) => {
    const { events, epochs } = await train(scratch({ train: images(count), epochs: 1 }));
    const losses = stepsOf(events).map((step) => step.losses.org);
    expect(losses.length).toBe(sizes.length);
    const mean = losses.reduce((sum, loss, i) => sum + loss * (sizes[i] as number), 0) / count;
    expect(last(epochs).metrics.losses.org).toBeCloseTo(mean, 12);
  });

  it.each([
    ['constant within an epoch', 0, [0, 1, 2, 3].map((e) => 0.1 * (1 + Math.cos((Math.PI * e) / 4)))],
    ['down to minLr', 0.05, [0, 1, 2, 3].map((e) => 0.05 + 0.075 * (1 + Math.cos((Math.PI * e) / 4)))],
    ['unless minLr is above the first rate, where it stays', 0.3, [0.2, 0.2, 0.2, 0.2]],
  ])('the learning rate follows a cosine, %s', async (_, minLr, expected) => {
    const { epochs } = await train(scratch({ epochs: 4, lr: 0.2, minLr }));
    expect(epochs.map(({ metrics }) => metrics.lr)).toEqual(expected.map((rate) => expect.closeTo(rate, 14)));
  });

  it('with a warm-up the rate grows linearly, step by step, to the schedule', async () => {
    // One step an epoch, the first eight of them warm-up.
    const job = { train: images(16), batch: 16, epochs: 16, lr: 0.2 };
    const [plain, warm] = [await train(scratch(job)), await train(scratch({ ...job, warmUp: 0.5 }))];
    warm.epochs.forEach(({ metrics }, e) => {
      const scheduled = (plain.epochs[e] as EpochEvent).metrics.lr;
      expect(metrics.lr).toBeCloseTo(Math.min(1, (e + 1) / 8) * scheduled, 14);
    });
    const gentle = await train(scratch({ ...job, lr: 0.2 / 8 }));
    expect(digest(warm.epochs[0]?.network ?? [])).toBe(digest(gentle.epochs[0]?.network ?? []));
  });

  it("starts from given weights, else from initialise(seed)'s", async () => {
    const job = scratch({ lr: 0, settings: { weightDecay: 0 }, epochs: 1 });
    const trained = (changes: Partial<RunJob>) =>
      train({ ...job, ...changes }).then(({ epochs }) => named(last(epochs).network, 'features.4.weight').data);
    const start = (seed: number) => addon().initialise(job.target, seed);
    expect(await trained({})).toEqual(named(start(5), 'features.4.weight').data);
    const targetWeights = start(99);
    expect(await trained({ targetWeights })).toEqual(named(targetWeights, 'features.4.weight').data);
  });

  it('running statistics move in real steps only: with T virtual steps as without', async () => {
    const statistics = async (job: RunJob) => {
      const { network } = last((await train({ ...job, epochs: 1, lr: 0, weightDecay: 0 } as RunJob)).epochs);
      return named(network, 'features.1.running_mean').data;
    };
    expect(await statistics(tinyJob({ settings: { innerSteps: 3 } }))).toEqual(await statistics(scratch()));
  });
});

describe('the meta-networks', () => {
  const channels = [2, 4, 8];
  const pairsOf = (epoch: EpochEvent | undefined) => epoch?.metrics.pairs ?? [];

  it('start with uniform w, and stay where they are at meta learning rate 0', async () => {
    const { epochs } = await train(tinyJob({ settings: { metaLr: 0 } }));
    const lambda = (epoch: number) => named((epochs[epoch] as EpochEvent).state, 'phi/lambda_net.0.weight').data;
    expect(lambda(1)).toEqual(lambda(0));
    pairsOf(epochs[1]).forEach(({ weightEntropy, pair, source }, i) => {
      expect(weightEntropy).toBeCloseTo(Math.log(channels[i] as number), 5);
      expect([source, pair]).toEqual([0, [3 * i + 2, i]]);
    });
  });

  it('move at a large one: λ, w, and every part of φ', async () => {
    const still = await train(tinyJob({ settings: { metaLr: 0 } }));
    const { epochs } = await train(tinyJob({ settings: { metaLr: 0.1 } }));
    const state = (last(epochs) as EpochEvent).state;
    const start = last(still.epochs).state;
    for (const { name } of start.filter((tensor) => tensor.name.startsWith('phi/'))) {
      expect([name, named(state, name).data]).not.toEqual([name, named(start, name).data]);
    }
    pairsOf(last(epochs)).forEach(({ lambdaMean, weightEntropy }, i) => {
      const before = pairsOf(last(still.epochs))[i];
      expect(Math.abs((lambdaMean as number) - (before?.lambdaMean as number))).toBeGreaterThan(0.01);
      expect(weightEntropy).toBeLessThan(Math.log(channels[i] as number) - 1e-4);
    });
    expect(last(epochs).metrics.gradPhi).toBeGreaterThan(0);
  });

  it.each(methodNames)('%s has its losses, and numbers and state of what it learns', async (method) => {
    const { terms, learns = [] } = methodOf(method);
    const [what, where] = [learns.includes('what'), learns.includes('where')];
    const { events, epochs } = await train(tinyJob({ method, epochs: 1 }));
    const [step] = stepsOf(events);
    expect(Object.keys(step?.losses ?? {})).toEqual(['org', ...terms]);
    expect(step?.metaObjective !== undefined).toBe(what || where);
    const pairs = pairsOf(epochs[0]);
    expect(pairs).toHaveLength(needsOf(method).pairs ? 3 : 0);
    for (const { lambdaMean, lambdaStd, weightEntropy } of pairs) {
      expect([lambdaMean, lambdaStd].map((value) => value !== undefined)).toEqual([where, where]);
      expect(weightEntropy !== undefined).toBe(what);
    }
    const state = last(epochs).state.map(({ name }) => name);
    expect(state.filter((name) => name.startsWith('phi/'))).toHaveLength(3 * 2 * (Number(what) + Number(where)));
    expect(state.includes('theta/branch.0.weight')).toBe(terms.includes('matching'));
    expect(state.includes('theta/lwf_head.weight')).toBe(terms.includes('distillation'));
  });
});

const isNotFinite = (tensor: NamedTensor) => tensor.dtype === 'float32' && !floats(tensor).every(Number.isFinite);

describe('divergence', () => {
  it.each([
    ['scratch', scratch({ lr: 1e30 }), /lower lr\.$/],
    ['l2t-ww', tinyJob({ lr: 1e30 }), /lower lr or metaLr\.$/],
  ])('%s: NaN or infinity ends the run, naming the step, and never reaches a save', async (_, job, advice) => {
    const unfit: string[] = [];
    const outcome = train({ ...job, saveEvery: 0 }, (event) => {
      if (event.type === 'epoch') unfit.push('an epoch');
      if (event.type === 'save') unfit.push(...event.state.filter(isNotFinite).map(({ name }) => name));
    });
    await expect(outcome).rejects.toThrow(
      refusal('DIVERGED', /became (NaN|infinite|NaN or infinite) .*step \d+ of epoch 0/),
    );
    await expect(outcome).rejects.toThrow(advice);
    expect(unfit).toEqual([]);
  });

  it('a learning rate that overflows φ alone is named as well', async () => {
    await expect(train(tinyJob({ settings: { metaLr: 1e30 } }))).rejects.toMatchObject({ code: 'DIVERGED' });
  });
});

it('the parameters that no loss reaches decay all the same', async () => {
  // The branches get no gradient at β = 0, but momentum and weight decay act on every parameter.
  const job = tinyJob({
    epochs: 1,
    lr: 0.1,
    settings: { beta: 0, momentum: 0, weightDecay: 0.5, metaLr: 0 },
  });
  const norm = async (steps: number) => {
    const { epochs } = await train({ ...job, train: images(4 * steps) });
    const values = floats(named(last(epochs).state, 'theta/branch.0.weight'));
    return Math.hypot(...values);
  };
  expect((await norm(2)) / (await norm(1))).toBeCloseTo(1 - 0.1 * 0.5, 5);
});
