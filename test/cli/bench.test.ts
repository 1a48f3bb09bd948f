import { describe, expect, it } from 'vitest';
import { measureDecoding } from '../../src/bench/decoding.js';
import { cli } from '../tiny.js';

describe('bench', { timeout: 120_000 }, () => {
  it("prints each engine's times, memory and phases, and their ratio, as one JSON document", async () => {
    const outcome = await cli(['bench', '--case', 'demo', '--rounds', '1', '--inner-steps', '1', '--json']);
    expect(outcome.code).toBe(0);
    const result = JSON.parse(outcome.stdout);
    expect(result).toMatchObject({ case: 'demo', rounds: 1, innerSteps: 1, convolution: 'auto' });
    expect(result.cases.map((timing: { engine: string }) => timing.engine)).toEqual(['native', 'autograd']);
    const [native, autograd] = result.cases;
    for (const { seconds, imagesPerSecond, peakBytes, iterationBytes, phases } of result.cases) {
      expect(seconds.median).toBeGreaterThanOrEqual(seconds.min);
      expect(imagesPerSecond).toBeCloseTo(25 / seconds.min, 6);
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

  it('measures how fast large images are decoded', async () => {
    expect(await measureDecoding(32, 8)).toBeUndefined();
    expect(await measureDecoding(64, 8)).toBeGreaterThan(1);
  });
});
