import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../../setup/files.mjs';
import { type Checkpoint, exportNetwork, loadCheckpoint, Network, networkNames } from '../../../src/index.js';
import { encode, pattern } from '../../data/generate.js';
import { describeWithPython, mustRun, pythonHas } from '../../python.js';
import { temporaryFolder, write } from '../../tiny.js';
import { inputOf, networkWith, ownLogits, realImages, tolerance, worst } from './cases.js';

const published = join(packageRoot, '../shared/checkpoints/resnet32-tinyimagenet.pth.tar');
const newFile = () => join(temporaryFolder(), 'exported.onnx');
const cases = networkNames.flatMap((name) => [[name, 'outside'] as const, [name, 'inside'] as const]);

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
  it.each(cases)("of a %s, normalised %s, gives ONNX Runtime's logits of real images", async (name, normalise) => {
    await compareLogits(networkWith(name, 0.25), normalise);
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

  it.each([
    [32, '{"square":32}'],
    [64, '{"short_side":73,"crop":64}'],
    [224, '{"short_side":256,"crop":224}'],
  ])('says how images are fitted to %i pixels', async (size, rule) => {
    const out = newFile();
    await exportNetwork(networkWith('resnet18', 0.0625), { to: 'onnx', out, size });
    expect(readFileSync(out, 'latin1')).toContain(rule);
  });
});

/** Checks a model in full. */
const program = `
import onnx
shown = lambda value: [value.name, [each.dim_param or each.dim_value for each in value.type.tensor_type.shape.dim]]
def answer(path):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    return {
        "opset": [[entry.domain, entry.version] for entry in model.opset_import],
        "inputs": [shown(value) for value in model.graph.input],
        "outputs": [shown(value) for value in model.graph.output],
        "metadata": {entry.key: entry.value for entry in model.metadata_props},
    }
`;

describeWithPython("ONNX's checker", ['onnx'], program, (ask) => {
  it.each(cases)('accepts an exported %s, normalised %s', async (name, normalise) => {
    const checkpoint = networkWith(name, 0.25);
    const out = newFile();
    await exportNetwork(checkpoint, { to: 'onnx', out, normalise });
    const answer = (await ask(out)) as { readonly metadata: Readonly<Record<string, string>> };
    expect(answer).toMatchObject({
      opset: [['', 17]],
      inputs: [['images', ['batch', 3, checkpoint.size, checkpoint.size]]],
      outputs: [['logits', ['batch', 7]]],
      metadata: { network: name, size: String(checkpoint.size), normalise },
    });
    expect(JSON.parse(answer.metadata.class_names as string)).toEqual(checkpoint.classNames);
    expect(JSON.parse(answer.metadata.normalisation as string)).toEqual(checkpoint.normalisation);
  });
});

const [, snippet = ''] =
  /```python\n(import json\n[\s\S]*?)```/.exec(readFileSync(join(packageRoot, 'docs/predict.md'), 'utf8')) ?? [];

describe.skipIf(!mustRun && !pythonHas('onnxruntime', 'PIL', 'numpy'))(
  "the Python of docs/predict.md (skipped without Debian's python3-onnxruntime and python3-pil)",
  () => {
    it.each([
      ['resnet20', 40, 70],
      ['resnet18', 301, 200],
    ] as const)('sees an image as a %s of ours does', async (name, height, width) => {
      const folder = temporaryFolder();
      const checkpoint = networkWith(name, 0.25);
      await exportNetwork(checkpoint, { to: 'onnx', out: join(folder, 'first.onnx') });
      const photo = write(folder, 'photo.jpg', await encode(pattern(3, height, width), height, width, 'png'));
      const program = `${snippet}\nprint(json.dumps(images.flatten().tolist()))`;
      const lines = execFileSync('/usr/bin/python3', ['-c', program], {
        cwd: folder,
        encoding: 'utf8',
        stdio: 'pipe',
        maxBuffer: 2 ** 26,
      });
      const [label, images = ''] = lines.split('\n');
      const loaded = Network.from(checkpoint);
      const [prediction] = await loaded.predict([photo]);
      expect(label).toBe(prediction?.label);
      const { pixels } = await loaded.decode(photo);
      const { mean, std } = checkpoint.normalisation;
      const area = checkpoint.size ** 2;
      // LibTorch and Pillow round a few pixels to another level.
      const level = 1.01 / 255 / Math.min(...std);
      const theirs = JSON.parse(images) as number[];
      expect(theirs.length).toBe(3 * area);
      for (const [i, value] of theirs.entries()) {
        const [c, place] = [Math.floor(i / area), i % area];
        const ours = ((pixels[3 * place + c] as number) / 255 - (mean[c] as number)) / (std[c] as number);
        expect(Math.abs(value - ours)).toBeLessThan(level);
      }
    });
  },
);
