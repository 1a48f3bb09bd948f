import { describe, expect, it } from 'vitest';
import { addon, type NamedTensor, type NativeSource } from '../../src/native/addon.js';
import { needsOf } from '../../src/options/methods.js';
import { iterate } from '../../tools/parity/observe.js';
import { refusal } from '../outcomes.js';
import { images, newRun, type RunJob, scratch, tinyJob, train } from './tiny.js';

/** Each way in which a job can be wrong: what is changed, and what the message must name. */
const { sources } = tinyJob();
const settingNames = needsOf('l2t-ww').settings;
const source = sources[0] as NativeSource;
const notNumbers = [Number.NaN, Number.POSITIVE_INFINITY, 1e39, -1, '1', null, undefined, {}, 1n];
const withSource = (changes: object) => ({ sources: [{ ...source, ...changes }] });
const wrong: [what: string, changes: object, message: RegExp][] = [
  ...(['method', 'engine', 'device'] as const).flatMap((key): [string, object, RegExp][] => [
    [`${key}: a number`, { [key]: 7 }, new RegExp(`^${key} must be a string`)],
    [`${key}: missing`, { [key]: undefined }, new RegExp(`^${key} must be a string`)],
  ]),
  ...(['lr', 'saveEvery'] as const).flatMap((key): [string, object, RegExp][] =>
    notNumbers.map((value) => [
      `${key}: ${typeof value} ${value}`,
      { [key]: value },
      new RegExp(`^${key} must be a number from 0 to 1e\\+30`),
    ]),
  ),
  ...notNumbers.map((beta): [string, object, RegExp] => [
    `a setting: ${typeof beta} ${beta}`,
    { beta },
    typeof beta === 'number' ? /^beta must be a number from 0 to 1e\+30/ : /^beta is missing/,
  ]),
  ...settingNames.map((key): [string, object, RegExp] => [
    `no ${key}`,
    { [key]: undefined },
    new RegExp(`^${key} is missing`),
  ]),
  ['half a virtual step', { innerSteps: 1.5 }, /^innerSteps must be a whole number/],
  ...(['size', 'threads', 'seed', 'epochs', 'batch'] as const).flatMap((key): [string, object, RegExp][] =>
    [-1, 1.5, 2 ** 60, Number.NaN, '4', undefined].map((value) => [
      `${key}: ${typeof value} ${value}`,
      { [key]: value },
      new RegExp(`^${key} must be a`),
    ]),
  ),
  ...(['sources', 'target', 'train', 'normalisation'] as const).flatMap((key): [string, object, RegExp][] =>
    [5, null, undefined, 'x'].map((value) => [
      `${key}: ${value}`,
      { [key]: value },
      new RegExp(`^${key} must be an (array|object)`),
    ]),
  ),
  ['an unknown method', { method: 'l2t' }, /Unknown method 'l2t'.*scratch.*l2t-ww/],
  ['an unknown engine', { engine: 'fast' }, /^engine must be one of native, autograd/],
  ['an unknown precision', { precision: 'float16' }, /^precision must be one of float32, tf32, bf16/],
  ['an unknown target', { target: { name: 'x', classes: 4, width: 1 } }, /Unknown network 'x'/],
  [
    'a mean of two numbers',
    { normalisation: { mean: [0, 0], std: [1, 1, 1] } },
    /^normalisation.mean must be three numbers/,
  ],
  [
    'a std of 0',
    { normalisation: { mean: [0, 0, 0], std: [1, 0, 1] } },
    /^normalisation.std must be three numbers from 1e-06/,
  ],
  [
    'labels that are no Int32Array',
    { train: { ...images(8), labels: new Uint8Array(8) } },
    /^train.labels must be an Int32Array/,
  ],
  [
    'pixels that are no bytes',
    { train: { ...images(8), pixels: new Uint8ClampedArray(8) } },
    /^train.pixels must be a Uint8Array/,
  ],
  ['validation that is none', { validation: 5 }, /^validation must be an object/],
  ['a patience without a best epoch', { selectBest: false, patience: 2 }, /^patience counts from the best epoch/],
  ['no word on the best epoch', { selectBest: undefined }, /^selectBest must be true or false/],
  ['a resume that is none', { resume: 'yes' }, /^resume must be an object/],
  ['a resume without a state', { resume: { best: [] } }, /^resume.state must be an array/],
  ['target weights that are none', { targetWeights: {} }, /^targetWeights must be an array/],
  ['a tensor that is none', { targetWeights: [5] }, /^targetWeights\[0\] must be an object/],
  [
    'a tensor without a name',
    { targetWeights: [{ dtype: 'float32', shape: [], data: new Uint8Array(4) }] },
    /^targetWeights\[0\].name must be a string/,
  ],
  [
    'an unknown dtype',
    { targetWeights: [{ name: 'x', dtype: 'int4', shape: [], data: new Uint8Array() }] },
    /^targetWeights\[0\].dtype must be .*'int4'/,
  ],
  [
    'a tensor that is shorter than its shape',
    { targetWeights: [{ name: 'x', dtype: 'float32', shape: [1e6, 1e6], data: new Uint8Array(4) }] },
    /^targetWeights\[0\].data must be as long/,
  ],
  [
    'a tensor of a negative side',
    { targetWeights: [{ name: 'x', dtype: 'float32', shape: [-1], data: new Uint8Array(4) }] },
    /^targetWeights\[0\].shape/,
  ],
  ['a source without weights', withSource({ weights: undefined }), /^sources\[0\].weights must be an array/],
  ['a source without a network', withSource({ network: undefined }), /^sources\[0\].network must be an object/],
  ['pairs that are none', withSource({ pairs: [1, 2] }), /^sources\[0\].pairs must be a list of pairs/],
  ['triples', withSource({ pairs: [[1, 2, 3]] }), /^sources\[0\].pairs must be a list of pairs/],
  ['a pair of a source feature that is not there', withSource({ pairs: [[9, 0]] }), /Pair 9-0 /],
  ['a pair of a negative feature', withSource({ pairs: [[0, -1]] }), /^sources\[0\].pairs must be a list of pairs/],
  ['a pair of words', withSource({ pairs: [['x', 0]] }), /^sources\[0\].pairs must be a list of pairs/],
  [
    'a repeated pair',
    withSource({
      pairs: [
        [0, 0],
        [0, 0],
      ],
    }),
    /^sources\[0\].pairs must be without repetitions/,
  ],
  ['a source that is none', { sources: [undefined] }, /^sources\[0\] must be an object/],
  [
    'a mean of NaN',
    { normalisation: { mean: [0, Number.NaN, 0], std: [1, 1, 1] } },
    /^normalisation.mean must be three numbers/,
  ],
  [
    'an empty tensor whose strides overflow',
    { targetWeights: [{ name: 'x', dtype: 'float32', shape: [0, 1e12, 1e12], data: new Uint8Array() }] },
    /^targetWeights\[0\].shape/,
  ],
  ...[
    [0, 1, 2, 3, 4],
    [0, 1, 2, 3, 4, 4],
    [1, 2, 3, 4, 5, 6],
  ].map((sourceClasses): [string, object, RegExp] => [
    `outputs of the source that are no permutation: ${sourceClasses}`,
    { sourceClasses },
    /^sourceClasses must name each of the first source's 6 outputs once/,
  ]),
  ['an output that is none', { sourceClasses: [0.5] }, /^sourceClasses\[0\] must be a whole number/],
  [
    'kd from a source of other classes',
    { method: 'kd', kdWeight: 1, kdTemperature: 4 },
    /^Method kd needs a source with the classes of the data/,
  ],
  ['pairs for scratch', { method: 'scratch' }, /scratch matches no features/],
  ['no pairs for l2t-ww', withSource({ pairs: [] }), /l2t-ww needs a source and pairs/],
  ['no source for l2t-ww', { sources: [] }, /l2t-ww needs a source and pairs/],
];

const build = async (changes: object) => train({ ...tinyJob(), ...changes });

describe('a wrong job', () => {
  it.each(wrong)('%s: INVALID_OPTION', async (_, changes, message) => {
    await expect(build(changes)).rejects.toThrow(refusal('INVALID_OPTION', message));
  });

  it('weights of another network: WEIGHTS_MISMATCH', async () => {
    await expect(build(withSource({ network: { ...source.network, name: 'vgg9_bn' } }))).rejects.toMatchObject({
      code: 'WEIGHTS_MISMATCH',
    });
  });

  it('a label out of range: INVALID_DATA', async () => {
    const train = { ...images(8), labels: Int32Array.of(0, 1, 2, 3, 0, 1, 2, 4) };
    await expect(build({ train })).rejects.toMatchObject({ code: 'INVALID_DATA' });
  });

  it('an empty test set: INVALID_DATA, before training', async () => {
    const test = { size: 32, labels: new Int32Array(), pixels: new Uint8Array() };
    const onEvent = () => expect.unreachable('it trained');
    await expect(async () => newRun(tinyJob({ test }), onEvent).start()).rejects.toThrow(
      refusal('INVALID_DATA', /test set has no images/),
    );
  });

  it('a callback that throws ends the run with its error', async () => {
    const run = newRun(scratch({ epochs: 100 }), (event) => {
      throw new Error(`at ${event.type}`);
    });
    await expect(run.start()).rejects.toThrow('at step');
  });

  it('no job, no function, a second start', async () => {
    const { Run } = addon();
    const refused = expect.objectContaining({ code: 'INVALID_OPTION' });
    expect(() => new Run(undefined as unknown as RunJob, scratch(), () => {})).toThrow(refused);
    expect(() => new Run(scratch(), scratch(), undefined as unknown as () => void)).toThrow(refused);
    const job = scratch({ epochs: 1 });
    const run = new Run(job, job, (event) => event.type !== 'step' && run.saved());
    const first = run.start();
    expect(() => run.start()).toThrow(refused);
    await first;
  });

  it('what is thrown while a job is read reaches the caller', () => {
    const job = {
      ...scratch(),
      get lr(): number {
        throw new Error('from the getter');
      },
    };
    expect(() => newRun(job, () => {})).toThrow('from the getter');
  });
});

describe('a batch to iterate on', () => {
  const { lr: _, reducer: __, ...scratchJob } = scratch();
  const x = { name: 'x', dtype: 'float32', shape: [2, 3, 8, 8], data: new Uint8Array(2 * 3 * 8 * 8 * 4) } as const;
  const y = { name: 'y', dtype: 'int64', shape: [2], data: new Uint8Array(16) } as const;
  const labels = (...values: bigint[]) => new Uint8Array(BigInt64Array.from(values).buffer);
  it.each([
    [
      'a label that is no class',
      [x, { ...y, data: labels(0n, 4n) }],
      /y must be a class of each image, int64, below 4/,
    ],
    ['a label below 0', [x, { ...y, data: labels(-1n, 0n) }], /y must be a class/],
    ['labels of too few images', [x, { ...y, shape: [1], data: labels(0n) }], /y must be a class/],
    ['labels of another type', [x, { ...y, dtype: 'float64' }], /y must be a class/],
    ['images of one channel', [{ ...x, shape: [6, 1, 8, 8] }, y], /x must be images/],
    ['images without a side', [{ ...x, shape: [2, 3, 64] }, y], /x must be images/],
    ['images as numbers', [{ ...x, dtype: 'int32' }, y], /x must be images/],
    ['no labels', [x], /no entry y/],
  ])('%s', async (_what, tensors, message) => {
    const job = { ...scratchJob, lr: 0.1 };
    const given = { sources: [], iterations: 1, tensors: tensors as NamedTensor[] };
    const iterated = iterate({ ...job, ...given, dtype: 'float32' });
    await expect(iterated).rejects.toThrow(refusal('INVALID_OPTION', message));
  });
});
