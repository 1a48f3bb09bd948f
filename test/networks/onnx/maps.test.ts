import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { addon } from '../../../src/native/addon.js';
import type { NamedTensor } from '../../../src/native/tensor.js';
import { exportNetwork } from '../../../src/networks/export/export.js';
import { type OnnxOptions, readOnnx } from '../../../src/networks/onnx/model.js';
import { OnnxSession } from '../../../src/networks/onnx/session.js';
import { largest } from '../../../src/system/statistics.js';
import { describeWithPython } from '../../python.js';
import { temporaryFolder } from '../../tiny.js';
import { inputOf, networkWith, realImages, worst } from '../export/cases.js';
import { convNet, integers, type Model, mixedNet, node, someImages, tokenNet, writeModel } from './models.js';

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

/** 128×128, halved seven times. */
function poolNet(): Model {
  const halving = { kernel_shape: [2, 2], strides: [2, 2] };
  const pools = [1, 2, 3, 4, 5, 6, 7].map((k) =>
    node('AveragePool', [k === 1 ? 'images' : `pool${k - 1}`], `pool${k}`, halving),
  );
  return { shape: [1, 3, 128, 128], nodes: [...pools, node('Flatten', ['pool7'], 'logits', { axis: 1 })] };
}

const magnitude = (values: ArrayLike<number>): number => largest(Array.from(values, Math.abs));

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
      poolNet(),
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
    expect(magnitude(maps[0] as Float32Array)).toBeGreaterThan(0.1);
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
    expect(worst(whole, cast) / magnitude(whole)).toBeLessThan(1e-3);
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

  it('are refused where the graph fixes the number of images that its input leaves free', async () => {
    const { nodes, tensors = [] } = convNet();
    const fixing = [
      node('Reshape', ['second.relu', 'one'], 'again'),
      node('GlobalAveragePool', ['again'], 'pooled'),
      node('Flatten', ['pooled'], 'logits', { axis: 1 }),
    ];
    const all = { nodes: [...nodes.slice(0, 6), ...fixing], tensors: [...tensors, integers('one', 1, 6, 8, -1)] };
    const wrong = results(writeModel(all), someImages(2), 2, { maps: ['again'] });
    await expect(wrong).rejects.toMatchObject({ code: 'INVALID_WEIGHTS' });
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
    // The built-in network's last map of each side, from 2×2 on.
    const bySide = new Map(
      features.filter(({ shape }) => (shape[3] as number) > 1).map((each) => [each.shape[3], each]),
    );
    const session = await OnnxSession.open(model, 1);
    const seen = await session.run(inputOf(pixels, checkpoint, 'outside'), 4);
    await session.close();
    expect(model.maps.map(({ side }) => side)).toEqual([...bySide.keys()]);
    for (const [k, { values }] of [...bySide.values()].entries()) {
      expect(worst(seen.maps[k] as Float32Array, values) / magnitude(values)).toBeLessThan(1e-4);
    }
    expect(worst(seen.logits as Float32Array, logits?.values as Float32Array)).toBeLessThan(1e-4);
  });
});

/**
 * Exports torchvision's network with drawn weights and drawn statistics of batch norms, and writes what its modules make
 * of images, one file each, as B×C×H×W. ViT-B/16 has a quarter of its width: the graph is the same, the file is smaller.
 */
const program = `
import contextlib, numpy, os, torch, torchvision, warnings
warnings.simplefilter("ignore")
def answer(name, folder, *modules):
    torch.manual_seed(1)
    if name == "vit_b_16":
        network = torchvision.models.VisionTransformer(64, 16, 12, 12, 192, 768)
        # torchvision's head starts at zero.
        torch.nn.init.normal_(network.heads.head.weight)
    else:
        network = torchvision.models.get_model(name)
    network.eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.5, 2)
    axes = {"images": {0: "batch"}, "logits": {0: "batch"}}
    with contextlib.redirect_stdout(None):
        torch.onnx.export(network, torch.zeros(1, 3, 64, 64), os.path.join(folder, "model.onnx"), dynamo=False,
                          input_names=["images"], output_names=["logits"], dynamic_axes=axes)
    def save(file):
        def hook(module, given, made):
            if made.dim() == 3:
                made = made[:, 1:].transpose(1, 2).unflatten(2, (4, 4))
            made.contiguous().numpy().tofile(file)
        return hook
    for k, module in enumerate(modules):
        network.get_submodule(module).register_forward_hook(save(os.path.join(folder, str(k))))
    images = torch.from_numpy(numpy.fromfile(os.path.join(folder, "images"), dtype="<f4").reshape(2, 3, 64, 64))
    with torch.no_grad():
        return network(images).flatten().tolist()
`;

const clip = (k: number) => `/features/features.${k}/conv/conv.0/conv.0.2/Clip_output_0`;
const encoder = (k: number) => `/encoder/layers/encoder_layer_${k}/Add_1_output_0`;

/** For each network: the tensors that are taken by default, and the module that makes the same, where it is compared. */
const cases: Readonly<Record<string, readonly (readonly [tensor: string, module?: string])[]>> = {
  resnet18: [
    ['/relu/Relu_output_0', 'relu'],
    ...[1, 2, 3, 4].map((k) => [`/layer${k}/layer${k}.1/relu_1/Relu_output_0`, `layer${k}`] as const),
  ],
  resnet50: [
    ['/relu/Relu_output_0'],
    ...[3, 4, 6, 3].map((blocks, k) => {
      const [layer, last] = [`layer${k + 1}`, blocks - 1];
      return [`/${layer}/${layer}.${last}/relu_2/Relu_output_0`] as const;
    }),
  ],
  // The next stage's first block widens its map before its stride.
  mobilenet_v2: [[clip(2)], [clip(4)], [clip(7)], [clip(14)], ['/features/features.18/features.18.2/Clip_output_0']],
  // A stage's end after the norm before the next stage.
  convnext_tiny: [
    ...[2, 4, 6].map(
      (k) => [`/features/features.${k}/features.${k}.0/Transpose_1_output_0`, `features.${k}.0`] as const,
    ),
    ['/features/features.7/features.7.2/Add_output_0', 'features.7'],
  ],
  vit_b_16: [
    ...[2, 5, 8].map((k) => [encoder(k), `encoder.layers.encoder_layer_${k}`] as const),
    ['/encoder/ln/LayerNormalization_output_0', 'encoder.ln'],
  ],
};

describeWithPython("torchvision's networks as ONNX", ['torchvision', 'onnx'], program, (ask) => {
  it.each(Object.keys(cases))("%s: the maps that are taken, and PyTorch's values of them", async (name) => {
    const rows = cases[name] as (typeof cases)[string];
    const folder = temporaryFolder();
    const images = someImages(2, 64);
    writeFileSync(join(folder, 'images'), images);
    const modules = rows.flatMap(([, module]) => module ?? []);
    const logits = (await ask(name, folder, ...modules)) as number[];
    const model = await readOnnx(join(folder, 'model.onnx'), {});
    expect(model.maps.map((map) => map.name)).toEqual(rows.map(([tensor]) => tensor));
    const seen = await results(model.path, images, 2);
    expect(apart(seen.logits as Float32Array, logits)).toBeLessThan(1e-4);
    for (const k of modules.keys()) {
      const expected = new Float32Array(new Uint8Array(readFileSync(join(folder, String(k)))).buffer);
      expect(apart(seen.maps[k] as Float32Array, expected)).toBeLessThan(1e-4);
    }
    rmSync(folder, { recursive: true });
  });
});

/** How far values are from others, of the largest of these. */
const apart = (values: ArrayLike<number>, others: ArrayLike<number>): number =>
  worst(values, others) / magnitude(others);
