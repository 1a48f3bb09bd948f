import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../setup/files.mjs';
import { exportNetwork, Network } from '../../src/index.js';
import { encode, pattern } from '../data/generate.js';
import { networkWith } from '../networks/export/cases.js';
import { temporaryFolder, write } from '../tiny.js';
import { mustRun, pythonHas } from './python.js';

const [, snippet = ''] =
  /```python\n(import json\n[\s\S]*?)```/.exec(readFileSync(join(packageRoot, 'docs/export.md'), 'utf8')) ?? [];

describe.skipIf(!mustRun && !pythonHas('onnxruntime', 'PIL', 'numpy'))(
  "the Python of docs/export.md (skipped without Debian's python3-onnxruntime and python3-pil)",
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
