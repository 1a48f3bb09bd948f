import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { exportNetwork, loadCheckpoint } from '../../../src/index.js';
import { hashTensors } from '../../../src/networks/weights/content-hash.js';
import { readSafetensors } from '../../../src/networks/weights/safetensors.js';
import { imagenetNormalisation } from '../../../src/options/networks.js';
import { describeWithPython } from '../../python.js';
import { temporaryFolder } from '../../tiny.js';
import { inputOf, networkWith, ownLogits, realImages, tolerance, worst } from './cases.js';

const newFile = () => join(temporaryFolder(), 'exported.safetensors');

describe('an export for torchvision', () => {
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
    // We read the same values as torchvision.
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

/**
 * Loads a state dict strictly into torchvision's network, or saves that of a new one, and returns the network's logits
 * of images, float32 in a file.
 */
const program = `
import numpy, torch, torchvision
from safetensors.torch import load_file
def answer(todo, name, path, images, size):
    network = torchvision.models.get_model(name, num_classes=7)
    if todo == "load":
        network.load_state_dict(load_file(path), strict=True)
    else:
        torch.save(network.state_dict(), path)
    network.eval()
    x = torch.from_numpy(numpy.fromfile(images, dtype="<f4").reshape(-1, 3, size, size))
    with torch.no_grad():
        return network(x).flatten().tolist()
`;

// One of each: test/networks/torchvision.test.ts has the names of every network.
const families = ['resnet18', 'wide_resnet50_2', 'vgg11_bn', 'mobilenet_v2'] as const;

describeWithPython('torchvision', ['torchvision', 'safetensors'], program, (ask) => {
  it.each(families)('loads an exported %s strictly, and agrees with us', async (name) => {
    const checkpoint = networkWith(name, 1);
    const folder = temporaryFolder();
    const [out, images] = [join(folder, 'weights.safetensors'), join(folder, 'images')];
    await exportNetwork(checkpoint, { to: 'torchvision', out });
    const pixels = await realImages(5, checkpoint.size);
    writeFileSync(images, inputOf(pixels, checkpoint, 'outside'));
    const logits = await ask('load', name, out, images, checkpoint.size);
    expect(worst(logits as number[], await ownLogits(checkpoint, pixels))).toBeLessThan(tolerance);
    rmSync(folder, { recursive: true });
  });

  // The same names, from another kind of file.
  it.each(['resnet18', 'mobilenet_v2'] as const)("reads torchvision's .pth file of a %s as it is", async (name) => {
    const folder = temporaryFolder();
    const [file, images] = [join(folder, 'weights.pth'), join(folder, 'images')];
    const pixels = await realImages(5, 64);
    writeFileSync(images, inputOf(pixels, { size: 64, normalisation: imagenetNormalisation }, 'outside'));
    const logits = await ask('save', name, file, images, 64);
    const checkpoint = await loadCheckpoint(file, { network: name, size: 64, strict: true });
    const ours = await ownLogits(checkpoint, pixels);
    // An untrained resnet101 with running statistics of its start has logits of some thousands.
    const largest = Math.max(1, ...(logits as number[]).map(Math.abs));
    expect(worst(logits as number[], ours) / largest).toBeLessThan(tolerance);
    rmSync(folder, { recursive: true });
  });
});
