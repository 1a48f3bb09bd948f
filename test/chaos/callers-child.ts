/**
 * callers-child.ts FOLDER DATA: calls the API, and changes what it was given while the call goes on. Each job is a seed,
 * which determines the whole try.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import * as api from '../../src/index.js';
import { addon } from '../../src/native/addon.js';
import { imagenetNormalisation } from '../../src/options/networks.js';
import { encode, pattern } from '../data/generate.js';
import { tinyOptions, write } from '../tiny.js';
import { answer } from './children.js';
import { wrongError } from './codes.js';
import { tinyNetwork } from './damage/bases.js';
import { Draw } from './damage/draw.js';

export interface CallersJob {
  readonly seed: number;
}

export interface CallersAnswer {
  /** The kind, the call, and what was changed. */
  readonly what: string;
  readonly find?: string;
}

const [, , folder, data] = process.argv as [string, string, string, string];
/** The folder of the calls, and one to which the process changes. */
const [here, there] = [join(folder, 'here'), join(folder, 'there')];
for (const made of [here, there]) mkdirSync(made);
const original: api.Checkpoint = {
  network: tinyNetwork,
  size: 32,
  classNames: ['left', 'middle', 'right'],
  normalisation: imagenetNormalisation,
  weights: addon().initialise(tinyNetwork, 1),
};
const source = join(folder, 'source.safetensors');
await api.saveCheckpoint(source, original);
const network = await api.Network.load(source, { threads: 1 });
const trained = {
  ...tinyOptions,
  pairs: undefined,
  method: 'scratch',
  width: 1 / 16,
  epochs: 1,
  data: 'data',
} as const;
cpSync(data, join(here, 'data'), { recursive: true });
cpSync(source, join(here, 'source.safetensors'));
write(here, 'image.png', await encode(pattern(1, 40, 50), 40, 50, 'png'));
await api.transfer({ ...trained, data, out: join(here, 'finished') }).result;
const atStart = readdirSync(here);

/** Lets a drawn number of turns of the microtasks or of the event loop pass, most often none or a few. */
async function pass(draw: Draw): Promise<string> {
  const turns = draw.pick([0, 0, 1, 2, 5, 10, 50]);
  const long = draw.once(2);
  for (let turn = 0; turn < turns; turn++) await (long ? new Promise(setImmediate) : Promise.resolve());
  return `after ${turns} ${long ? 'turns of the loop' : 'microtasks'}`;
}

/** A try: its name without its kind, and what must hold. */
type Attempt = (draw: Draw, say: (what: string) => void) => Promise<void>;

function must(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

const weights: Attempt = async (draw, say) => {
  const given = structuredClone(original);
  const expected = structuredClone(original);
  const out = join(folder, 'written.safetensors');
  rmSync(out, { force: true });
  const name = draw.pick(['saveCheckpoint', 'exportNetwork'] as const);
  const changes: Record<string, () => void> = {
    'all weights': () => {
      for (const { data: bytes } of given.weights) bytes.fill(draw.pick([0, 1, 0x7f, 0xff]));
    },
    'one weight': () => draw.pick(given.weights).data.fill(1),
    'a transferred buffer': () => {
      const { buffer } = draw.pick(given.weights).data;
      structuredClone(buffer, { transfer: [buffer as ArrayBuffer] });
    },
    'the list': () => void (given.weights as unknown[]).pop(),
    'the names': () => void (given.classNames as string[]).push('another'),
    'the size': () => void Object.assign(given, { size: 64 }),
    'the network': () => void Object.assign(given.network, { name: 'vgg9_bn', classes: 7 }),
    'the normalisation': () => void Object.assign(given.normalisation.mean, { 0: 7 }),
  };
  const change = draw.pick(Object.keys(changes));
  say(`${name}, ${change}`);
  const writing =
    name === 'saveCheckpoint' ? api.saveCheckpoint(out, given) : api.exportNetwork(given, { to: 'safetensors', out });
  say(`${name}, ${change}, ${await pass(draw)}`);
  (changes[change] as () => void)();
  await writing;
  must(isDeepStrictEqual(await api.loadCheckpoint(out), expected), 'another network was written');
};

const images: Attempt = async (draw, say) => {
  const [side, count] = [32, draw.between(2, 5)];
  const fixed = Array.from({ length: count }, (_, seed) => ({ pixels: pattern(seed), height: side, width: side }));
  const [place, until] = [draw.below(count), draw.between(1, 6)];
  const key = draw.pick(['pixels', 'height', 'width', 'the entry'] as const);
  const other = draw.pick<unknown>([new Uint8Array(2 * 3 * side ** 2), new Uint8Array(7), 2 * side, 1, 'x', null]);
  const given: api.ImageInput[] = [...fixed];
  let reads = 0;
  const [target, property] = key === 'the entry' ? [given, place] : [{ ...fixed[place] }, key];
  const first = Reflect.get(target, property);
  Object.defineProperty(target, property, { get: () => (++reads <= until ? first : other) });
  if (key !== 'the entry') given[place] = target as api.ImageInput;
  say(`predict, ${key} changes after ${until} reads`);
  const [expected, found] = [await network.predict(fixed), await network.predict(given)];
  must(isDeepStrictEqual(found, expected), 'other predictions than of what was read first');
};

/** Calls with relative paths, and what they make. */
const located: Readonly<Record<string, { readonly call: () => Promise<unknown>; readonly made?: string }>> = {
  transfer: { call: () => api.transfer({ ...trained, out: 'run' }).result, made: 'run/best.safetensors' },
  'transfer without a folder': { call: () => api.transfer(trained).result, made: 'runs/vgg9_bn-scratch-1' },
  resumeOrStart: { call: () => api.resumeOrStart({ ...trained, out: 'tried' }).result, made: 'tried' },
  resume: { call: () => api.resume('finished').result },
  compare: {
    call: () => api.compare({ ...trained, method: undefined, methods: 'scratch', seeds: 1 } as api.CompareOptions),
    made: 'runs/compare-1/comparison.md',
  },
  evaluate: { call: () => api.evaluate('finished/best.safetensors', { data: 'data', threads: 1 }) },
  checkData: { call: () => api.checkData({ data: 'data' }) },
  'Network.load': { call: () => api.Network.load('source.safetensors', { threads: 1 }) },
  predict: { call: () => network.predict(['image.png']) },
  features: { call: () => network.features(['image.png']) },
  listImages: { call: () => api.listImages(['image.png', '*.png']) },
  saveCheckpoint: { call: () => api.saveCheckpoint('saved.safetensors', original), made: 'saved.safetensors' },
  exportNetwork: {
    call: () => api.exportNetwork('source.safetensors', { to: 'onnx', out: 'x.onnx' }),
    made: 'x.onnx',
  },
  report: { call: () => api.report('finished', { out: 'page.html' }), made: 'page.html' },
};

const directory: Attempt = async (draw, say) => {
  const name = draw.pick(Object.keys(located));
  const { call, made } = located[name] as (typeof located)[string];
  say(name);
  process.chdir(here);
  try {
    const calling = call();
    say(`${name}, ${await pass(draw)}`);
    process.chdir(there);
    await calling;
    must(made === undefined || existsSync(join(here, made)), `${made} was not made`);
    must(readdirSync(there).length === 0, `it made ${readdirSync(there)} elsewhere`);
  } finally {
    process.chdir(folder);
    for (const file of readdirSync(here).filter((each) => !atStart.includes(each)))
      rmSync(join(here, file), { recursive: true });
    for (const file of readdirSync(there)) rmSync(join(there, file), { recursive: true });
  }
};

const kinds = { weights, images, directory };

async function attempt({ seed }: CallersJob): Promise<CallersAnswer> {
  const draw = new Draw(seed);
  const kind = draw.weighted({ weights: 5, images: 5, directory: 1 });
  let what = '';
  const say = (now: string): void => {
    what = `${kind}: ${now}`;
    writeFileSync(join(folder, 'doing'), what);
  };
  say('to be called');
  try {
    await kinds[kind](draw, say);
  } catch (error) {
    return { what, find: wrongError(error) ?? `${error}` };
  }
  return { what };
}

answer(attempt);
