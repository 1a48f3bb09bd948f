import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Checkpoint, exportNetwork, loadCheckpoint, networkNames, saveCheckpoint } from '../../../src/index.js';
import { toTensorMap } from '../../../src/native/tensor.js';
import { hashTensors } from '../../../src/networks/weights/content-hash.js';
import { readSafetensors, writeSafetensors } from '../../../src/networks/weights/safetensors.js';
import { cli, temporaryFolder, write } from '../../tiny.js';
import { inputOf, networkWith, ownLogits, realImages, tolerance, worst } from './cases.js';

const published = fileURLToPath(
  new URL('../../../../shared/checkpoints/resnet32-tinyimagenet.pth.tar', import.meta.url),
);

const newFile = () => join(temporaryFolder(), 'exported');

/** A checkpoint with a hash for its weights: `toEqual` takes minutes for millions of bytes. */
const brief = ({ weights, ...about }: Checkpoint) => ({ ...about, weights: hashTensors(weights) });

/** Our logits of real images and ONNX Runtime's of the exported file, for one image and for five. */
async function compareLogits(checkpoint: Checkpoint, normalise: 'inside' | 'outside', source?: string) {
  const { size } = checkpoint;
  const out = newFile();
  const options = source === undefined ? {} : { network: checkpoint.network.name };
  await exportNetwork(source ?? checkpoint, { to: 'onnx', out, normalise, ...options });
  const session = await InferenceSession.create(out);
  expect([session.inputNames, session.outputNames]).toEqual([['images'], ['logits']]);
  for (const count of [1, 5]) {
    const pixels = await realImages(count, size);
    const images = new Tensor('float32', inputOf(pixels, checkpoint, normalise), [count, 3, size, size]);
    const { logits } = await session.run({ images });
    expect(logits?.dims).toEqual([count, checkpoint.network.classes]);
    const ours = await ownLogits(checkpoint, pixels);
    expect(worst(logits?.data as Float32Array, ours)).toBeLessThan(tolerance);
    // Logits that hardly differ would prove little.
    expect(Math.max(...ours) - Math.min(...ours)).toBeGreaterThan(100 * tolerance);
  }
}

describe('onnx', () => {
  it.each(networkNames)("of a %s gives ONNX Runtime's logits of real images", async (name) => {
    await compareLogits(networkWith(name, 0.25), 'outside');
  });

  it.each(networkNames)('of a %s with --normalise inside takes pixels', async (name) => {
    await compareLogits(networkWith(name, 0.25), 'inside');
  });

  it.skipIf(!existsSync(published))('of the published resnet32 (skipped without ../shared)', async () => {
    await compareLogits(await loadCheckpoint(published, { network: 'resnet32' }), 'outside', published);
  });

  it('holds what a user must know, and equal networks give equal bytes', async () => {
    const checkpoint = networkWith('resnet20', 0.25);
    const [a, b] = [newFile(), newFile()];
    await exportNetwork(checkpoint, { to: 'onnx', out: a });
    await exportNetwork(checkpoint, { to: 'onnx', out: b });
    expect(readFileSync(a)).toEqual(readFileSync(b));
    const text = readFileSync(a).toString('utf8');
    for (const part of ['l2t-native', JSON.stringify(checkpoint.classNames), 'resnet20', '"std":[0.25,0.2,0.3]']) {
      expect(text).toContain(part);
    }
  });

  it('with another size takes images of that size', async () => {
    await compareLogits({ ...networkWith('vgg9_bn', 0.25), size: 48 }, 'outside');
    const out = newFile();
    expect(await exportNetwork(networkWith('vgg9_bn', 0.25), { to: 'onnx', out, size: 48 })).toMatchObject({
      size: 48,
      bytes: readFileSync(out).length,
    });
  });
});

describe('safetensors', () => {
  it('is the checkpoint in float32, whatever its file was', async () => {
    const checkpoint = networkWith('vgg9_bn', 0.125);
    const out = newFile();
    await exportNetwork(checkpoint, { to: 'safetensors', out });
    expect(brief(await loadCheckpoint(out))).toEqual(brief(checkpoint));
  });

  it('keeps a network without class names readable', async () => {
    const nameless = { ...networkWith('vgg9_bn', 0.125), classNames: undefined };
    const out = newFile();
    await exportNetwork(nameless, { to: 'safetensors', out });
    expect(brief(await loadCheckpoint(out))).toEqual(brief(nameless));
  });
});

describe('torchvision', () => {
  it("has the network's own names, a count for each batch norm, and nothing else", async () => {
    const checkpoint = networkWith('resnet18', 1, 3);
    const out = newFile();
    await exportNetwork(checkpoint, { to: 'torchvision', out });
    const { tensors, metadata } = await readSafetensors(out);
    const counts = [...tensors].filter(([name]) => name.endsWith('num_batches_tracked'));
    expect(counts.length).toBe(20);
    for (const [, tensor] of counts) expect(tensor).toEqual({ dtype: 'int64', shape: [], data: new Uint8Array(8) });
    expect(tensors.size).toBe(122);
    expect(metadata.get('format')).toBe('pt');
    // What torchvision reads is what we read.
    const { weights, ...read } = await loadCheckpoint(out, { network: 'resnet18' });
    expect(hashTensors(weights)).toBe(hashTensors(checkpoint.weights));
    const { weights: _, ...written } = checkpoint;
    expect(read).toEqual(written);
  });

  it('is refused for a network that torchvision has not got, and for another width', async () => {
    const refusals = [
      [networkWith('vgg9_bn', 1), 'torchvision has no vgg9_bn (it has resnet18, resnet34, resnet50, '],
      [networkWith('resnet18', 0.25), "torchvision's resnet18 has the width 1, this one has 0.25"],
    ] as const;
    for (const [checkpoint, message] of refusals) {
      const out = newFile();
      await expect(exportNetwork(checkpoint, { to: 'torchvision', out })).rejects.toMatchObject({
        code: 'INVALID_OPTION',
        message: expect.stringContaining(message),
      });
      expect(existsSync(out)).toBe(false);
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
