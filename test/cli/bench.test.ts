import { describe, expect, it } from 'vitest';
import { cli } from '../tiny.js';

describe('bench', { timeout: 120_000 }, () => {
  it("prints each engine's times, memory and phases, and their ratio, as one JSON document", async () => {
    const outcome = await cli(['bench', '--case', 'demo', '--rounds', '1', '--inner-steps', '1', '--json']);
    expect(outcome.code).toBe(0);
    const result = JSON.parse(outcome.stdout);
    expect(result).toMatchObject({ case: 'demo', rounds: 1, innerSteps: 1, convolution: 'auto' });
    expect(result.cases.map((timing: { engine: string }) => timing.engine)).toEqual(['native', 'autograd']);
    const [native, autograd] = result.cases;
    for (const { seconds, peakBytes, iterationBytes, phases } of result.cases) {
      expect(seconds.median).toBeGreaterThanOrEqual(seconds.min);
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
  });
});
