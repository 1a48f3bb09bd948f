import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../setup/files.mjs';
import { type BenchCaseName, benchJob, isBilevel, iterationGflop } from '../../src/bench/cases.js';
import { cli } from '../tiny.js';

describe('bench', { timeout: 120_000 }, () => {
  it("prints each engine's times, memory and phases, and their ratio, as one JSON document", async () => {
    const flags = ['--rounds', '1', '--inner-steps', '1', '--device', 'cpu', '--batch', '8'];
    const outcome = await cli(['bench', '--case', 'demo', ...flags, '--json']);
    expect(outcome.code).toBe(0);
    const result = JSON.parse(outcome.stdout);
    const settings = { case: 'demo', rounds: 1, innerSteps: 1, convolution: 'auto', device: 'cpu', batch: 8 };
    expect(result).toMatchObject(settings);
    expect(result.cases.map((timing: { engine: string }) => timing.engine)).toEqual(['native', 'autograd']);
    const [native, autograd] = result.cases;
    const steps = ['source', 'real', 'virtual', 'cross-entropy', 'meta-objective', 'hypergradient', 'phi-step'];
    for (const { seconds, imagesPerSecond, peakBytes, iterationBytes, phases } of result.cases) {
      expect(seconds.median).toBeGreaterThanOrEqual(seconds.min);
      expect(imagesPerSecond).toBeCloseTo(8 / seconds.min, 6);
      expect(peakBytes).toBeGreaterThan(iterationBytes);
      expect(Object.keys(phases)).toEqual(expect.arrayContaining(steps));
    }
    expect(result.ratio).toBeCloseTo(autograd.seconds.min / native.seconds.min, 10);
    expect(result.machine.gemmGflops).toBeGreaterThan(0);
    expect(result.machine.bandwidthGBs).toBeGreaterThan(0);
  });

  it('counts the products of an iteration', () => {
    const settings = { device: 'cpu', threads: 1, convolution: 'auto', innerSteps: 2 } as const;
    const gflop = (name: BenchCaseName) =>
      iterationGflop(benchJob(name, 'native', settings), isBilevel(name) ? settings.innerSteps : undefined);
    // By hand from the shapes (bench/README.md): 1,137 of the target, 68 of matching, 18 of the source.
    expect(gflop('resnet32-vgg9')).toBeGreaterThan(1137 + 68);
    expect(gflop('resnet32-vgg9')).toBeLessThan(1250);
    expect(gflop('resnet34-resnet18-64') / gflop('resnet34-resnet18')).toBeCloseTo(8, 10);
    // A real step alone: 3 × (1.3 GFLOP of ResNet-20 at 64 pixels × 32 images / 4 + matching) and the source.
    const shapes = (64 * 64 * 16 + 32 * 32 * 32 + 16 * 16 * 64) * (64 + 128 + 256 + 512);
    expect(gflop('fm')).toBeGreaterThan((32 * 3 * 2 * shapes) / 1e9);
  });

  it('times feature matching, from a source that sees larger images, without virtual steps', async () => {
    // The compiled files: the process that measures memory needs them.
    const path = join(packageRoot, 'dist/bench/bench.js');
    const { bench } = (await import(path)) as typeof import('../../src/bench/bench.js');
    const settings = { device: 'cpu', batch: 2, threads: 1, convolution: 'auto', innerSteps: 2, rounds: 1 } as const;
    const { cases, innerSteps } = await bench('fm', { ...settings, engines: ['native'] });
    expect(Object.keys(cases[0]?.phases ?? {})).toEqual(['source', 'real']);
    expect(cases[0]?.seconds.min).toBeGreaterThan(0);
    expect(innerSteps).toBeUndefined();
  });
});
