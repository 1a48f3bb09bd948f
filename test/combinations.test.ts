import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type EpochMetrics, type NetworkName, transfer } from '../src/index.js';
import { temporaryFolder, tinyData, tinySource } from './tiny.js';

/** Networks at sides, in pixels, that are enough for all their features. */
const networks = [
  ['resnet20', 32],
  ['resnet32', 32],
  ['vgg9_bn', 32],
  ['resnet18', 64],
  ['resnet34', 64],
] as const;
/** The last sees its own size, whatever the target's. */
const sources = [...networks, ['resnet34', 224]] as const;

let data: string;
beforeAll(() => {
  data = tinyData(2);
});

describe('L2T-ww, a step of it by either engine', { timeout: 120_000 }, () => {
  it.each(networks)('%s at %i pixels learns from every network', async (target, size) => {
    const gradients: number[] = [];
    for (const [name, sourceSize] of sources) {
      const step = await bothEngines(await smallSource(name, sourceSize), { target, size });
      expect(step.lossMatching, name).toBeLessThan(1e-4);
      expect(step.metaObjective, name).toBeLessThan(1e-3);
      gradients.push(step.gradPhi);
    }
    // A ReLU that rounding flips moves ∇φ visibly: one or two of these may be off.
    expect(gradients.sort((a, b) => a - b)[2]).toBeLessThan(1e-3);
  });
});

const smallSource = (name: NetworkName, size: number) => tinySource({ name, width: 0.0625 }, { size });

/** By how much the two differ, relatively. */
async function bothEngines(source: string, options: { target: NetworkName; size: number }) {
  const step = async (engine: 'native' | 'autograd') => {
    const small = { ...options, source, data, engine, width: 0.0625, epochs: 1, batch: 6, threads: 1 };
    // Untrained sources have large features: the virtual steps must stay small.
    const { run } = await transfer({ ...small, lr: 1e-5, out: join(temporaryFolder(), 'run') }).result;
    return JSON.parse(readFileSync(join(run, 'metrics.jsonl'), 'utf8')) as Required<EpochMetrics>;
  };
  const [native, autograd] = [await step('native'), await step('autograd')];
  const difference = (key: 'lossMatching' | 'metaObjective' | 'gradPhi') => Math.abs(native[key] / autograd[key] - 1);
  return {
    lossMatching: difference('lossMatching'),
    metaObjective: difference('metaObjective'),
    gradPhi: difference('gradPhi'),
  };
}
