import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { networkNames, transfer } from '../../src/index.js';
import { addon, type NamedTensor, type NetworkSpec } from '../../src/native/addon.js';
import type { Case } from '../../tools/parity/case.js';
import { caseJob } from '../../tools/parity/inputs.js';
import { iterate } from '../../tools/parity/observe.js';
import { temporaryFolder, tinyData, tinySource } from '../tiny.js';

const width = 0.125;
const size = 64; // enough for all features of every network
const narrow = (network: NetworkSpec) => ({ ...network, width });

/** A whole iteration of L2T-ww, all to all, from generated tensors in float64. */
async function iteration(source: string, target: string, engine: 'native' | 'autograd') {
  const native = addon();
  const networks = [source, target].map((name) => ({ name, classes: 4, width }));
  const [from, to] = networks as [NetworkSpec, NetworkSpec];
  const pairs = native.pairs(from, size, to, size, 'all-to-all');
  const description: Case = {
    size,
    batch: 3,
    seed: 7,
    classes: 4,
    target,
    what: true,
    where: true,
    T: 2,
    beta: 0.5,
    lr: 1e-3,
    momentum: 0.9,
    weightDecay: 1e-4,
    method: 'l2t',
    iterations: 1,
    metaLr: 1e-4,
    metaWeightDecay: 1e-4,
    sources: [{ prefix: 'source.', network: source, classes: 4, pairs }],
  };
  const describeNarrow = (network: NetworkSpec, side: number) => native.describe(narrow(network), side);
  const settings = { dtype: 'float64', engine, convolution: 'auto', device: 'cpu', threads: 2 } as const;
  const job = caseJob({ ...native, describe: describeNarrow }, description, 'l2t-ww', settings);
  const sources = job.sources.map((entry) => ({ ...entry, network: narrow(entry.network) }));
  return iterate({ ...job, target: narrow(job.target), sources });
}

const values = ({ data }: NamedTensor) => new Float64Array(data.slice().buffer);

/** ‖a − b‖ / ‖b‖. */
function difference(a: NamedTensor, b: NamedTensor): number {
  const [x, y] = [values(a), values(b)];
  const norm = (of: Float64Array) => Math.hypot(...of);
  return norm(x.map((value, i) => value - (y[i] as number))) / Math.max(norm(y), 1e-12);
}

describe('any network may learn from any other', { timeout: 120_000 }, () => {
  it.each(networkNames)('into %s: an iteration in float64 is the same by either engine', async (target) => {
    for (const source of networkNames) {
      const [fast, truth] = [await iteration(source, target, 'native'), await iteration(source, target, 'autograd')];
      const worst = { name: '', error: 0 };
      for (const tensor of truth) {
        const same = fast.find(({ name }) => name === tensor.name) as NamedTensor;
        const error = tensor.dtype === 'float64' ? difference(same, tensor) : 0;
        if (error > worst.error) Object.assign(worst, { name: tensor.name, error });
      }
      expect(truth.some(({ name }) => name.startsWith('grad/'))).toBe(true);
      // Rounding, which batch norm over 3 × 2 × 2 places magnifies.
      expect(worst.error, `${source} to ${target}: ${worst.name}`).toBeLessThan(1e-8);
    }
  });

  it('a source for images of 224 pixels helps a target for images of 32', async () => {
    const source = await tinySource({ name: 'resnet34', width: 0.0625 }, { size: 224 });
    const options = { source, target: 'vgg9_bn', width: 0.0625, data: tinyData(2), epochs: 1, batch: 6 } as const;
    const result = await transfer({ ...options, lr: 1e-5, threads: 2, out: join(temporaryFolder(), 'run') }).result;
    expect(result.total).toBe(30);
  });
});
