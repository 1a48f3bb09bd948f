import { afterEach, describe, expect, it, vi } from 'vitest';
import { readOnnx } from '../../../src/networks/onnx/model.js';
import { probe } from '../../../src/networks/onnx/probe.js';
import { temporaryFolder, write } from '../../tiny.js';
import { convNet, type Model, node, writeModel } from './models.js';

afterEach(() => vi.unstubAllEnvs());
const refused = (message: RegExp) => ({ code: 'INVALID_WEIGHTS', message: expect.stringMatching(message) });

describe('the process that reads a file', () => {
  const job = (path: string) => ({ path, sides: [16], maps: [] });
  /** Takes a second, and more than 64 MiB. */
  const slow = (): Model => {
    const steps = Array.from({ length: 60 }, (_, k) => node('Tanh', [k === 0 ? 'images' : `x${k - 1}`], `x${k}`));
    return { shape: [1, 3, 2048, 2048], nodes: [...steps, node('GlobalAveragePool', ['x59'], 'logits')] };
  };

  it('is ended after its time, and beyond its memory', async () => {
    const path = writeModel(slow());
    const late = refused(/took more than 0\.3 s: it is not used/);
    await expect(probe(job(path), 0, { spareMemory: 2 ** 33, maxTime: 300 })).rejects.toMatchObject(late);
    const large = refused(/took more than 0\.1 GiB of memory: it is not used/);
    await expect(probe(job(path), 0, { spareMemory: 2 ** 26, maxTime: 60_000 })).rejects.toMatchObject(large);
  });

  it('may crash', async () => {
    vi.stubEnv('NODE_OPTIONS', `--require=${write(temporaryFolder(), 'crash.cjs', 'process.abort()')}`);
    const crashed = refused(/ended the process by SIGABRT: it is not used/);
    await expect(readOnnx(writeModel(convNet()), {})).rejects.toMatchObject(crashed);
  });
});
