import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { exportNetwork, Network } from '../../src/index.js';
import { addon } from '../../src/native/addon.js';
import { toTensorMap } from '../../src/native/tensor.js';
import { loadCheckpoint, networkIn, saveCheckpoint } from '../../src/networks/checkpoint.js';
import { withHash } from '../../src/networks/weights/content-hash.js';
import { readSafetensors, writeSafetensors } from '../../src/networks/weights/safetensors.js';
import { networkNames } from '../../src/options/networks.js';
import { cli, temporaryFolder, tinyData, tinySource } from '../tiny.js';

const data = tinyData();
let described: string;
/** The same weights in a file that says nothing else. */
let plain: string;
beforeAll(async () => {
  described = await tinySource();
  plain = join(temporaryFolder(), 'plain.safetensors');
  await writeSafetensors(plain, toTensorMap((await loadCheckpoint(described)).weights));
});

const refused = (message: string) => ({ code: 'INVALID_OPTION', message: expect.stringContaining(message) });

describe('a checkpoint that does not say which network it holds', () => {
  it('is read as the network whose entries it has, with a note', async () => {
    const notes: string[] = [];
    const onNote = (message: string) => notes.push(message);
    expect((await Network.load(plain, { onNote })).spec).toEqual({ name: 'resnet20', classes: 4, width: 1 });
    expect(notes).toEqual([`${plain} has the entries of a resnet20`]);
    expect((await cli(['inspect', plain, '--width', '1'])).stdout).toMatch(/resnet20/);
  });

  it.each(networkNames)('is told by its entries: %s', async (name) => {
    const file = join(temporaryFolder(), 'plain.safetensors');
    const tensors = toTensorMap(addon().initialise({ name, classes: 3, width: 0.0625 }, 1));
    await writeSafetensors(file, tensors);
    expect((await networkIn(file, 0.0625)).network).toBe(name);
    const { network } = await loadCheckpoint(file, { network: name, width: 0.0625, strict: true });
    expect(network).toEqual({ name, classes: 3, width: 0.0625 });
  });

  it('names all networks where its entries fit none', async () => {
    const odd = join(temporaryFolder(), 'odd.safetensors');
    const weights = toTensorMap((await loadCheckpoint(described)).weights);
    await writeSafetensors(odd, new Map([...weights].filter(([name]) => name !== 'bn1.weight')));
    await expect(loadCheckpoint(odd)).rejects.toMatchObject(refused('give network, one of resnet20, '));
    await expect(loadCheckpoint(odd, { network: 'resnet20' })).rejects.toMatchObject({
      code: 'WEIGHTS_MISMATCH',
      message: `${odd} lacks "bn1.weight" of a resnet20: correct network or give another file.`,
    });
  });
});

describe('a checkpoint of another network than expected', () => {
  const scratch = ['transfer', '--method', 'scratch', '--data', data, '--target'];
  it.each<[string, (file: string) => string[]]>([
    ['--network', (file) => ['eval', file, '--data', data, '--network', 'resnet32']],
    ['--network', (file) => ['inspect', file, '--network', 'resnet32']],
    ['--network', (file) => ['predict', 'x.png', '--checkpoint', file, '--network', 'resnet32']],
    ['--target', (file) => [...scratch, 'resnet32', '--target-init', file]],
  ])('is told apart, and %s is what the verb calls it', async (flag, args) => {
    const message = `holds a resnet20, where a resnet32 is expected: correct ${flag} or give another file.\n`;
    for (const file of [plain, described]) {
      const { code, stderr } = await cli(args(file));
      expect([code, stderr]).toEqual([2, `error[INVALID_OPTION]: ${file} ${message}`]);
    }
  });

  it('is told apart, too, where its last layer has another name', async () => {
    const named = await tinySource({ name: 'mobilenet_v2', width: 0.0625 });
    const unnamed = join(temporaryFolder(), 'plain.safetensors');
    await writeSafetensors(unnamed, toTensorMap((await loadCheckpoint(named)).weights));
    for (const file of [named, unnamed]) {
      const loaded = loadCheckpoint(file, { network: 'resnet18', width: 0.0625 });
      await expect(loaded).rejects.toMatchObject(refused('holds a mobilenet_v2, where a resnet18 is expected'));
    }
  });

  it('or of another width', async () => {
    const width = ['--width', '0.5'];
    const verbs: [string, string[]][] = [
      ['--width', ['predict', 'x.png', '--checkpoint', described, ...width]],
      ['--width', [...scratch, 'resnet20', '--target-init', described, ...width]],
    ];
    for (const [flag, args] of verbs) {
      const message = `${described} has the width 1, where 0.5 is expected: correct ${flag} or give another file.\n`;
      expect((await cli(args)).stderr).toBe(`error[INVALID_OPTION]: ${message}`);
    }
    const args = ['predict', 'x.png', '--checkpoint', plain, '--network', 'resnet20', ...width];
    expect((await cli(args)).stderr).toMatch(/a resnet20 needs \[8, .*\]: check --network and --width\.\n$/);
  });
});

describe('metadata that the weights or the options contradict', () => {
  async function changed(file: string, entries: Record<string, string>): Promise<string> {
    const { tensors, metadata } = await readSafetensors(file);
    const said = new Map([...metadata, ...Object.entries(entries)]);
    const path = join(temporaryFolder(), 'changed.safetensors');
    await writeSafetensors(path, tensors, said.has('sha256') ? withHash(tensors, said) : said);
    return path;
  }
  const damaged = (entry: string) => ({
    code: 'INVALID_WEIGHTS',
    message: expect.stringContaining(`its metadata entry '${entry}' is damaged`),
  });

  it.each([
    ['size', { size: '7' }],
    ['size', { size: '1025' }],
    ['size', { size: '4096' }],
    ['classes', { classes: '5', class_names: '[]' }],
    ['classes', { classes: '1e15', class_names: '[]' }],
    ['classes', { classes: '3', class_names: '["a","b","c"]' }],
  ])('is refused: %s %j', async (entry, entries) => {
    const file = await changed(described, entries);
    await expect(loadCheckpoint(file)).rejects.toMatchObject(damaged(entry));
    await expect(networkIn(file)).rejects.toMatchObject(damaged(entry));
  });

  it('is read where it fits: no names, and the smallest and largest size', async () => {
    for (const size of [8, 1024]) {
      const file = await changed(described, { size: String(size), class_names: '[]' });
      expect(await loadCheckpoint(file)).toMatchObject({ size, classNames: undefined, network: { classes: 4 } });
    }
  });

  it('is refused in a file for torchvision, too', async () => {
    const exported = join(temporaryFolder(), 'exported.safetensors');
    await exportNetwork(await tinySource({ name: 'resnet18' }), { to: 'torchvision', out: exported });
    const file = await changed(exported, { size: '4096' });
    await expect(loadCheckpoint(file, { network: 'resnet18' })).rejects.toMatchObject(damaged('size'));
  });

  it('is not written', async () => {
    const checkpoint = await loadCheckpoint(described);
    const out = join(temporaryFolder(), 'new.safetensors');
    await expect(saveCheckpoint(out, { ...checkpoint, size: 4096 })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining("The checkpoint's size is"),
    });
  });
});
