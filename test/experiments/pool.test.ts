import { describe, expect, it } from 'vitest';
import { lanesFor, sideBySide } from '../../src/experiments/pool.js';
import { memoryOfRun } from '../../src/options/cost.js';

const paper = { batch: 128, size: 32, width: 1, parameters: 9.2e6, innerSteps: 2 };

describe('lanesFor', () => {
  it.each([
    { cores: 2, threads: 2, memory: 2 ** 40, lanes: 1 },
    { cores: 2, threads: 1, memory: 2 ** 40, lanes: 2 },
    { cores: 8, threads: 3, memory: 2 ** 40, lanes: 2 },
    { cores: 2, threads: 16, memory: 2 ** 40, lanes: 1 },
    { cores: 8, threads: 1, memory: 2.5 * memoryOfRun({ ...paper, threads: 1 }), lanes: 2 },
    { cores: 8, threads: 1, memory: 0, lanes: 1 },
  ])('$threads threads of $cores cores, $memory bytes: $lanes', ({ cores, threads, memory, lanes }) => {
    expect(lanesFor({ ...paper, threads }, { cores, memory })).toBe(lanes);
  });

  it('counts a run with no less than what was measured (bench/README.md)', () => {
    expect(memoryOfRun({ ...paper, threads: 2 })).toBeGreaterThan(1716e6);
    expect(memoryOfRun({ ...paper, batch: 8, size: 224, threads: 2 })).toBeGreaterThan(2145e6);
  });
});

describe('sideBySide', () => {
  const turn = () => new Promise((resolve) => setTimeout(resolve));

  it('begins in order, with no more under way than it may', async () => {
    const begun: number[] = [];
    let underWay = 0;
    await sideBySide(2, [0, 1, 2, 3, 4], undefined, async (item) => {
      begun.push(item);
      expect(++underWay).toBeLessThanOrEqual(2);
      await turn();
      underWay--;
    });
    expect(begun).toEqual([0, 1, 2, 3, 4]);
  });

  it('tells the others of a failure, begins nothing new, and throws the first once all have ended', async () => {
    const ended: number[] = [];
    const work = sideBySide(2, [0, 1, 2], undefined, async (item, signal) => {
      if (item === 1) throw new Error('first');
      while (!signal.aborted) await turn();
      ended.push(item);
      throw new Error('second');
    });
    await expect(work).rejects.toThrow('first');
    expect(ended).toEqual([0]);
  });

  it('hands the given signal on', async () => {
    const reason = new Error('enough');
    const work = sideBySide(1, [0], AbortSignal.abort(reason), async (_, signal) => signal.throwIfAborted());
    await expect(work).rejects.toBe(reason);
  });
});
