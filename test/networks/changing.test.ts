import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { type Checkpoint, exportNetwork, loadCheckpoint, saveCheckpoint } from '../../src/index.js';
import { temporaryFolder, tinySource } from '../tiny.js';

let loaded: Checkpoint;
beforeAll(async () => {
  loaded = await loadCheckpoint(await tinySource({ width: 1 / 16 }));
});

/** A checkpoint of its own, which `change` changes as an average of weights does, and more. */
function changing() {
  const mean: [number, number, number] = [0.5, 0.5, 0.5];
  const classNames = [...(loaded.classNames as readonly string[])];
  const network = { ...loaded.network };
  const weights = loaded.weights.map((tensor) => ({ ...tensor, data: new Uint8Array(tensor.data) }));
  const checkpoint = { ...loaded, network, classNames, normalisation: { ...loaded.normalisation, mean }, weights };
  const change = () => {
    classNames.push('another');
    mean[0] = 7;
    Object.assign(network, { name: 'vgg9_bn', classes: 7 });
    Object.assign(checkpoint, { size: 64 });
    for (const { data } of weights) data.fill(1);
    weights.pop();
  };
  return { checkpoint, change };
}

const calls: [string, (checkpoint: Checkpoint, out: string) => Promise<unknown>][] = [
  ['saveCheckpoint', (checkpoint, out) => saveCheckpoint(out, checkpoint)],
  ['exportNetwork', (checkpoint, out) => exportNetwork(checkpoint, { to: 'safetensors', out })],
];

it.each(calls.flatMap(([name, call]) => [0, 1, 10].map((ticks) => [name, ticks, call] as const)))(
  '%s writes the checkpoint of the moment of the call, though it changes %i ticks later',
  async (_name, ticks, call) => {
    const { checkpoint, change } = changing();
    const expected = structuredClone(checkpoint);
    const out = join(temporaryFolder(), 'network.safetensors');
    const writing = call(checkpoint, out);
    for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
    change();
    await writing;
    expect(await loadCheckpoint(out)).toEqual(expected);
  },
);

it('so does an export to ONNX', async () => {
  const { checkpoint, change } = changing();
  const [out, expected] = ['given.onnx', 'expected.onnx'].map((name) => join(temporaryFolder(), name)) as [
    string,
    string,
  ];
  await exportNetwork(checkpoint, { to: 'onnx', out: expected });
  const writing = exportNetwork(checkpoint, { to: 'onnx', out });
  change();
  await writing;
  expect(readFileSync(out).equals(readFileSync(expected))).toBe(true);
});

it('saveCheckpoint refuses what could not be loaded', async () => {
  const out = join(temporaryFolder(), 'network.safetensors');
  const { checkpoint } = changing();
  const [first, ...others] = checkpoint.weights;
  const nan = { ...(first as Checkpoint['weights'][number]), data: new Uint8Array(first?.data.length ?? 0).fill(255) };
  await expect(saveCheckpoint(out, { ...checkpoint, weights: others })).rejects.toMatchObject({
    code: 'WEIGHTS_MISMATCH',
  });
  await expect(saveCheckpoint(out, { ...checkpoint, weights: [nan, ...others] })).rejects.toMatchObject({
    code: 'INVALID_WEIGHTS',
  });
});
