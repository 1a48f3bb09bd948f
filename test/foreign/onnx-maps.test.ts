import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readOnnx } from '../../src/networks/onnx/model.js';
import { OnnxSession } from '../../src/networks/onnx/session.js';
import { largest } from '../../src/system/statistics.js';
import { worst } from '../networks/export/cases.js';
import { someImages } from '../networks/onnx/models.js';
import { temporaryFolder } from '../tiny.js';
import { describeWithPython } from './python.js';

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
    const session = await OnnxSession.open(model, 1);
    const seen = await session.run(images, 2);
    await session.close();
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
  worst(values, others) / largest(Array.from(others, Math.abs));
