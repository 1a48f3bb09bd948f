import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Checkpoint, exportNetwork, loadCheckpoint, saveCheckpoint } from '../../../src/index.js';
import { toTensorMap } from '../../../src/native/tensor.js';
import { hashTensors } from '../../../src/networks/weights/content-hash.js';
import { writeSafetensors } from '../../../src/networks/weights/safetensors.js';
import { cli, temporaryFolder, write } from '../../tiny.js';
import { networkWith } from './cases.js';

const newFile = () => join(temporaryFolder(), 'exported');

/** A checkpoint with a hash for its weights: `toEqual` takes minutes for millions of bytes. */
const brief = ({ weights, ...about }: Checkpoint) => ({ ...about, weights: hashTensors(weights) });

describe('safetensors', () => {
  it('is the checkpoint in float32, with class names or without', async () => {
    const named = networkWith('vgg9_bn', 0.125);
    for (const checkpoint of [named, { ...named, classNames: undefined }]) {
      const out = newFile();
      await exportNetwork(checkpoint, { to: 'safetensors', out });
      expect(brief(await loadCheckpoint(out))).toEqual(brief(checkpoint));
    }
  });
});

describe('export', () => {
  let source: string;
  beforeAll(async () => {
    source = join(temporaryFolder(), 'source.safetensors');
    await saveCheckpoint(source, networkWith('resnet20', 0.25));
  });

  it('takes options from YAML, and says what it wrote', async () => {
    const folder = temporaryFolder();
    const out = join(folder, 'model');
    const config = write(folder, 'export.yaml', 'to: torchvision\nnormalise: inside\n');
    const { code, stdout } = await cli(['export', source, '--config', config, '--to', 'onnx', '--out', out, '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      ...{ file: out, format: 'onnx', bytes: readFileSync(out).length },
      ...{ network: 'resnet20', classes: 7, width: 0.25, size: 32 },
    });
    const again = await cli(['export', source, '--to', 'safetensors', '--out', out]);
    expect([again.code, again.stderr]).toEqual([
      1,
      `error[FILE_ACCESS]: Cannot write ${out}: it exists already: remove it, or choose another --out.\n`,
    ]);
  });

  it('says what is wrong, and leaves no file', async () => {
    const folder = temporaryFolder();
    const short = write(temporaryFolder(), 'short.safetensors', readFileSync(source).subarray(0, 20_000));
    const other = join(temporaryFolder(), 'other.safetensors');
    const weights = toTensorMap((await loadCheckpoint(source)).weights);
    await writeSafetensors(other, new Map([...weights].slice(1)));
    const [to, out] = [
      ['--to', 'onnx'],
      ['--out', join(folder, 'x')],
    ] as const;
    const wrong: [args: string[], message: RegExp][] = [
      [[source, ...out], /^error\[INVALID_OPTION\]: --to is missing/],
      [[source, ...to], /^error\[INVALID_OPTION\]: --out is missing/],
      [[source, '--to', 'onx', ...out], /--to is 'onx': it must be one of onnx, .* Did you mean 'onnx'\?/],
      [[source, '--to', 'safetensors', '--normalise', 'inside', ...out], /--normalise is for --to onnx/],
      [[source, ...to, ...out, '--network', 'resnet23'], /--network is 'resnet23': it must be one of/],
      [[source, ...to, ...out, '--network', 'resnet32'], /holds a resnet20, where a resnet32 is expected/],
      [[short, ...to, ...out], /^error\[INVALID_WEIGHTS\]: .* is no valid safetensors file: it is cut short/],
      [[other, ...to, ...out, '--network', 'resnet20'], /^error\[WEIGHTS_MISMATCH\]: .* lacks "conv1.weight"/],
      [[source, ...to, '--out', join(folder, 'no', 'x')], /^error\[FILE_ACCESS\]: Cannot write/],
    ];
    for (const [args, message] of wrong) expect((await cli(['export', ...args])).stderr).toMatch(message);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('checks a network in memory', async () => {
    const checkpoint = networkWith('resnet20', 0.25);
    const [first, ...rest] = checkpoint.weights as [Checkpoint['weights'][0], ...Checkpoint['weights']];
    const wrong: [weights: Checkpoint['weights'], message: RegExp][] = [
      [rest, /^The checkpoint lacks "conv1.weight"/],
      [[{ ...first, data: first.data.subarray(4) }, ...rest], /"conv1.weight" has 428 bytes, which are not those/],
    ];
    for (const [weights, message] of wrong) {
      const exported = exportNetwork({ ...checkpoint, weights }, { to: 'onnx', out: newFile() });
      await expect(exported).rejects.toMatchObject({
        code: 'WEIGHTS_MISMATCH',
        message: expect.stringMatching(message),
      });
    }
  });
});
