import { describe, expect, it, test } from 'vitest';
import type { NamedTensor } from '../../src/native/addon.js';
import { type MethodName, methodNames } from '../../src/options/methods.js';
import { batch, batches, type Changes, differences, trained, unlabelled, values } from './iterations.js';

async function expectEqual(method: MethodName, changes: Changes = {}): Promise<void> {
  const by = await trained(method, changes);
  expect(differences(method, await by('native'), await by('autograd'))).toEqual([]);
}

describe('losses, θ, momentum and φ are, in float64, what automatic differentiation gives', () => {
  it.each(methodNames)('%s', (method) => expectEqual(method));

  it.each(['l2t-ww', 'lwf+at', 'l2-sp'] as const)('%s with weights of the classes and smoothed labels', (method) =>
    expectEqual(method, { settings: { labelSmoothing: 0.1 }, classWeights: [0.4, 2, 0, 1.6] }),
  );

  it.each(['kd', 'kd+l2t-ww'] as const)('%s of a source with another order of classes', (method) =>
    expectEqual(method, { settings: { labelSmoothing: 0.1, kdWeight: 0.7 }, sourceClasses: [2, 0, 3, 1] }),
  );

  it('l2t-ww with clipped gradients, a slower w, and decay to the start', () =>
    expectEqual('l2t-ww', { settings: { metaClip: 0.5, wLrRatio: 0.5, metaWeightDecay: 0.1 }, lambdaInit: 'equal' }));

  it('l2t-ww with another batch that judges φ, of fewer images', () =>
    expectEqual('l2t-ww', { images: batches('judge_', batch - 2) }));

  it.each(['l2t-ww', 'lwf+at', 'kd', 'sp', 'vid'] as const)('%s with as many images without labels', (method) =>
    expectEqual(method, { images: unlabelled(), settings: { labelSmoothing: 0.1 }, classWeights: [0.4, 2, 0, 1.6] }),
  );

  it('l2t-ww with images without labels, and others beside what judges φ', () =>
    expectEqual('l2t-ww', {
      images: [...batches('judge_', batch - 2), ...unlabelled(), ...unlabelled('judge_', batch - 2)],
    }));
});

const objective = (tensors: readonly NamedTensor[]) =>
  values(tensors.find(({ name }) => name === 'iteration0/meta/objective'))[0];

test('another judge, weights and smoothed labels change the meta-objective', async () => {
  const plain = objective(await (await trained('l2t-ww', {}))('autograd'));
  for (const changes of [
    { images: batches('judge_') },
    { images: unlabelled() },
    { classWeights: [0.4, 2, 0, 1.6] },
    { settings: { labelSmoothing: 0.1 } },
  ]) {
    expect(objective(await (await trained('l2t-ww', changes))('autograd'))).not.toBe(plain);
  }
});
