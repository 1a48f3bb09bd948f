import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { type BenchResult, type Seconds, secondsOf } from '../../src/bench/bench.js';
import { type BenchCaseName, benchCases } from '../../src/bench/cases.js';
import { addon } from '../../src/native/addon.js';
import { saveCheckpoint } from '../../src/networks/checkpoint.js';
import { imagenetNormalisation } from '../../src/options/networks.js';
import type { State } from './state.js';

export interface Settings {
  /** Timed iterations of a turn; of training, timed epochs. */
  readonly iterations: number;
  readonly threads: number;
}

/** One turn of a state of the program: the seconds of an iteration of its native engine. */
export type Turn = (state: State, settings: Settings) => Promise<Seconds>;

/** How a case is timed. */
export interface Measurement {
  /** For people. */
  readonly how: string;
  readonly turn: Turn;
  /** Removes what was made for it. */
  readonly end: () => void;
}

/** By `bench` where all states know the case, else by training with `transfer`. */
export async function measurementOf(name: BenchCaseName, states: readonly State[]): Promise<Measurement> {
  const helps = await Promise.all(states.map(({ run }) => run('bench', '--help')));
  const known = helps.every((help) => new RegExp(`^ +${name}:`, 'm').test(help));
  return known ? byBench(name) : byTraining(name);
}

function byBench(name: BenchCaseName): Measurement {
  const turn: Turn = async ({ run }, { iterations, threads }) => {
    const flags = ['--engines', 'native', '--rounds', `${iterations}`, '--threads', `${threads}`, '--json'];
    const result = JSON.parse(await run('bench', '--case', name, ...flags)) as BenchResult;
    return (result.cases[0] as BenchResult['cases'][number]).seconds;
  };
  return { how: 'bench', turn, end: () => {} };
}

/** Steps of an epoch. */
const steps = 4;

/** Trains on generated images, from a source with initial weights. The first epoch warms up. */
async function byTraining(name: BenchCaseName): Promise<Measurement> {
  const { method, target, size, sourceSize = size, batch } = benchCases[name];
  const folder = mkdtempSync(join(tmpdir(), 'l2t-against-'));
  const end = () => rmSync(folder, { recursive: true, force: true });
  try {
    const [source, data] = [join(folder, 'source.safetensors'), join(folder, 'data')];
    await writeSource(name, source);
    await writeImages(data, target.classes, steps * batch, Math.max(size, sourceSize));
    const same = ['--method', method, '--pairs', 'all-to-all', '--source', source, '--data', data];
    const network = ['--target', target.name, '--width', `${target.width}`, '--size', `${size}`];
    const training = ['--batch', `${batch}`, '--lr', '0.001', '--device', 'cpu', '--save-every', '1000000'];
    const flags = [...same, ...network, ...training];
    let runs = 0;
    const turn: Turn = async ({ run }, { iterations, threads }) => {
      const out = join(folder, `run-${++runs}`);
      const length = ['--epochs', `${iterations + 1}`, '--threads', `${threads}`, '--out', out];
      await run('transfer', ...flags, ...length, ...(await withoutReport(run)));
      return timesOf(readFileSync(join(out, 'timing.jsonl'), 'utf8'));
    };
    return { how: `transfer --method ${method}, images decoded and saved as it trains`, turn, end };
  } catch (error) {
    end();
    throw error;
  }
}

/** An older state makes no report, and knows no such flag. */
const withoutReport = async (run: State['run']): Promise<string[]> =>
  (await run('transfer', '--help')).includes('--no-report') ? ['--no-report'] : [];

/** Seconds of a step, by epoch, without the first. */
export function timesOf(timing: string): Seconds {
  const lines = timing.trim().split('\n').slice(1);
  const seconds = lines.map((line) => {
    const epoch = JSON.parse(line) as { readonly seconds: number; readonly steps: number };
    return epoch.seconds / epoch.steps;
  });
  return secondsOf(seconds);
}

async function writeSource(name: BenchCaseName, path: string): Promise<void> {
  const { source: network, size, sourceSize = size } = benchCases[name];
  const classNames = Array.from({ length: network.classes }, (_, k) => `class ${k}`);
  const weights = addon().initialise(network, 1);
  await saveCheckpoint(path, { network, size: sourceSize, classNames, normalisation: imagenetNormalisation, weights });
}

/** Smooth images, which are decoded fast, in class folders. */
async function writeImages(folder: string, classes: number, count: number, side: number): Promise<void> {
  for (let k = 0; k < count; k++) {
    const inClass = join(folder, 'train', `class ${k % classes}`);
    mkdirSync(inClass, { recursive: true });
    const pixels = Uint8Array.from({ length: side * side * 3 }, (_, at) => (k * 37 + at / (side * 3)) & 255);
    const image = sharp(pixels, { raw: { width: side, height: side, channels: 3 } });
    await image.jpeg().toFile(join(inClass, `${k}.jpg`));
  }
}
