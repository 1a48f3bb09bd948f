import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type RunResult, resume, type TransferOptions, transfer } from '../../src/index.js';
import { readSafetensors } from '../../src/networks/weights/safetensors.js';
import { abortAt, contentsOf } from '../outcomes.js';
import { newPath, tinyData, tinyOptions, tinySource } from '../tiny.js';

const common = { ...tinyOptions, data: tinyData(), source: await tinySource() };
const train = (given: Partial<TransferOptions>) => transfer({ ...common, out: newPath(), ...given }).result;

/** The meta-networks of a run, by name. */
async function phiOf(run: string) {
  const { tensors } = await readSafetensors(join(run, 'state.safetensors'));
  return [...tensors].filter(([name]) => name.startsWith('phi/')).sort();
}

describe('--meta-init', { timeout: 120_000 }, () => {
  let first: RunResult;
  beforeAll(async () => {
    first = await train({ metaLr: 0.05, seed: 3 });
  }, 120_000);

  it("begins with the run's meta-networks, which --meta-lr 0 keeps, also over a resume", async () => {
    const phi = await phiOf(first.run);
    const frozen = { metaInit: first.run, metaLr: 0 };
    const { run } = await train(frozen);
    expect(await phiOf(run)).toEqual(phi);
    const out = newPath();
    await abortAt(
      (signal) => transfer({ ...common, ...frozen, out, signal }),
      ({ type }) => type === 'epoch',
    );
    await resume(out).result;
    expect(contentsOf(out, ['best.safetensors'])).toEqual(contentsOf(run, ['best.safetensors']));
  });

  it.each([
    [{ pairs: '2-0' }, /metaInit=.* is a run with other pairs, so/],
    [{ method: 'amounts-only' }, /is a run with the method l2t-ww/],
    [{ method: 'fm' }, /fm has no use for metaInit/],
    [{ metaInit: common.source }, /holds no run|is not a folder|options\.yaml/],
  ] as const)('refuses %j', async (given, message) => {
    await expect(train({ metaInit: first.run, ...given })).rejects.toThrow(message);
  });

  it('refuses a run with another source', async () => {
    const source = await tinySource({ classes: 5 });
    await expect(train({ metaInit: first.run, source })).rejects.toThrow(/is a run with other sources/);
  });
});
