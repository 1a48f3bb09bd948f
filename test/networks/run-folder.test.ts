import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { evaluate, exportNetwork, loadCheckpoint, Network, transfer } from '../../src/index.js';
import { cli, cliUntil, temporaryFolder, tinyData, tinyFlags, tinyOptions } from '../tiny.js';

const folder = temporaryFolder();
const data = tinyData(4);
const options = { ...tinyOptions, pairs: undefined, method: 'scratch', data, epochs: 1, report: false } as const;
const run = join(folder, 'run');
const { network, accuracy } = await transfer({ ...options, out: run }).result;
const image = { pixels: new Uint8Array(32 * 32 * 3).fill(90), height: 32, width: 32 };

it("a run's folder is its best network wherever a checkpoint is taken", async () => {
  expect(await loadCheckpoint(run)).toEqual(network);
  const [direct] = await Network.from(network).predict([image]);
  expect(await (await Network.load(run)).predict([image])).toEqual([direct]);
  const out = join(folder, 'run.onnx');
  expect(await exportNetwork(run, { to: 'onnx', out })).toMatchObject({ network: 'vgg9_bn', classes: 3 });
  // As the source and as the beginning of other runs.
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
  rmSync(join(folder, 'run.onnx'));
  const bare = join(folder, 'bare.safetensors');
  await exportNetwork(run, { to: 'safetensors', out: bare });
  await expect(evaluate(bare, {})).rejects.toThrow(/^data is missing/);
});

it('predict takes it first', async () => {
  const png = join(folder, 'image.png');
  const { default: sharp } = await import('sharp');
  writeFileSync(
    png,
    await sharp({ create: { width: 8, height: 8, channels: 3, background: '#888' } })
      .png()
      .toBuffer(),
  );
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
