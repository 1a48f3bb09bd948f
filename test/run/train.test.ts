import { copyFileSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { compare, exportNetwork, loadCheckpoint, resume, transfer } from '../../src/index.js';
import type { OnnxModel } from '../../src/networks/onnx/model.js';
import { requireSameRuntime, type Source } from '../../src/networks/sources.js';
import { readSafetensors } from '../../src/networks/weights/safetensors.js';
import type { SourceSpec } from '../../src/options/spec.js';
import { tokenNet, writeModel } from '../networks/onnx/models.js';
import { abortAt, contentsOf, failureOf, refusal } from '../outcomes.js';
import { cli, newPath, temporaryFolder, tinyData, tinyFlags, tinyOptions, tinySource } from '../tiny.js';

let data: string;
/** A network with tokens, as transformers have them, for images of 16 pixels. */
let tokens: string;
/** A ResNet-20 as a checkpoint, and as an ONNX file. */
let checkpoint: string;
let exported: string;

beforeAll(async () => {
  data = tinyData();
  tokens = writeModel(tokenNet());
  checkpoint = await tinySource({ width: 0.25 }, { names: ['right', 'left', 'middle'] });
  exported = join(temporaryFolder(), 'source.onnx');
  await exportNetwork(await loadCheckpoint(checkpoint), { to: 'onnx', out: exported });
});

const { pairs: _, ...options } = tinyOptions;

interface Epoch {
  readonly losses: Readonly<Record<string, number>>;
  readonly metaObjective: number;
  readonly pairs: readonly { readonly lambdaMean: number; readonly weightEntropy: number }[];
}
const epochsOf = (run: string): Epoch[] =>
  readFileSync(join(run, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

/** Losses, λ and entropies of w of a run's first epoch. */
function numbersOf(run: string): number[] {
  const [{ losses, metaObjective, pairs }] = epochsOf(run) as [Epoch];
  const all = [
    ...Object.values(losses),
    metaObjective,
    ...pairs.flatMap((pair) => [pair.lambdaMean, pair.weightEntropy]),
  ];
  return all.filter((value) => value !== undefined);
}

describe('a run whose source is an ONNX file', { timeout: 120_000 }, () => {
  it('of tokens trains through the command line, and shows what was learned', async () => {
    const run = newPath();
    const flags = [...tinyFlags.slice(0, tinyFlags.indexOf('--pairs')), '--source-maps', 'block1,block3'];
    const { code, stdout, stderr } = await cli([
      ...['transfer', '--source', tokens, '--data', data, '--out', run, '--pairs', '0-2,1-4', ...flags],
    ]);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^test accuracy /)]);
    expect(stderr).toContain(`${tokens}: images of 16 pixels, normalised by `);
    expect(epochsOf(run)[1]?.pairs).toMatchObject([{ pair: [0, 2] }, { pair: [1, 4] }]);
    expect(readFileSync(join(run, 'report.html'), 'utf8')).toContain('model.onnx');
    const shown = await cli(['inspect', run]);
    expect(shown.stdout).toMatch(/model\.onnx: onnx, .*images of 16×16/);
  });

  it('goes on after an interruption to the same bytes', async () => {
    const given = { ...options, metaBatch: 'other', source: tokens, data, batch: 3, epochs: 2, report: false } as const;
    const [whole, half] = [newPath(), newPath()];
    await transfer({ ...given, out: whole }).result;
    await abortAt(
      (signal) => transfer({ ...given, out: half, signal }),
      (event) => event.type === 'step' && event.epoch === 0 && event.step > 3,
    );
    await resume(half).result;
    expect(contentsOf(half)).toEqual(contentsOf(whole));
  });

  it.each(['l2t-ww', 'kd+fm'] as const)(
    '%s has the losses, λ and w of the network that it was exported from',
    async (method) => {
      const one = { ...options, method, data, perClass: 2, epochs: 1, report: false };
      const runs = [checkpoint, exported].map(async (source) => {
        const out = newPath();
        await transfer({ ...one, source, out }).result;
        return numbersOf(out);
      });
      const [ours, theirs] = (await Promise.all(runs)) as [number[], number[]];
      expect(theirs).toHaveLength(ours.length);
      // ONNX Runtime rounds otherwise: to some 1e-7.
      theirs.forEach((value, k) => {
        expect(Math.abs(value - (ours[k] as number))).toBeLessThan(1e-5 * Math.max(1e-3, Math.abs(ours[k] as number)));
      });
    },
  );

  it('differs from it after ten steps as another convolution does', async () => {
    const weightsOf = async (more: object) => {
      const out = newPath();
      await transfer({ ...options, data, perClass: 10, batch: 3, epochs: 1, lr: 1e-3, report: false, ...more, out })
        .result;
      const { tensors } = await readSafetensors(join(out, 'last.safetensors'));
      return [...tensors.values()].flatMap(({ dtype, data: bytes }) =>
        dtype === 'float32' ? [...new Float32Array(bytes.slice().buffer)] : [],
      );
    };
    const auto = await weightsOf({ source: checkpoint });
    const distance = (other: readonly number[]) =>
      auto.reduce((sum, value, k) => sum + (value - (other[k] as number)) ** 2, 0);
    const direct = distance(await weightsOf({ source: checkpoint, convolution: 'direct' }));
    expect(distance(await weightsOf({ source: exported }))).toBeLessThan(3 ** 2 * direct);
  });

  it('is a source of an experiment, beside a method that reads none', async () => {
    const given = { ...options, source: exported, data, methods: 'scratch,at', epochs: 1, seeds: 1 };
    const { rows } = await compare({ ...given, out: newPath() });
    expect(rows.map(({ label }) => label).sort()).toEqual(['at', 'scratch']);
  });

  it('does not go on with another file, or another number of threads', async () => {
    const source = join(temporaryFolder(), 'source.onnx');
    copyFileSync(exported, source);
    const out = newPath();
    await abortAt(
      (signal) => transfer({ ...options, method: 'fm', source, data, report: false, signal, out }),
      ({ type }) => type === 'step',
    );
    const again = (changes = {}) => failureOf(resume(out, changes).result);
    expect(await again({ threads: 2 })).toContain('go on with as many');
    rmSync(source);
    await exportNetwork(await loadCheckpoint(await tinySource()), { to: 'onnx', out: source });
    expect(await again()).toMatch(/changed since/);
    copyFileSync(exported, source);
    expect(await again()).toBe('nothing');
  });

  it('does not go on with another version of ONNX Runtime, which it names', () => {
    const now = { onnx: { runtime: '1.30.0' } as OnnxModel } as Source;
    const before = { sources: [{ onnx: { runtime: '1.29.0', maps: [] } } as unknown as SourceSpec], threads: 1 };
    expect(() => requireSameRuntime([now], before, 1)).toThrow(/npm install onnxruntime-node@1\.29\.0/);
  });

  it.each<[string, Record<string, unknown>, RegExp]>([
    ['trains the source', { sourceFinetune: 1 }, /trains the source/],
    ['names its network', { sourceNetwork: 'resnet20' }, /ONNX file, which says it itself/],
    ['names a tensor that it does not have', { sourceMaps: 'nothing' }, /has no tensor nothing/],
    ['normalises in an unknown way', { sourceNormalisation: '1,2' }, /one of imagenet, half, clip, none, bytes/],
  ])('is refused by what %s', async (_what, given, message) => {
    const out = newPath();
    const run = transfer({ ...options, source: exported, data, ...given, out });
    await expect(run.result).rejects.toThrow(refusal('INVALID_OPTION', message));
    expect(existsSync(out)).toBe(false);
  });

  it('is no network to start from, and options of ONNX files are of no others', async () => {
    const finetune = transfer({ ...options, target: 'resnet20', method: 'finetune', targetInit: exported, data });
    await expect(finetune.result).rejects.toThrow(/is an ONNX file/);
    const other = transfer({ ...options, source: checkpoint, sourceTokens: 1, data });
    await expect(other.result).rejects.toThrow(/about sources that are ONNX files/);
  });
});
