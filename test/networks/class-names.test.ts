import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { exportNetwork, loadCheckpoint, Network } from '../../src/index.js';
import { addon } from '../../src/native/addon.js';
import { type NamedTensor, toTensorMap } from '../../src/native/tensor.js';
import { writeSafetensors } from '../../src/networks/weights/safetensors.js';
import { encode, pattern } from '../data/generate.js';
import { cli, temporaryFolder, tinySource, write } from '../tiny.js';

const folder = temporaryFolder();
const network = 'mobilenet_v2';

/** A file with the weights of a network alone, as torchvision publishes them. */
async function nameless(classes: number, width = 1): Promise<string> {
  const file = join(temporaryFolder(), 'weights.safetensors');
  const weights = addon().initialise({ name: network, classes, width }, 1) as NamedTensor[];
  await writeSafetensors(file, toTensorMap(weights));
  return file;
}

let photo: string;
let imagenet: string;
beforeAll(async () => {
  photo = write(folder, 'photo.png', await encode(pattern(1, 40, 50), 40, 50, 'png'));
  imagenet = await nameless(1000);
});

describe("torchvision's network with 1,000 classes", () => {
  it("predicts ImageNet's names", async () => {
    const { classNames } = await Network.load(imagenet, { network });
    expect(classNames.length).toBe(1000);
    expect([0, 1, 281, 999].map((k) => classNames[k])).toEqual(['tench', 'goldfish', 'tabby', 'toilet tissue']);
    const { stdout } = await cli(['predict', photo, '--checkpoint', imagenet, '--network', network, '--json']);
    const [{ label, index }] = JSON.parse(stdout);
    expect(label).toBe(classNames[index]);
  });

  it('exports them to ONNX, and leaves a checkpoint without names', async () => {
    const [onnx, plain] = [join(folder, 'a.onnx'), join(folder, 'a.safetensors')];
    await exportNetwork(imagenet, { network, to: 'onnx', out: onnx });
    expect(readFileSync(onnx, 'latin1')).toContain('["tench","goldfish",');
    await exportNetwork(imagenet, { network, to: 'safetensors', out: plain });
    expect((await loadCheckpoint(plain)).classNames).toBeUndefined();
  });

  it.each<[string, number, number]>([
    ['another number of classes', 999, 1],
    ['another width', 1000, 0.5],
  ])('but not with %s', async (_, classes, width) => {
    const loaded = await Network.load(await nameless(classes, width), { network, width });
    expect(loaded.classNames[1]).toBe('1');
  });

  it('but not where the file has names', async () => {
    const loaded = await Network.load(await tinySource({ name: network, classes: 1000 }));
    expect(loaded.classNames[1]).toBe('class 1');
  });
});

describe('--class-names', () => {
  const names = (text: string | Uint8Array) => write(temporaryFolder(), 'names.txt', text);
  const predict = async (file: string) => {
    const args = ['predict', photo, '--checkpoint', await tinySource(), '--top', '4', '--json'];
    return cli([...args, '--class-names', file]);
  };

  it.each([
    ['lines', 'cat\ndog\nÖrn\nred fox\n'],
    ['lines of Windows', '\ufeffcat\r\ndog\r\nÖrn\r\nred fox'],
  ])('%s', async (_, text) => {
    const { stdout } = await predict(names(text));
    const [{ best }] = JSON.parse(stdout) as [{ best: { label: string; index: number }[] }];
    for (const { label, index } of best) expect(label).toBe(['cat', 'dog', 'Örn', 'red fox'][index]);
  });

  it.each([
    [' has 3 names, and the network 4 classes: give one name a line', 'cat\ndog\nfox\n'],
    [': line 2 is empty, where the name of a class is expected.', 'cat\n\ndog\nfox\n'],
    [' is not UTF-8: save it in that encoding.', Buffer.from('cat\nd\u00f6g\nfox\nowl\n', 'latin1')],
  ])('is refused:%s', async (message, text) => {
    const file = names(text);
    const { code, stderr } = await predict(file);
    expect(code).toBe(1);
    expect(stderr.startsWith(`error[INVALID_DATA]: ${file}${message}`)).toBe(true);
  });

  it('go into what export writes', async () => {
    const file = names('a\nb\nc\nd\n');
    for (const to of ['onnx', 'safetensors'] as const) {
      const out = join(temporaryFolder(), 'out');
      await exportNetwork(await tinySource(), { to, out, classNames: file });
      expect(readFileSync(out, 'latin1').replaceAll('\\"', '"')).toContain('["a","b","c","d"]');
    }
  });
});
