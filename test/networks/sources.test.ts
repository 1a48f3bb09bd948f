import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { evaluate, exportNetwork, loadCheckpoint, Network, transfer } from '../../src/index.js';
import type { Tensor } from '../../src/native/tensor.js';
import { networkIn } from '../../src/networks/checkpoint.js';
import { hashTensors } from '../../src/networks/weights/content-hash.js';
import { pattern } from '../data/generate.js';
import { temporaryFolder, tinyData, tinyOptions, tinySource } from '../tiny.js';
import { renamed } from './renamed.js';

const isLast = (name: string) => name.startsWith('fc.');
const otherHead: Tensor = { dtype: 'float32', shape: [7, 64], data: new Uint8Array(4 * 7 * 64) };

describe('a source without a last layer', async () => {
  const data = tinyData();
  const headless = await renamed(await tinySource(), (own) => (isLast(own) ? undefined : `backbone.${own}`), [
    ['head.weight', otherHead],
  ]);
  const network = 'resnet20';

  it('is recognised', async () => {
    expect(await networkIn(headless)).toMatchObject({ network });
    expect((await loadCheckpoint(headless, { network })).network.classes).toBe(0);
  });

  it.each(['fm', 'at', 'l2t-ww', 'sp', 'vid'] as const)('serves %s', async (method) => {
    const options = { ...tinyOptions, data, method, source: headless, sourceNetwork: network, epochs: 1 } as const;
    const { accuracy } = await transfer({ ...options, out: join(temporaryFolder(), 'run') }).result;
    expect(accuracy).toBeGreaterThanOrEqual(0);
  });

  it('gives the same result as with it', async () => {
    const source = await tinySource();
    const { pairs } = tinyOptions;
    const hashes = [];
    for (const file of [source, await renamed(source, (own) => (isLast(own) ? undefined : own))]) {
      const options = { ...tinyOptions, data, pairs, source: file, sourceNetwork: network, epochs: 1 } as const;
      const run = await transfer({ ...options, out: join(temporaryFolder(), 'run') }).result;
      hashes.push(hashTensors(run.network.weights));
    }
    expect(hashes[0]).toBe(hashes[1]);
  });

  it.each(['lwf', 'lwf+at', 'kd'] as const)('is refused for %s, which reads its outputs', async (method) => {
    const { pairs, ...others } = tinyOptions;
    const options = { ...others, ...(method === 'lwf+at' && { pairs }), data, method, source: headless } as const;
    const run = transfer({ ...options, sourceNetwork: network, out: join(temporaryFolder(), 'run') });
    await expect(run.result).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining(`${headless} has no last layer: use a file that has one, or a method`),
    });
  });

  it('has features, and no labels', async () => {
    const checkpoint = await loadCheckpoint(headless, { network });
    const loaded = Network.from(checkpoint);
    const image = { pixels: pattern(1), height: 32, width: 32 };
    expect((await loaded.features([image])).length).toBe(9);
    const refused = { code: 'WEIGHTS_MISMATCH', message: expect.stringContaining('has no last layer (fc.weight)') };
    await expect(loaded.predict([image])).rejects.toMatchObject(refused);
    await expect(evaluate(headless, { data, network })).rejects.toMatchObject(refused);
    const out = join(temporaryFolder(), 'out');
    await expect(exportNetwork(headless, { network, to: 'onnx', out })).rejects.toMatchObject(refused);
    await exportNetwork(headless, { network, to: 'safetensors', out });
    expect(hashTensors((await loadCheckpoint(out)).weights)).toBe(hashTensors(checkpoint.weights));
  });

  it('is a network to start from: the last layer starts anew', async () => {
    const options = { data, method: 'finetune', target: network, targetInit: headless, threads: 1, lr: 0.01 } as const;
    const run = transfer({ ...options, epochs: 1, batch: 6, out: join(temporaryFolder(), 'run') });
    expect((await run.result).network.network).toEqual({ name: network, classes: 3, width: 1 });
  });
});
