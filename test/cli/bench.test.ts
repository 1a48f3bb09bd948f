import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../setup/files.mjs';
import { type BenchCaseName, benchJob, isBilevel, iterationGflop } from '../../src/bench/cases.js';
import { measureDecoding } from '../../src/bench/decoding.js';
import { cli } from '../tiny.js';

describe('bench', { timeout: 120_000 }, () => {
  it("prints each engine's times, memory and phases, and their ratio, as one JSON document", async () => {
    const flags = ['--rounds', '1', '--inner-steps', '1', '--device', 'cpu', '--batch', '8'];
    const outcome = await cli(['bench', '--case', 'demo', ...flags, '--json']);
    expect(outcome.code).toBe(0);
    const result = JSON.parse(outcome.stdout);
    expect(result).toMatchObject({
      case: 'demo',
      rounds: 1,
      innerSteps: 1,
      convolution: 'auto',
      device: 'cpu',
      batch: 8,
    });
    expect(result.cases.map((timing: { engine: string }) => timing.engine)).toEqual(['native', 'autograd']);
    const [native, autograd] = result.cases;
    for (const { seconds, imagesPerSecond, peakBytes, iterationBytes, phases } of result.cases) {
      expect(seconds.median).toBeGreaterThanOrEqual(seconds.min);
      expect(imagesPerSecond).toBeCloseTo(8 / seconds.min, 6);
      expect(peakBytes).toBeGreaterThan(iterationBytes);
      expect(Object.keys(phases)).toEqual(
        expect.arrayContaining([
          'source',
          'real',
          'virtual',
          'cross-entropy',
          'meta-objective',
          'hypergradient',
          'phi-step',
        ]),
      );
    }
    expect(result.ratio).toBeCloseTo(autograd.seconds.min / native.seconds.min, 10);
    expect(result.machine.gemmGflops).toBeGreaterThan(0);
    expect(result.machine.bandwidthGBs).toBeGreaterThan(0);
    // Small images are decoded before training.
    expect(result.decodedPerSecond).toBeUndefined();
  });

  it('measures also where nobody follows the rounds', async () => {
    const settings = { device: 'cpu', batch: 2, threads: 1, convolution: 'auto', innerSteps: 1 } as const;
    // The compiled files: the process that measures memory needs them.
    const path = join(packageRoot, 'dist/bench/bench.js');
    const { bench } = (await import(path)) as typeof import('../../src/bench/bench.js');
    const { cases } = await bench('demo', { ...settings, engines: ['native'], rounds: 1 });
    expect(cases[0]?.seconds.min).toBeGreaterThan(0);
    expect(cases[0]?.seconds.min).toBeLessThan(60);
  });

  it('refuses a device that is not there', async () => {
    expect(await cli(['bench', '--device', 'tpu'])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^error\[INVALID_OPTION\]: Unknown --device 'tpu'/),
    });
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
    const flags = ['--rounds', '1', '--batch', '2', '--engines', 'native', '--threads', '1'];
    const outcome = await cli(['bench', '--case', 'fm', ...flags, '--json']);
    const result = JSON.parse(outcome.stdout);
    expect(Object.keys(result.cases[0].phases)).toEqual(['source', 'real']);
    expect(result.innerSteps).toBeUndefined();
    expect(await cli(['bench', '--case', 'fm', '--inner-steps', '2'])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/--case fm has no use for --inner-steps/),
    });
  });

  it('measures how fast large images are decoded', async () => {
    expect(await measureDecoding(32, 8)).toBeUndefined();
    expect(await measureDecoding(64, 8)).toBeGreaterThan(1);
  });

  it('lists a large set of images within the memory that 1.3 million files may take', async () => {
    const outcome = await cli(['bench', '--case', 'listing', '--images', '100000', '--json']);
    const { images, bytesPerImage, seconds } = JSON.parse(outcome.stdout);
    expect(images).toBe(100_000);
    // 1 GB for 1.3 million, with all that does not grow with the files.
    expect(bytesPerImage).toBeLessThan(1e9 / 1.3e6);
    expect(Object.keys(seconds)).toEqual(['list', 'fingerprint', 'split']);
    expect(await cli(['bench', '--case', 'listing', '--rounds', '2'])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/--case listing has no use for --rounds/),
    });
  });
});
