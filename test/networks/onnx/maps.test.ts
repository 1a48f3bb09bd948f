import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { addon } from '../../../src/native/addon.js';
import type { NamedTensor } from '../../../src/native/tensor.js';
import { exportNetwork } from '../../../src/networks/export/export.js';
import { type OnnxOptions, readOnnx } from '../../../src/networks/onnx/model.js';
import { OnnxSession } from '../../../src/networks/onnx/session.js';
import { isOnnx } from '../../../src/options/sources.js';
import { cli, temporaryFolder } from '../../tiny.js';
import { inputOf, networkWith, realImages, worst } from '../export/cases.js';
import { convNet, type Model, mixedNet, node, someImages, tokenNet, writeModel } from './models.js';

/** The maps and logits of a model for images. */
async function results(path: string, images: Float32Array, batch: number, options: OnnxOptions = {}) {
  const session = await OnnxSession.open(await readOnnx(path, options), 1);
  try {
    return await session.run(images, batch);
  } finally {
    await session.close();
  }
}

/** Each map as "name channels@side layout skip". */
const taken = async (model: Model, options: OnnxOptions = {}): Promise<string[]> =>
  (await readOnnx(writeModel(model), options)).maps.map(
    ({ name, channels, side, layout, skip }) => `${name} ${channels}@${side} ${layout} ${skip}`,
  );

const largest = (values: Float32Array): number => Math.max(...values.map(Math.abs));

describe('feature maps of an ONNX file', () => {
  it.each<[string, Model, OnnxOptions, string[]]>([
    ['of each side the last that no path passes by', convNet(), {}, ['block 4@16 nchw 0', 'second.relu 6@8 nchw 0']],
    [
      'those that are named, in that order',
      convNet(),
      { maps: ['second', 'inner'] },
      ['second 6@8 nchw 0', 'inner 4@16 nchw 0'],
    ],
    [
      'channels first or last, map by map',
      mixedNet(),
      { maps: ['shifted', 'second'] },
      ['shifted 4@16 nhwc 0', 'second 6@8 nchw 0'],
    ],
    [
      'of tokens those at the quarters of the depth',
      tokenNet(8),
      {},
      [1, 3, 5, 7].map((k) => `block${k} 8@4 tokens 1`),
    ],
    [
      'all tokens of a network of three blocks',
      tokenNet(3),
      {},
      ['block0 8@4 tokens 1', 'block1 8@4 tokens 1', 'block2 8@4 tokens 1'],
    ],
    [
      'at most five sides, none of 1×1',
      (() => {
        const pools = [1, 2, 3, 4, 5, 6, 7].map((k) =>
          node('AveragePool', [k === 1 ? 'images' : `pool${k - 1}`], `pool${k}`, {
            kernel_shape: [2, 2],
            strides: [2, 2],
          }),
        );
        return { shape: [1, 3, 128, 128], nodes: [...pools, node('Flatten', ['pool7'], 'logits', { axis: 1 })] };
      })(),
      {},
      [32, 16, 8, 4, 2].map((side) => `pool${7 - Math.log2(side)} 3@${side} nchw 0`),
    ],
  ])('are %s', async (_, model, options, expected) => {
    expect(await taken(model, options)).toEqual(expected);
  });

  it('are the same as float32, B×C×H×W, from every layout', async () => {
    const path = writeModel(mixedNet());
    const images = someImages(2);
    const { maps } = await results(path, images, 2, { maps: ['first', 'last'] });
    expect(largest(maps[0] as Float32Array)).toBeGreaterThan(0.1);
    expect(maps[1]).toEqual(maps[0]);
    const tokens = await results(writeModel(tokenNet()), images, 2, { maps: ['patches', 'tokens', 'embedded'] });
    expect(tokens.maps[1]).toEqual(tokens.maps[0]);
    expect(tokens.maps[2]).toEqual(tokens.maps[0]);
  });

  it('are cast where they are float16', async () => {
    const { nodes, tensors } = convNet();
    const half = [...nodes.slice(0, 6), node('Cast', ['second.relu'], 'half', { to: 10 })];
    const path = writeModel({ nodes: half, tensors: tensors as object[], outputs: ['half'] });
    const { maps } = await results(path, someImages(1), 1, { maps: ['second.relu', 'half'] });
    const [whole, cast] = maps as [Float32Array, Float32Array];
    expect(worst(whole, cast) / largest(whole)).toBeLessThan(1e-3);
  });

  it('are those of all images where the file fixes their number', async () => {
    const images = someImages(5);
    const free = await results(writeModel(convNet()), images, 5);
    const model = await readOnnx(writeModel(convNet({ shape: [2, 3, 16, 16] })), {});
    expect(model.batch).toBe(2);
    const pieces = await results(model.path, images, 5);
    expect(pieces.maps.map((map, k) => worst(map, free.maps[k] as Float32Array) < 1e-5)).toEqual([true, true]);
    expect(worst(pieces.logits as Float32Array, free.logits as Float32Array)).toBeLessThan(1e-5);
  });

  it.each([
    ['resnet18', 0.25],
    ['resnet32', 1],
  ] as const)('of our own export of %s equal the built-in network’s', async (name, width) => {
    const checkpoint = networkWith(name, width);
    const out = join(temporaryFolder(), 'model.ONNX');
    await exportNetwork(checkpoint, { to: 'onnx', out });
    const pixels = await realImages(4, checkpoint.size);
    const model = await readOnnx(out, {});
    expect(model).toMatchObject({ size: checkpoint.size, classes: 7, classNames: checkpoint.classNames });
    expect(model.normalisation).toEqual(checkpoint.normalisation);
    const network = new (addon().Network)({ ...checkpoint, device: 'cpu', threads: 1 });
    const [logits, ...features] = (await network.infer(pixels, true)).map(({ data, shape }: NamedTensor) => ({
      shape,
      values: new Float32Array(data.slice().buffer),
    }));
    // Of each side the last, of at least 2×2: by the shapes of the built-in network's own maps.
    const bySide = new Map(
      features.filter(({ shape }) => (shape[3] as number) > 1).map((each) => [each.shape[3], each]),
    );
    const session = await OnnxSession.open(model, 1);
    const seen = await session.run(inputOf(pixels, checkpoint, 'outside'), 4);
    await session.close();
    expect(model.maps.map(({ side }) => side)).toEqual([...bySide.keys()]);
    for (const [k, { values }] of [...bySide.values()].entries()) {
      expect(worst(seen.maps[k] as Float32Array, values) / largest(values)).toBeLessThan(1e-4);
    }
    expect(worst(seen.logits as Float32Array, logits?.values as Float32Array)).toBeLessThan(1e-4);
  });
});

describe('the input of an ONNX file', () => {
  const free = convNet({ shape: ['batch', 'channels', 'height', 'width'] });
  const metadata = (normalise: string) => ({
    normalise,
    normalisation: JSON.stringify({ mean: [0, 0, 0.5], std: [1, 1, 0.25] }),
  });
  const clip = { mean: [0.48145466, 0.4578275, 0.40821073], std: [0.26862954, 0.26130258, 0.27577711] };
  const preprocessor = {
    image_mean: [0.5, 0.5, 0.5],
    image_std: [0.5, 0.5, 0.25],
    rescale_factor: 1 / 255,
    crop_size: { height: 24, width: 24 },
    size: 32,
    unknown: 'x',
  };

  it.each<[string, Model, OnnxOptions, object | undefined, object]>([
    ["the file's side", convNet(), { otherSize: 32 }, undefined, { size: 16 }],
    ['the option', free, { size: 20, otherSize: 32 }, preprocessor, { size: 20 }],
    [
      "preprocessor_config.json's side",
      free,
      { otherSize: 32 },
      preprocessor,
      {
        size: 24,
        normalisationFrom: 'preprocessor_config.json',
        normalisation: { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.25] },
      },
    ],
    ["the target's side", free, { otherSize: 32 }, undefined, { size: 32 }],
    ['224 where the network refuses the target’s', tokenFixed(), { otherSize: 32 }, undefined, { size: 224 }],
    [
      'the option’s normalisation',
      convNet({ metadata: metadata('outside') }),
      { normalisation: 'clip' },
      preprocessor,
      { normalisation: clip },
    ],
    [
      'six numbers',
      convNet(),
      { normalisation: [1, 2, 3, 4, 5, 6] },
      undefined,
      { normalisation: { mean: [1, 2, 3], std: [4, 5, 6] } },
    ],
    [
      "the metadata's normalisation",
      convNet({ metadata: metadata('outside') }),
      {},
      preprocessor,
      { normalisation: { mean: [0, 0, 0.5], std: [1, 1, 0.25] } },
    ],
    [
      'none where the graph normalises',
      convNet({ metadata: metadata('inside') }),
      {},
      preprocessor,
      { normalisation: { mean: [0, 0, 0], std: [1, 1, 1] } },
    ],
    [
      'bytes',
      convNet(),
      {},
      { image_mean: [0, 0, 0], image_std: [1, 1, 1], rescale_factor: 1 },
      { normalisation: { mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] } },
    ],
    [
      "ImageNet's",
      convNet(),
      {},
      undefined,
      { normalisation: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } },
    ],
  ])('has %s', async (_, model, options, beside, expected) => {
    const path = writeModel(model);
    if (beside) writeFileSync(join(dirname(path), 'preprocessor_config.json'), JSON.stringify(beside));
    expect(await readOnnx(path, options)).toMatchObject(expected);
  });

  it('is known by the name of the file', () => {
    expect(['a.onnx', 'b.ONNX', 'onnx', 'c.onnx.pth'].map(isOnnx)).toEqual([true, true, false, false]);
  });
});

/** Its position embedding fits images of 224 pixels alone, which the file does not say. */
function tokenFixed(): Model {
  const { nodes, tensors = [] } = convNet();
  const flat = nodes.slice(0, 6);
  const rest = [node('Flatten', ['second.relu'], 'flat', { axis: 1 }), node('Reshape', ['flat', 'expected'], 'logits')];
  const expected = {
    name: 'expected',
    dims: [2],
    dataType: 7,
    rawData: new Uint8Array(BigInt64Array.from([1n, 75264n]).buffer),
  };
  return { shape: ['b', 3, 'h', 'w'], nodes: [...flat, ...rest], tensors: [...tensors, expected] };
}

describe('l2t-native inspect', () => {
  it('lists the maps, those that are taken, the input and the classes', async () => {
    const path = writeModel(tokenNet(8, { metadata: { class_names: JSON.stringify(['a', 'b', 'c', 'd', 'e']) } }));
    const { stdout, stderr } = await cli(['inspect', path]);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/input images: any number of images of 16×16\n/);
    expect(stdout).toMatch(/5 classes \(a, b, c, d, e\)/);
    expect(stdout).toMatch(/^block1 +8 +4×4 +tokens, without the first 1 +yes$/m);
    expect(stdout).toMatch(/^block2 +8 +4×4 +tokens, without the first 1$/m);
    const json = JSON.parse((await cli(['inspect', path, '--json'])).stdout);
    expect(json).toMatchObject({ size: 16, classes: 5, input: 'images', runtime: expect.stringMatching(/^1\.30\./) });
    expect(json.features.filter((each: { taken: boolean }) => each.taken)).toHaveLength(4);
  });

  it('refuses what only weights files need', async () => {
    const { stderr } = await cli(['inspect', writeModel(convNet()), '--network', 'resnet18']);
    expect(stderr).toMatch(/--network is for weights files/);
  });
});
