import { ok } from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import * as api from '../../src/index.js';
import { encode, pattern } from '../data/generate.js';
import { tinyData, tinyOptions, write } from '../tiny.js';
import type { Part, Try } from './campaign.js';
import { checkpointOf } from './damage/bases.js';
import type { Draw } from './draw.js';
import { wrongError } from './processes.js';
import { detached } from './values.js';

const original = checkpointOf();
const once = { ...tinyOptions, pairs: undefined, method: 'scratch', width: 1 / 16, epochs: 1 } as const;
const trained = { ...once, data: 'data' };
const compared = { ...trained, method: undefined, methods: 'scratch', seeds: 1 } as api.CompareOptions;

/** Lets a drawn number of turns of the microtasks or of the event loop pass, most often none or a few. */
async function pass(attempt: Try): Promise<void> {
  const [turns, long] = [attempt.draw.pick([0, 0, 1, 2, 5, 10, 50]), attempt.draw.once(2)];
  attempt.doing(`${attempt.what}, after ${turns} ${long ? 'turns of the loop' : 'microtasks'}`);
  for (let turn = 0; turn < turns; turn++) await (long ? new Promise(setImmediate) : Promise.resolve());
}

/** test/networks/checkpoint.test.ts changes the rest of a checkpoint, just after the call. */
const changes: Readonly<Record<string, (weights: api.Checkpoint['weights'], draw: Draw) => unknown>> = {
  'all weights': (weights, draw) => {
    for (const { data } of weights) data.fill(draw.pick([0, 1, 0x7f, 0xff]));
  },
  'one weight': (weights, draw) => draw.pick(weights).data.fill(1),
  'a transferred buffer': (weights, draw) => detached(draw.pick(weights).data),
  'the list': (weights) => (weights as unknown[]).pop(),
};

async function weights(attempt: Try): Promise<void> {
  const { draw, folder } = attempt;
  const callArguments = structuredClone(original);
  const out = join(folder, 'written.safetensors');
  const change = draw.pick(Object.keys(changes));
  const saves = draw.once(2);
  attempt.doing(`weights: ${saves ? 'saveCheckpoint' : 'exportNetwork'}, ${change}`);
  const writing = saves
    ? api.saveCheckpoint(out, callArguments)
    : api.exportNetwork(callArguments, { to: 'safetensors', out });
  await pass(attempt);
  changes[change]?.(callArguments.weights, draw);
  await writing;
  ok(isDeepStrictEqual(await api.loadCheckpoint(out), original), 'another network was written');
}

async function images(attempt: Try, network: api.Network): Promise<void> {
  const { draw } = attempt;
  const [side, count] = [32, draw.between(2, 5)];
  const fixed = Array.from({ length: count }, (_, seed) => ({ pixels: pattern(seed), height: side, width: side }));
  const [place, until] = [draw.below(count), draw.between(1, 6)];
  const key = draw.pick(['pixels', 'height', 'width', 'the entry'] as const);
  const other = draw.pick<unknown>([new Uint8Array(2 * 3 * side ** 2), new Uint8Array(7), 2 * side, 1, 'x', null]);
  const images: api.ImageInput[] = fixed.map((image) => ({ ...image }));
  let reads = 0;
  const [target, property] = key === 'the entry' ? [images, place] : [images[place] as object, key];
  const first = Reflect.get(target, property);
  Object.defineProperty(target, property, { get: () => (++reads <= until ? first : other) });
  attempt.doing(`images: predict, ${key} changes after ${until} reads`);
  const [expected, found] = [await network.predict(fixed), await network.predict(images)];
  ok(isDeepStrictEqual(found, expected), 'other predictions than of what was read first');
}

/** Calls that read and write files for long; test/options/paths.test.ts has every call that takes a path. */
const calls: Readonly<Record<string, readonly [call: (network: api.Network) => Promise<unknown>, made?: string]>> = {
  transfer: [() => api.transfer({ ...trained, out: 'run' }).result, 'run/best.safetensors'],
  compare: [() => api.compare(compared), 'runs/compare-1/comparison.md'],
  evaluate: [() => api.evaluate('finished/best.safetensors', { data: 'data', threads: 1 })],
  predict: [(network) => network.predict(['image.png'])],
  exportNetwork: [() => api.exportNetwork('source.safetensors', { to: 'onnx', out: 'x.onnx' }), 'x.onnx'],
  report: [() => api.report('finished', { out: 'page.html' }), 'page.html'],
};

async function directory(attempt: Try, network: api.Network, here: string): Promise<void> {
  const name = attempt.draw.pick(Object.keys(calls));
  const [call, made] = calls[name] as (typeof calls)[string];
  attempt.doing(`directory: ${name}`);
  const atStart = readdirSync(here);
  process.chdir(here);
  try {
    const calling = call(network);
    await pass(attempt);
    process.chdir(attempt.folder);
    await calling;
    ok(made === undefined || existsSync(join(here, made)), `${made} was not made`);
    ok(readdirSync(attempt.folder).length === 0, `it made ${readdirSync(attempt.folder)} elsewhere`);
  } finally {
    process.chdir(here);
    for (const file of readdirSync(here).filter((each) => !atStart.includes(each))) rmSync(file, { recursive: true });
  }
}

const kinds = [...Array<typeof directory>(5).fill(weights), ...Array<typeof directory>(5).fill(images), directory];

/** The API is called, and what it was given changes while the call goes on. */
export const callers: Part<string> = {
  ...{ name: 'callers', module: import.meta.url, perHour: 3000, patience: 30 },
  prepare: async () => tinyData(4),
  async open(data, folder) {
    const here = join(folder, 'here');
    mkdirSync(here);
    cpSync(data, join(here, 'data'), { recursive: true });
    await api.saveCheckpoint(join(here, 'source.safetensors'), original);
    write(here, 'image.png', await encode(pattern(1, 40, 50), 40, 50, 'png'));
    await api.transfer({ ...trained, data, out: join(here, 'finished') }).result;
    const network = await api.Network.load(join(here, 'source.safetensors'), { threads: 1 });
    return async (attempt) => {
      const make = attempt.draw.pick(kinds);
      await make(attempt, network, here).catch((error) => attempt.find(wrongError(error) ?? `${error}`));
    };
  },
};
