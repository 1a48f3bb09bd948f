import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { evaluate, exportNetwork, Network, transfer } from '../../src/index.js';
import { addon } from '../../src/native/addon.js';
import { type Tensor, toTensorMap } from '../../src/native/tensor.js';
import { type Checkpoint, loadCheckpoint, networkIn, saveCheckpoint } from '../../src/networks/checkpoint.js';
import { describeNetwork } from '../../src/networks/describe.js';
import { withHash } from '../../src/networks/weights/content-hash.js';
import { readSafetensors, writeSafetensors } from '../../src/networks/weights/safetensors.js';
import { networkNames } from '../../src/options/networks.js';
import { inspectFile } from '../../src/report/inspect.js';
import { bitFlips } from '../damage.js';
import { encode, pattern } from '../data/generate.js';
import { cli, cliUntil, temporaryFolder, tinyData, tinyFlags, tinyOptions, tinySource, write } from '../tiny.js';
import { renamed } from './renamed.js';

const newFile = (name = 'network.safetensors') => join(temporaryFolder(), name);

const data = tinyData();
let described: string;
/** The same weights in a file that says nothing else. */
let plain: string;
beforeAll(async () => {
  described = await tinySource();
  plain = await renamed(described);
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
    const file = newFile();
    await writeSafetensors(file, toTensorMap(addon().initialise({ name, classes: 3, width: 0.0625 }, 1)));
    expect((await networkIn(file, 0.0625)).network).toBe(name);
    const { network } = await loadCheckpoint(file, { network: name, width: 0.0625, strict: true });
    expect(network).toEqual({ name, classes: 3, width: 0.0625 });
  });

  it("may be called by timm's name of a network", async () => {
    const spec = { name: 'mobilenet_v2', classes: 3, width: 0.1 };
    expect(describeNetwork({ ...spec, name: 'mobilenetv2_100' }).name).toBe(spec.name);
    const file = newFile();
    await writeSafetensors(file, toTensorMap(addon().initialise(spec, 1)));
    const { network } = await loadCheckpoint(file, { network: 'mobilenetv2_100', width: 0.1 });
    expect(network).toEqual(spec);
  });

  it('names all networks where its entries fit none', async () => {
    const odd = await renamed(described, (own) => (own === 'bn1.weight' ? undefined : own));
    await expect(loadCheckpoint(odd)).rejects.toMatchObject(refused('give network, one of resnet20, '));
    await expect(loadCheckpoint(odd, { width: 2 })).rejects.toMatchObject(refused(', or another width than 2.'));
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
    for (const file of [named, await renamed(named)]) {
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
    const path = newFile();
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
    const exported = newFile();
    await exportNetwork(await tinySource({ name: 'resnet18' }), { to: 'torchvision', out: exported });
    const file = await changed(exported, { size: '4096' });
    await expect(loadCheckpoint(file, { network: 'resnet18' })).rejects.toMatchObject(damaged('size'));
  });
});

describe('saveCheckpoint', () => {
  it('refuses what could not be loaded', async () => {
    const checkpoint = await loadCheckpoint(described);
    const [first, ...others] = checkpoint.weights as [Checkpoint['weights'][number], ...Checkpoint['weights']];
    const nan = { ...first, data: new Uint8Array(first.data.length).fill(255) };
    const wrong: [string, Partial<Checkpoint>][] = [
      ['INVALID_OPTION', { size: 4096 }],
      ['WEIGHTS_MISMATCH', { weights: others }],
      ['INVALID_WEIGHTS', { weights: [nan, ...others] }],
    ];
    for (const [code, changes] of wrong)
      await expect(saveCheckpoint(newFile(), { ...checkpoint, ...changes })).rejects.toMatchObject({ code });
  });

  // `npm run test:chaos -- --part callers` changes more, at other moments.
  it.each<[string, (checkpoint: Checkpoint, out: string) => Promise<unknown>]>([
    ['saveCheckpoint', (checkpoint, out) => saveCheckpoint(out, checkpoint)],
    ['export as safetensors', (checkpoint, out) => exportNetwork(checkpoint, { to: 'safetensors', out })],
    ['export as ONNX', (checkpoint, out) => exportNetwork(checkpoint, { to: 'onnx', out })],
  ])('%s writes the checkpoint of the moment of the call, though it changes afterwards', async (_name, call) => {
    const checkpoint = structuredClone(await loadCheckpoint(described));
    const [expected, out] = [newFile(), newFile()];
    await call(checkpoint, expected);
    const writing = call(checkpoint, out);
    (checkpoint.classNames as string[]).push('another');
    Object.assign(checkpoint.normalisation.mean, { 0: 7 });
    Object.assign(checkpoint.network, { name: 'vgg9_bn', classes: 7 });
    Object.assign(checkpoint, { size: 64 });
    for (const { data } of checkpoint.weights) data.fill(1);
    (checkpoint.weights as unknown[]).pop();
    await writing;
    expect(readFileSync(out).equals(readFileSync(expected))).toBe(true);
  });
});

describe('damaged weights', () => {
  const spec = { network: 'resnet20', width: 1 / 16 } as const;
  const common = { data, epochs: 1, threads: 1, lr: 0.01 } as const;
  const begin = { ...common, method: 'finetune', target: spec.network, width: spec.width } as const;
  const learn = { ...tinyOptions, ...common, sourceNetwork: spec.network, sourceWidth: spec.width } as const;
  let whole: string;
  beforeAll(async () => {
    whole = await tinySource({ width: spec.width, classes: 3 });
  });

  it.each<[string, (file: string) => Promise<unknown>]>([
    ['transfer, as a source', (source) => transfer({ ...learn, source, out: newFile('run') }).result],
    ['transfer, as a beginning', (targetInit) => transfer({ ...begin, targetInit, out: newFile('run') }).result],
    ['evaluate', (file) => evaluate(file, { ...spec, data })],
    ['Network.load', (file) => Network.load(file, spec)],
    ['exportNetwork', (file) => exportNetwork(file, { ...spec, to: 'onnx', out: newFile() })],
    ['inspect', (file) => inspectFile(file, spec)],
  ])('are refused by %s: a NaN, and a flipped bit', async (_verb, read) => {
    const { tensors } = await readSafetensors(whole);
    for (const name of ['block1.conv1.weight', 'bn1.running_var']) {
      const { data, ...rest } = tensors.get(name) as Tensor;
      const values = new Float32Array(data.slice().buffer).fill(Number.NaN, -1);
      const file = await renamed(whole, undefined, [[name, { ...rest, data: new Uint8Array(values.buffer) }]]);
      await expect(read(file)).rejects.toMatchObject({
        code: 'INVALID_WEIGHTS',
        message: expect.stringContaining(`${file}: "${name}" has numbers that are NaN or infinite`),
      });
    }
    const damaged = newFile();
    for (const flipped of bitFlips(readFileSync(whole), 3, 7)) {
      writeFileSync(damaged, flipped);
      await expect(read(damaged)).rejects.toMatchObject({ code: 'INVALID_WEIGHTS' });
    }
  });
});

describe("a run's folder", async () => {
  const folder = temporaryFolder();
  const options = { ...tinyOptions, pairs: undefined, method: 'scratch', data, epochs: 1, report: false } as const;
  const run = join(folder, 'run');
  const { network, accuracy } = await transfer({ ...options, out: run }).result;

  it('is its best network wherever a checkpoint is taken', async () => {
    expect(await loadCheckpoint(run)).toEqual(network);
    const image = { pixels: pattern(1), height: 32, width: 32 };
    const [direct] = await Network.from(network).predict([image]);
    expect(await (await Network.load(run)).predict([image])).toEqual([direct]);
    const out = newFile('run.onnx');
    expect(await exportNetwork(run, { to: 'onnx', out })).toMatchObject({ network: 'vgg9_bn', classes: 3 });
    // Other runs take the result as their source, and as their start.
    const learned = { ...options, method: 'fm', source: run, out: join(folder, 'fm') } as const;
    expect((await transfer(learned).result).total).toBe(30);
    const further = { ...options, method: 'finetune', targetInit: run, out: join(folder, 'further') } as const;
    expect((await transfer(further).result).total).toBe(30);
  });

  it("is evaluated on the run's test images where no data is given", async () => {
    const notes: string[] = [];
    const onNote = (message: string) => notes.push(message);
    expect(await evaluate(run, { onNote })).toMatchObject({ total: 30, accuracy });
    expect(notes).toEqual([`the data is the run's: ${data}`]);
    expect((await cli(['eval', run])).stdout).toContain('of 30)');
    const bare = newFile();
    await exportNetwork(run, { to: 'safetensors', out: bare });
    await expect(evaluate(bare, {})).rejects.toThrow(/^data is missing/);
  });

  it('is the first of the paths that predict takes', async () => {
    const png = write(folder, 'image.png', await encode(pattern(1), 32, 32, 'png'));
    const { code, stdout } = await cli(['predict', run, png, '--json']);
    expect([code, JSON.parse(stdout)[0].label]).toEqual([0, expect.stringMatching(/left|middle|right/)]);
  });

  it('of an unfinished run is the best so far, with a warning; before its first epoch it is refused', async () => {
    const out = join(folder, 'long');
    const args = ['transfer', '--data', data, '--method', 'scratch', ...tinyFlags, '--epochs', '100000', '--out', out];
    const flags = args.filter((word, k) => word !== '--pairs' && args[k - 1] !== '--pairs');
    const { child, ended } = await cliUntil(flags, /epoch +2\//);
    child.kill('SIGINT');
    await ended;
    const warnings: string[] = [];
    await loadCheckpoint(out, { onWarning: (message) => warnings.push(message) });
    expect(warnings).toEqual([`the run in ${out} is not finished: this is its best network so far`]);
    rmSync(join(out, 'best.safetensors'));
    await expect(loadCheckpoint(out)).rejects.toThrow(/holds a run that has saved no network yet/);
  });
});
