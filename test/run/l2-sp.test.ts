import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadCheckpoint, transfer } from '../../src/index.js';
import { readSafetensors } from '../../src/networks/weights/safetensors.js';
import { floats } from '../native/tiny.js';
import { refusal } from '../outcomes.js';
import { newPath, tinyData, tinyOptions, tinySource } from '../tiny.js';

const data = tinyData();
const { pairs: _, ...others } = tinyOptions;
const start = await tinySource({ name: others.target, width: others.width, classes: 3 });

const train = (given: object) =>
  transfer({ ...others, data, method: 'l2-sp', targetInit: start, out: newPath(), ...given }).result;

/** ‖w − w⁰‖² of each parameter. */
async function distances(weights: Awaited<ReturnType<typeof loadCheckpoint>>['weights']): Promise<Map<string, number>> {
  const { weights: first } = await loadCheckpoint(start);
  return new Map(
    weights.map((tensor) => {
      const before = floats(first.find(({ name }) => name === tensor.name));
      const after = floats(tensor);
      return [tensor.name, after.reduce((sum, value, i) => sum + (value - (before[i] as number)) ** 2, 0)];
    }),
  );
}

describe('l2-sp', () => {
  it('stays near its start, but for the last layer, which is new; the start lies in the state', async () => {
    const free = await train({ l2SpAlpha: 0, l2SpBeta: 0 });
    const penalised = await train({ l2SpAlpha: 20, l2SpBeta: 0 });
    const [loose, tight] = [await distances(free.network.weights), await distances(penalised.network.weights)];
    for (const name of ['features.0.weight', 'features.1.weight', 'features.1.bias']) {
      expect([name, (tight.get(name) as number) < 0.5 * (loose.get(name) as number)]).toEqual([name, true]);
    }
    expect(tight.get('classifier.weight')).toBeGreaterThan(1e-3);
    const { tensors } = await readSafetensors(join(penalised.run, 'state.safetensors'));
    const { weights } = await loadCheckpoint(start);
    const given = weights.find(({ name }) => name === 'features.0.weight');
    expect(tensors.get('constant/l2-sp.features.0.weight')?.data).toEqual(given?.data);
  });

  it.each([
    [{ targetInit: undefined }, /^targetInit is missing/],
    [{ weightDecay: 1e-4 }, /l2-sp has no use for weightDecay:/],
    [{ sourceLicence: ['MIT', 'CC0'] }, /l2-sp starts from one network: give sourceLicence once/],
    [{ source: start }, /l2-sp has no use for source:.*targetInit/],
  ])('refuses %j', async (given, message) => {
    await expect(train(given)).rejects.toThrow(refusal('INVALID_OPTION', message));
  });
});
