import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { exportNetwork, loadCheckpoint } from '../../src/index.js';
import { imagenetNormalisation, torchvisionNetworks } from '../../src/options/networks.js';
import { inputOf, networkWith, ownLogits, realImages, tolerance, worst } from '../networks/export/cases.js';
import { temporaryFolder } from '../tiny.js';
import { pythonHas, runPython } from './python.js';

/** Loads a state dict into torchvision's network, strictly, and runs it on images, float32 in a file. */
const program = `
import json, sys
import numpy, torch, torchvision
from safetensors.torch import load_file
name, path, images, size, classes = *sys.argv[1:4], int(sys.argv[4]), int(sys.argv[5])
network = torchvision.models.get_model(name, num_classes=classes)
network.load_state_dict(load_file(path), strict=True)
network.eval()
x = torch.from_numpy(numpy.fromfile(images, dtype="<f4").reshape(-1, 3, size, size))
with torch.no_grad():
    print(json.dumps(network(x).flatten().tolist()))
`;

/** Saves the state dict of torchvision's network, and prints its logits of images. */
const saving = `
import json, sys
import numpy, torch, torchvision
name, path, images, size, classes = *sys.argv[1:4], int(sys.argv[4]), int(sys.argv[5])
network = torchvision.models.get_model(name, num_classes=classes)
torch.save(network.state_dict(), path)
network.eval()
x = torch.from_numpy(numpy.fromfile(images, dtype="<f4").reshape(-1, 3, size, size))
with torch.no_grad():
    print(json.dumps(network(x).flatten().tolist()))
`;

describe.skipIf(!pythonHas('torchvision', 'safetensors'))(
  "torchvision (skipped without Debian's python3-torchvision and python3-safetensors)",
  // Python takes seconds to load torch, or many on a busy machine.
  { timeout: 180_000 },
  () => {
    it.each(torchvisionNetworks)('loads an exported %s strictly, and agrees with us', async (name) => {
      const checkpoint = networkWith(name, 1);
      const folder = temporaryFolder();
      const [out, images] = [join(folder, 'weights.safetensors'), join(folder, 'images')];
      await exportNetwork(checkpoint, { to: 'torchvision', out });
      const pixels = await realImages(5, checkpoint.size);
      writeFileSync(images, inputOf(pixels, checkpoint, 'outside'));
      const logits = await runPython(program, [name, out, images, String(checkpoint.size), '7']);
      expect(worst(logits as number[], await ownLogits(checkpoint, pixels))).toBeLessThan(tolerance);
      rmSync(folder, { recursive: true });
    });

    it.each(torchvisionNetworks)("reads torchvision's .pth file of a %s as it is", async (name) => {
      const folder = temporaryFolder();
      const [file, images] = [join(folder, 'weights.pth'), join(folder, 'images')];
      const pixels = await realImages(5, 64);
      writeFileSync(images, inputOf(pixels, { size: 64, normalisation: imagenetNormalisation }, 'outside'));
      const logits = await runPython(saving, [name, file, images, '64', '7']);
      const checkpoint = await loadCheckpoint(file, { network: name, size: 64, strict: true });
      const ours = await ownLogits(checkpoint, pixels);
      // An untrained resnet101 with running statistics of its start has logits of some thousands.
      const largest = Math.max(1, ...(logits as number[]).map(Math.abs));
      expect(worst(logits as number[], ours) / largest).toBeLessThan(tolerance);
      rmSync(folder, { recursive: true });
    });
  },
);
