import { describe, expect, it } from 'vitest';
import { addon, type NativeSource } from '../../../src/native/addon.js';
import { needsOf } from '../../../src/options/methods.js';
import { refusal } from '../../outcomes.js';
import { images, newRun, type RunJob, scratch, tinyJob, train } from '../tiny.js';

const [source] = tinyJob().sources as [NativeSource];
const withSource = (changes: object) => ({ sources: [{ ...source, ...changes }] });
const withTensor = (changes: object) => ({
  targetWeights: [{ name: 'x', dtype: 'float32', shape: [1], data: new Uint8Array(4), ...changes }],
});
const training = (changes: object) => ({ train: { ...images(8), ...changes } });
const normalised = (changes: object) => ({ normalisation: { mean: [0, 0, 0], std: [1, 1, 1], ...changes } });

const words = ['1', null, undefined, {}, 1n];
const numbers = [Number.NaN, Number.POSITIVE_INFINITY, 1e39, -1];

/** The expected message, and the changes of a job that must cause it. */
type Wrong = readonly [message: RegExp, ...changes: object[]];
/** `message` begins with the key's name. */
const keys = (names: readonly string[], values: readonly unknown[], message: string): Wrong[] =>
  names.map((key) => [new RegExp(`^${key} ${message}`), ...values.map((value) => ({ [key]: value }))]);

const wrong: readonly Wrong[] = [
  ...keys(['method', 'engine', 'device'], [7, undefined], 'must be a string'),
  ...keys(['lr', 'saveEvery'], [...numbers, ...words], 'must be a number from 0 to 1e\\+30'),
  ...keys(['beta'], numbers, 'must be a number from 0 to 1e\\+30'),
  ...keys(['beta'], words, 'is missing'),
  ...keys(needsOf('l2t-ww').settings, [undefined], 'is missing'),
  ...keys(['innerSteps'], [1.5], 'must be a whole number'),
  ...keys(['size', 'threads', 'seed', 'epochs', 'batch'], [-1, 1.5, 2 ** 60, Number.NaN, '4', undefined], 'must be a'),
  ...keys(['sources', 'target', 'train', 'normalisation'], [5, null, undefined, 'x'], 'must be an (array|object)'),
  ...keys(['validation'], [5], 'must be an object'),
  ...keys(['selectBest'], [undefined], 'must be true or false'),
  ...keys(['resume'], ['yes'], 'must be an object'),
  ...keys(['targetWeights'], [{}], 'must be an array'),
  [/Unknown method 'l2t'.*scratch.*l2t-ww/, { method: 'l2t' }],
  [/^engine must be one of native, autograd/, { engine: 'fast' }],
  [/^precision must be one of float32, tf32, bf16/, { precision: 'float16' }],
  [/^precision: 'bf16' is the CUDA backend's/, { precision: 'bf16' }],
  [/^augment must be one of none, crop-flip/, { augment: 'flip' }],
  [/^metaBatch must be one of same, other/, { metaBatch: 'next' }],
  [/^metaEvery must be a whole number from 1/, { metaEvery: 0 }],
  [/^classWeights must be 4 numbers/, { classWeights: [1, 1] }],
  [/Unknown network 'x'/, { target: { name: 'x', classes: 4, width: 1 } }],
  [
    /^The target must be a built-in network/,
    { target: { name: 'onnx', classes: 4, width: 1, maps: [{ channels: 3, side: 2 }] } },
  ],
  [/^normalisation.mean must be three numbers/, normalised({ mean: [0, 0] }), normalised({ mean: [0, Number.NaN, 0] })],
  [/^normalisation.std must be three numbers from 1e-06/, normalised({ std: [1, 0, 1] })],
  [/^train.labels must be an Int32Array/, training({ labels: new Uint8Array(8) })],
  [/^train.pixels must be a Uint8Array/, training({ pixels: new Uint8ClampedArray(8) })],
  [/^patience counts from the best epoch/, { selectBest: false, patience: 2 }],
  [/^resume.state must be an array/, { resume: { best: [] } }],
  [/^targetWeights\[0\] must be an object/, { targetWeights: [5] }],
  [/^targetWeights\[0\].name must be a string/, withTensor({ name: undefined })],
  [/^targetWeights\[0\].dtype must be .*'int4'/, withTensor({ dtype: 'int4' })],
  [/^targetWeights\[0\].data must be as long/, withTensor({ shape: [1e6, 1e6] })],
  [
    /^targetWeights\[0\].shape/,
    withTensor({ shape: [-1] }),
    // Empty, but its strides overflow.
    withTensor({ shape: [0, 1e12, 1e12], data: new Uint8Array() }),
  ],
  [/^sources\[0\] must be an object/, { sources: [undefined] }],
  [/^sources\[0\].weights must be an array/, withSource({ weights: undefined })],
  [/^sources\[0\].network must be an object/, withSource({ network: undefined })],
  [
    /^sources\[0\].pairs must be a list of pairs/,
    ...[[1, 2], [[1, 2, 3]], [[0, -1]], [['x', 0]]].map((pairs) => withSource({ pairs })),
  ],
  [/^sources\[0\].pairs must be without repetitions/, withSource({ pairs: [source.pairs[0], source.pairs[0]] })],
  [/Pair 9-0 /, withSource({ pairs: [[9, 0]] })],
  [
    /^sourceClasses must name each of the first source's 6 outputs once/,
    { sourceClasses: [0, 1, 2, 3, 4] },
    { sourceClasses: [0, 1, 2, 3, 4, 4] },
    { sourceClasses: [1, 2, 3, 4, 5, 6] },
  ],
  [/^sourceClasses\[0\] must be a whole number/, { sourceClasses: [0.5] }],
  [/^Method kd needs a source with the classes of the data/, { method: 'kd', kdWeight: 1, kdTemperature: 4 }],
  [/scratch matches no features/, { method: 'scratch' }],
  [/l2t-ww needs a source and pairs/, withSource({ pairs: [] }), { sources: [] }],
];

const build = async (changes: object) => train({ ...tinyJob(), ...changes });

describe('a wrong job', () => {
  it.each(wrong.map(([message, ...changes]) => ({ message, changes })))('$message', async ({ message, changes }) => {
    for (const change of changes) await expect(build(change)).rejects.toThrow(refusal('INVALID_OPTION', message));
  });

  it.each<[code: string, message: RegExp, changes: object]>([
    ['WEIGHTS_MISMATCH', /features\.0/, withSource({ network: { ...source.network, name: 'vgg9_bn' } })],
    ['INVALID_DATA', /label/, training({ labels: Int32Array.of(0, 1, 2, 3, 0, 1, 2, 4) })],
    ['INVALID_DATA', /at least two images.* 1\b/, { train: images(1) }],
    [
      'INVALID_DATA',
      /test set has no images/,
      { test: { size: 32, labels: new Int32Array(), pixels: new Uint8Array() } },
    ],
  ])('%s %s, before training', async (code, message, changes) => {
    const onEvent = () => expect.unreachable('it trained');
    const run = async () => newRun({ ...tinyJob(), ...changes }, onEvent).start();
    await expect(run()).rejects.toThrow(refusal(code, message));
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
    const run = newRun(scratch({ epochs: 1 }), (event) => event.type !== 'step' && run.saved());
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
