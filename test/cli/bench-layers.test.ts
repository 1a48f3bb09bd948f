import { describe, expect, it } from 'vitest';
import { benchJob } from '../../src/bench/cases.js';
import { type benchLayers, type Layer, layerOf, totalOf } from '../../src/bench/layers.js';
import { addon } from '../../src/native/addon.js';
import { cli } from '../tiny.js';

const timing = { part: 'unit', name: '3→8 @4', operations: [], sweep: 'forward', calls: 2, seconds: 0.5 } as const;
const machine = { gemmGflops: 10, bandwidthGBs: 2 };

describe('bench --layers', { timeout: 120_000 }, () => {
  const settings = { threads: 1, convolution: 'auto', innerSteps: 2, batch: 4, rounds: 1 } as const;

  it('times all units of a case in all sweeps, as often as an iteration runs them, and all else', async () => {
    const flags = ['--case', 'demo', '--batch', '4', '--rounds', '1', '--threads', '1'];
    const outcome = await cli(['bench', '--layers', ...flags, '--json']);
    expect(outcome.code).toBe(0);
    const { layers, total, iteration } = JSON.parse(outcome.stdout) as Awaited<ReturnType<typeof benchLayers>>;
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
      expect(rows.map(({ name }) => name)).toEqual(names);
      expect(rows.map((layer) => layer.calls)).toEqual(names.map(() => calls));
    }
    expect(convolutions[0]?.operations).toEqual(['conv2d', 'batch_norm', 'relu', 'max_pool']);
    const parts = (part: string) => layers.filter((layer) => layer.part === part).map(({ name }) => name);
    expect(parts('source')).toEqual(['resnet20 @32']);
    expect(new Set(parts('matching'))).toEqual(
      new Set(['16→112 @32', '32→112 @16', '64→112 @8', '128→112 @4', '128→112 @2']),
    );
    expect(parts('vectors')).toEqual(['θ', 'θ', 'φ']);
    expect(total.share).toBeCloseTo(total.floor / total.seconds, 10);
    expect(iteration.seconds).toBeGreaterThan(iteration.rest);
  });

  it('counts products in the form that the backend takes, and a quarter of them in the Winograd domain', async () => {
    const flop = async (convolution: 'direct' | 'winograd') => {
      const { Bench } = addon();
      const job = benchJob('demo', 'native', { ...settings, device: 'cpu', convolution });
      const subject = new Bench({ ...job, layers: true });
      await subject.iterate();
      const of = (name: string, sweep: string) =>
        subject.layers().find((layer) => layer.name === name && layer.sweep === sweep)?.flop as number;
      return { forward: of('32→64 @8', 'forward'), product: of('32→64 @8', 'tangent-backward') };
    };
    const direct = await flop('direct');
    expect(direct.forward).toBe(2 * 4 * 64 * 9 * 32 * 64);
    expect(direct.product).toBe(4 * direct.forward);
    expect((await flop('winograd')).forward).toBe(direct.forward / 4);
  });

  it('finds the floor by the slower of products and memory, and weighs rows by their calls', () => {
    const products = layerOf({ ...timing, flop: 1e9, bytes: 1e6 }, machine);
    expect(products).toMatchObject({ floor: 0.1, bound: 'products', share: 0.2 });
    const memory = layerOf({ ...timing, calls: 1, flop: 0, bytes: 5e8 }, machine);
    expect(memory).toMatchObject({ floor: 0.25, bound: 'memory', share: 0.5 });
    const uncounted: Layer = layerOf({ ...timing, flop: 0, bytes: 0 }, machine);
    expect(uncounted.floor).toBeUndefined();
    expect(totalOf([products, memory, uncounted])).toEqual({ seconds: 1.5, floor: 0.45, share: 0.45 / 1.5 });
  });

  it('refuses what it does not read', async () => {
    expect(await cli(['bench', '--layers', '--engines', 'native', '--device', 'cpu'])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/--layers times the native engine on the CPU: leave out --engines, --device/),
    });
  });
});
