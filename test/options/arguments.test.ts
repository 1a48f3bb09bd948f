import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as api from '../../src/index.js';
import {
  compareSchema,
  curveSchema,
  dataCheckSchema,
  evaluateSchema,
  networkSchema,
  pretrainSchema,
  transferSchema,
} from '../../src/options/schemas.js';
import { failureOf } from '../outcomes.js';
import { temporaryFolder, tinyData, tinySource } from '../tiny.js';

/** Whatever the package makes on disk without being told where lies below the working directory. */
const here = process.cwd();
const empty = temporaryFolder();
let source: string;
let data: string;
let network: api.Network;
beforeAll(async () => {
  source = await tinySource();
  data = tinyData(4);
  network = await api.Network.load(source, { threads: 1 });
  process.chdir(empty);
});
afterAll(() => process.chdir(here));

const trap = () => {
  throw new Error('a trap');
};
const thrower = new Proxy({}, { get: trap, ownKeys: trap });
const getter = {
  get data(): never {
    throw new Error('a getter');
  },
};
const { proxy: revoked, revoke } = Proxy.revocable([], {});
revoke();

const hostile: readonly [name: string, value: unknown][] = [
  ['undefined', undefined],
  ['null', null],
  ['a number', -5],
  ['NaN', Number.NaN],
  ['a BigInt', 10n],
  ['a symbol', Symbol('x')],
  ['an empty string', ''],
  ['a string with a NUL', 'a\0b'],
  ['an array', [1, 2]],
  ['a function', () => {}],
  ['a proxy that throws', thrower],
  ['a getter that throws', getter],
  ['a revoked proxy', revoked],
];

type Call = (value: never) => unknown;
interface Ways {
  /** Arguments that it cannot do without. */
  readonly needed?: readonly Call[];
  /** Arguments that may be left out. */
  readonly optional?: readonly Call[];
}

/** Every function that the package exports, and how a value gets to each of its arguments. */
const calls: Readonly<Record<string, Ways>> = {
  loadCheckpoint: { needed: [(v) => api.loadCheckpoint(v)], optional: [(v) => api.loadCheckpoint(source, v)] },
  saveCheckpoint: {
    needed: [
      (v) => api.saveCheckpoint('checkpoint.safetensors', v),
      async (v) => api.saveCheckpoint(v, await api.loadCheckpoint(source)),
    ],
  },
  compare: { needed: [(v) => api.compare(v)] },
  resumeComparison: { needed: [(v) => api.resumeComparison(v)], optional: [(v) => api.resumeComparison(empty, v)] },
  curve: { needed: [(v) => api.curve(v)] },
  resumeCurve: { needed: [(v) => api.resumeCurve(v)], optional: [(v) => api.resumeCurve(empty, v)] },
  checkData: { needed: [(v) => api.checkData(v)] },
  evaluate: { needed: [(v) => api.evaluate(v, { data }), (v) => api.evaluate(source, v)] },
  Network: {
    needed: [
      (v) => new (api.Network as unknown as new (...args: unknown[]) => unknown)(v),
      (v) => api.Network.load(v),
      (v) => api.Network.from(v),
      (v) => network.predict(v),
      (v) => network.predict([{ pixels: v, height: 1, width: 1 }]),
      (v) => network.features(v),
      (v) => network.predictEach(v).next(),
    ],
    optional: [
      (v) => api.Network.load(source, v),
      async (v) => api.Network.from(await api.loadCheckpoint(source), v),
      (v) => network.predict([], v),
      (v) => network.features([], v),
      (v) => network.predictEach([], v).next(),
    ],
  },
  describeNetwork: {
    needed: [(v) => api.describeNetwork(v)],
    optional: [(v) => api.describeNetwork({ name: 'resnet20', classes: 2, width: 1 }, v)],
  },
  exportNetwork: {
    needed: [
      (v) => api.exportNetwork(v, { to: 'onnx', out: join(empty, 'x') }),
      (v) => api.exportNetwork(source, v),
      (v) => api.exportNetwork(source, { to: v, out: join(empty, 'x') }),
      (v) => api.exportNetwork(source, { to: 'onnx', out: v }),
    ],
  },
  networks: { optional: [(v) => api.networks(v)] },
  listImages: { needed: [(v) => api.listImages(v)] },
  presets: {},
  proposeOptions: { needed: [(v) => api.proposeOptions(v), (v) => api.proposeOptions({ data: v })] },
  pretrain: { needed: [(v) => api.pretrain(v).result] },
  dryRun: { needed: [(v) => api.dryRun(v)], optional: [(v) => api.dryRun('cifar100', v)] },
  reproduce: { needed: [(v) => api.reproduce(v, { data }), (v) => api.reproduce('cifar100', v)] },
  resumeReproduction: {
    needed: [(v) => api.resumeReproduction(v)],
    optional: [(v) => api.resumeReproduction(empty, v)],
  },
  planComparison: {
    needed: [
      (v) => api.planComparison(v, { data, target: 'vgg9_bn', methods: 'scratch' }),
      (v) => api.planComparison('plan', v),
    ],
  },
  planCurve: {
    needed: [
      (v) => api.planCurve(v, { data, target: 'vgg9_bn', methods: 'scratch', perClass: '2' }),
      (v) => api.planCurve('plan', v),
    ],
  },
  planReproduction: {
    needed: [(v) => api.planReproduction(v, 'plan', { data }), (v) => api.planReproduction('cifar100', 'plan', v)],
  },
  collect: { needed: [(v) => api.collect(v)], optional: [(v) => api.collect(empty, v)] },
  report: { needed: [(v) => api.report(v)], optional: [(v) => api.report(empty, v)] },
  resume: { needed: [(v) => api.resume(v).result], optional: [(v) => api.resume(empty, v).result] },
  resumeOrStart: { needed: [(v) => api.resumeOrStart(v).result] },
  transfer: { needed: [(v) => api.transfer(v).result] },
  train: { needed: [(v) => api.train(v).result] },
  planTraining: { needed: [(v) => api.planTraining(v)] },
  resumeTrain: { needed: [(v) => api.resumeTrain(v).result], optional: [(v) => api.resumeTrain(empty, v).result] },
};

describe('wrong arguments', () => {
  it('are tried on every function that is exported', () => {
    const functions = Object.entries(api).filter(([name, value]) => typeof value === 'function' && name !== 'L2TError');
    expect(Object.keys(calls).sort()).toEqual(functions.map(([name]) => name).sort());
  });

  it.each(Object.entries(calls))('of %s are INVALID_OPTION, and make nothing on disk', async (_, ways) => {
    const { needed = [], optional = [] } = ways;
    const wrong: string[] = [];
    for (const way of [...needed, ...optional]) {
      for (const [name, value] of hostile) {
        if (value === undefined && optional.includes(way)) continue;
        const said = await failureOf(() => way(value as never));
        if (!said.startsWith('INVALID_OPTION ')) wrong.push(`${way} of ${name}: ${said}`);
      }
    }
    expect(wrong).toEqual([]);
    expect(readdirSync(empty)).toEqual([]);
  });

  it('are named, and shown as they are', async () => {
    expect(await failureOf(() => api.resume(null as never).result)).toBe(
      'INVALID_OPTION The run folder is null: it must be a path.',
    );
    expect(await failureOf(() => api.transfer(null as never).result)).toBe(
      'INVALID_OPTION The options argument is null: it must be an object of options.',
    );
    expect(await failureOf(() => api.Network.from({ network: { name: 'x' } } as never))).toMatch(
      /^INVALID_OPTION The checkpoint's network\.name is missing or wrong: give a checkpoint, such as a run's result/,
    );
    const shown: readonly [value: unknown, text: string][] = [
      [10n, '10n'],
      [Number.NaN, 'NaN'],
      [[Number.NaN, Number.POSITIVE_INFINITY], '[ NaN, Infinity ]'],
      [Symbol('x'), 'Symbol(x)'],
      [null, 'null'],
    ];
    expect(await failureOf(() => api.checkData({ data: 'a\0b' }))).toMatch(/^INVALID_OPTION Option data is .*a path/);
    for (const [epochs, text] of shown) {
      expect(await failureOf(() => api.transfer({ epochs } as never).result)).toBe(
        `INVALID_OPTION Option epochs is ${text}: it must be a whole number from 1 to 1000000.`,
      );
    }
  });

  const controls = {
    signal: 'an AbortSignal',
    follow: 'a function',
    onWarning: 'a function',
    onProgress: 'a function',
  };
  it.each([
    ['transfer', (more: object) => api.transfer({ method: 'scratch', target: 'vgg9_bn', data, ...more }).result],
    ['pretrain', (more: object) => api.pretrain({ network: 'vgg9_bn', data, ...more }).result],
    ['compare', (more: object) => api.compare({ target: 'vgg9_bn', methods: 'scratch', data, ...more })],
    ['resume', (more: object) => api.resume(empty, more).result],
    ['evaluate', (more: object) => api.evaluate(source, { data, ...more })],
    ['checkData', (more: object) => api.checkData({ data, ...more })],
  ] as const)('beside the options of %s are found before anything is made', async (_, call) => {
    for (const [key, allowed] of Object.entries(controls)) {
      for (const [, value] of hostile.filter(([, value]) => value !== undefined && typeof value !== 'function')) {
        expect(await failureOf(() => call({ [key]: value }))).toMatch(
          new RegExp(
            `^INVALID_OPTION Option ${key} (is .*: it must be ${allowed}\\.|cannot be read: .*|is unknown: .*)$`,
          ),
        );
      }
    }
    expect(readdirSync(empty)).toEqual([]);
  });

  it.each([
    ['transfer', transferSchema, (given: never) => api.transfer(given).result],
    ['pretrain', pretrainSchema, (given: never) => api.pretrain(given).result],
    ['compare', compareSchema, (given: never) => api.compare(given)],
    ['curve', curveSchema, (given: never) => api.curve(given)],
    ['evaluate', evaluateSchema, (given: never) => api.evaluate(source, given)],
    ['Network.load', networkSchema, (given: never) => api.Network.load(source, given)],
    ['checkData', dataCheckSchema, (given: never) => api.checkData(given)],
  ] as const)('of each option of %s are refused by its name', async (_, schema, call) => {
    const never = hostile.filter(([name]) => /BigInt|symbol|NaN|null|function|proxy|getter/.test(name));
    for (const key of Object.keys(schema.shape)) {
      for (const [, value] of never) {
        const said = await failureOf(() => call({ [key]: value } as never));
        expect(said).toMatch(new RegExp(`^INVALID_OPTION (Option ${key} is .*: it must be |.* cannot be read: )`));
      }
    }
  });
});
