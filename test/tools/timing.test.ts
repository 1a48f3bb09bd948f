import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../setup/files.mjs';
import { benchJob } from '../../src/bench/cases.js';
import { addon } from '../../src/native/addon.js';
import { benchListing } from '../../tools/listing.js';
import { timeIterations } from '../../tools/parity/observe.js';
import { alternate, type State, stateIn, turn } from '../../tools/timing/against.js';
import { described, floorOf } from '../../tools/timing/costs.js';
import { benchLayers, totalOf } from '../../tools/timing/layers.js';
import { refusal } from '../outcomes.js';
import { temporaryFolder } from '../tiny.js';

describe('an iteration layer by layer', { timeout: 120_000 }, () => {
  const settings = { threads: 1, convolution: 'auto', innerSteps: 2, batch: 4 } as const;
  const machine = { gemmGflops: 10, bandwidthGBs: 2 };

  it('has all units of a case in all sweeps, as often as an iteration runs them, and all else', async () => {
    const { layers, total, iteration } = await benchLayers({ case: 'demo', rounds: 1, ...settings });
    for (const { seconds, calls, floor } of layers) {
      expect(seconds).toBeGreaterThan(0);
      expect(calls).toBeGreaterThan(0);
      expect(floor === undefined || floor > 0).toBe(true);
    }
    const convolutions = layers.filter(({ operations }) => operations[0] === 'conv2d');
    // VGG-9 at a quarter of its width. A real step, T + 1 virtual ones and the meta-objective; T + 1 adjoint steps, of
    // which the last needs no product.
    const shapes = ['3→16 @32', '16→32 @16', '32→64 @8', '64→64 @8', '64→128 @4', '128→128 @4'];
    const names = [...shapes, '128→128 @2', '128→128 @2'];
    for (const [sweep, calls] of [
      ['forward', 5],
      ['backward', 5],
      ['tangent', 3],
      ['tangent-backward', 2],
    ] as const) {
      const rows = convolutions.filter((layer) => layer.sweep === sweep);
      expect(rows.map((layer) => [layer.name, layer.calls])).toEqual(names.map((name) => [name, calls]));
    }
    expect(convolutions[0]?.operations).toEqual(['conv2d', 'batch_norm', 'relu', 'max_pool']);
    const parts = (part: string) => layers.filter((layer) => layer.part === part).map(({ name }) => name);
    expect(parts('source')).toEqual(['resnet20 @32']);
    const maps = ['16→112 @32', '32→112 @16', '64→112 @8', '128→112 @4', '128→112 @2'];
    expect(new Set(parts('matching'))).toEqual(new Set(maps));
    expect(parts('vectors')).toEqual(['θ', 'θ', 'φ']);
    expect(total.share).toBeCloseTo(total.floor / total.seconds, 10);
    expect(iteration.seconds).toBeGreaterThan(iteration.rest);
  });

  it('has the bits of one that is not timed, and counts products in the form that the backend takes', async () => {
    const run = (convolution: 'direct' | 'winograd', layers: boolean) => {
      const job = benchJob('demo', 'native', { ...settings, device: 'cpu', convolution });
      return timeIterations({ ...job, rounds: 1, layers });
    };
    const [direct, winograd] = [await run('direct', true), await run('winograd', true)];
    expect(winograd.state.length).toBeGreaterThan(50);
    const untimed = new Map((await run('winograd', false)).state.map(({ name, data }) => [name, Buffer.from(data)]));
    expect(winograd.state.filter(({ name, data }) => !untimed.get(name)?.equals(data))).toEqual([]);
    const flop = ({ layers }: typeof direct, sweep: string) =>
      described(layers, benchJob('demo', 'native', { ...settings, device: 'cpu' }), machine).find(
        (layer) => layer.name === '32→64 @8' && layer.sweep === sweep,
      )?.flop;
    const forward = 2 * 4 * 64 * 9 * 32 * 64;
    expect(flop(direct, 'forward')).toBe(forward);
    expect(flop(direct, 'tangent-backward')).toBe(4 * forward);
    expect(flop(winograd, 'forward')).toBe(forward / 4);
  });

  it('has a floor by the slower of products and memory, and rows weigh by their calls', () => {
    const layerOf = (flop: number, bytes: number, calls = 2) => ({
      ...{ calls, seconds: 0.5 },
      ...floorOf({ flop, bytes }, 0.5, machine),
    });
    const [products, memory, uncounted] = [layerOf(1e9, 1e6), layerOf(0, 5e8, 1), layerOf(0, 0)];
    expect(products).toMatchObject({ floor: 0.1, bound: 'products', share: 0.2 });
    expect(memory).toMatchObject({ floor: 0.25, bound: 'memory', share: 0.5 });
    expect(uncounted.floor).toBeUndefined();
    expect(totalOf([products, memory, uncounted])).toEqual({ seconds: 1.5, floor: 0.45, share: 0.45 / 1.5 });
  });
});

describe('two states of the program', { timeout: 60_000 }, () => {
  /** A checkout whose command prints what `script` says; `words` are the command's. */
  async function standIn(script: string): Promise<State> {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'dist'));
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ bin: { 'l2t-native': 'dist/main.cjs' } }));
    writeFileSync(join(folder, 'dist/main.cjs'), `const words = process.argv.slice(2);\n${script}`);
    return stateIn(folder);
  }

  it('take turns, and each begins every other round', async () => {
    const states = [await standIn(''), await standIn('')] as const;
    const [other, current] = states;
    const order: State[] = [];
    const times = new Map([
      [other, [4, 3, 6]],
      [current, [2, 1, 3]],
    ]);
    const result = await alternate(states, 3, async (state) => {
      order.push(state);
      const min = times.get(state)?.shift() as number;
      return { min, median: 2 * min };
    });
    expect(order).toEqual([other, current, current, other, other, current]);
    expect(result.other).toMatchObject({ min: 3, median: 8 });
    expect(result.ratio).toEqual({ min: 3, median: 2 });
  });

  it('are timed by their own bench, one engine alone', async () => {
    const prints = 'console.log(JSON.stringify({ cases: [{ seconds: { min: 1, median: words.length } }] }));';
    const words = 'bench --case demo --engines native --rounds 2 --threads 1 --json'.split(' ');
    const settings = { case: 'demo', rounds: 1, iterations: 2, threads: 1 } as const;
    expect(await turn(await standIn(prints), settings)).toEqual({ min: 1, median: words.length });
  });

  it('need a build each', async () => {
    await expect(stateIn(temporaryFolder())).rejects.toThrow(refusal('INVALID_OPTION', /holds no build of l2t-native/));
  });
});

it.skipIf(!addon().groups())('several processes are timed beside one', { timeout: 60_000 }, async () => {
  const words = 'tools/timing/ranks.ts --nproc 2 --batch 4 --rounds 1 --threads 2'.split(' ');
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', ...words], { cwd: packageRoot });
  expect(stdout).toMatch(/^2 processes, 1 thread each +\d/m);
  expect(stdout).toMatch(/a rank gives [1-9].* MB to 128 exchanges an iteration/);
});

it('a large set of images is listed within the memory that 1.3 million files may take', {
  timeout: 60_000,
}, async () => {
  const { images, bytesPerImage, seconds } = await benchListing(100_000);
  expect(images).toBe(100_000);
  // 1 GB for 1.3 million, with all that does not grow with the files.
  expect(bytesPerImage).toBeLessThan(1e9 / 1.3e6);
  expect(seconds).toHaveLength(3);
});
