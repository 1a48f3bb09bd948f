import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { evaluate, exportNetwork, Network, transfer } from '../../src/index.js';
import type { DType, Tensor } from '../../src/native/tensor.js';
import { isFiniteInFloat32, toTensorMap } from '../../src/native/tensor.js';
import { loadCheckpoint } from '../../src/networks/checkpoint.js';
import { writeSafetensors } from '../../src/networks/weights/safetensors.js';
import { temporaryFolder, tinyData, tinyOptions, tinySource } from '../tiny.js';

const tensor = (dtype: DType, values: ArrayBufferView): Tensor => ({
  dtype,
  shape: [values.byteLength / { float32: 4, float64: 8, float16: 2, bfloat16: 2 }[dtype as 'float32']],
  data: new Uint8Array(values.buffer),
});
/** A million numbers, so that the last one is not among the first that are looked at. */
const many = 2 ** 20;
const last = <T extends { fill(value: number, from?: number): T }>(numbers: T, value: number): T =>
  numbers.fill(value, many - 1);

it.each<[string, boolean, Tensor]>([
  ['float32, the largest', true, tensor('float32', Float32Array.of(3.4028234e38, -3.4028234e38, -0, 1e-45))],
  ['float32, NaN at the end', false, tensor('float32', last(new Float32Array(many), Number.NaN))],
  ['float32, -Infinity', false, tensor('float32', last(new Float32Array(many), Number.NEGATIVE_INFINITY))],
  ['float64, the largest of float32', true, tensor('float64', Float64Array.of(3.4028234e38, -1e-300))],
  ['float64, beyond float32', false, tensor('float64', last(new Float64Array(many), 1e39))],
  ['float64, NaN', false, tensor('float64', Float64Array.of(0, Number.NaN))],
  ['float16, the largest', true, tensor('float16', Uint16Array.of(0x7bff, 0xfbff, 0x0001))],
  ['float16, infinity', false, tensor('float16', last(new Uint16Array(many), 0xfc00))],
  ['float16, NaN', false, tensor('float16', Uint16Array.of(0x7e00))],
  ['bfloat16, the largest', true, tensor('bfloat16', Uint16Array.of(0x7f7f, 0xff7f))],
  ['bfloat16, infinity', false, tensor('bfloat16', last(new Uint16Array(many), 0x7f80))],
])('%s: finite in float32 is %s', (_, finite, given) => {
  expect(isFiniteInFloat32(given)).toBe(finite);
  // The same at an odd address.
  const data = new Uint8Array(given.data.length + 1).subarray(1);
  data.set(given.data);
  expect(isFiniteInFloat32({ ...given, data })).toBe(finite);
});

describe('a weights file with a NaN', () => {
  const data = tinyData();
  const files: string[] = [];
  beforeAll(async () => {
    const tensors = toTensorMap((await loadCheckpoint(await tinySource({ width: 1 / 16, classes: 3 }))).weights);
    for (const name of ['block1.conv1.weight', 'bn1.running_var']) {
      const { shape, data: bytes } = tensors.get(name) as Tensor;
      const values = new Float32Array(bytes.slice().buffer).fill(Number.NaN, -1);
      const damaged = { dtype: 'float32', shape, data: new Uint8Array(values.buffer) } as const;
      const file = join(temporaryFolder(), 'nan.safetensors');
      await writeSafetensors(file, new Map([...tensors, [name, damaged]]));
      files.push(file);
    }
  });
  const says = { network: 'resnet20', width: 1 / 16 } as const;
  const common = { ...tinyOptions, data, epochs: 1 };

  it.each<[string, (file: string) => Promise<unknown>]>([
    [
      'source',
      (source) =>
        transfer({
          ...common,
          source,
          sourceNetwork: says.network,
          sourceWidth: says.width,
          out: join(temporaryFolder(), 'run'),
        }).result,
    ],
    [
      'targetInit',
      (targetInit) =>
        transfer({
          data,
          epochs: 1,
          threads: 1,
          lr: 0.01,
          method: 'finetune',
          target: says.network,
          width: says.width,
          targetInit,
          out: join(temporaryFolder(), 'run'),
        }).result,
    ],
    ['evaluate', (file) => evaluate(file, { ...says, data })],
    ['Network.load', (file) => Network.load(file, says)],
    ['exportNetwork', (file) => exportNetwork(file, { ...says, to: 'onnx', out: join(temporaryFolder(), 'x.onnx') })],
  ])('is refused when it is read: %s', async (_, call) => {
    const names = ['block1.conv1.weight', 'bn1.running_var'];
    for (const [k, file] of files.entries()) {
      await expect(call(file)).rejects.toMatchObject({
        code: 'INVALID_WEIGHTS',
        message: expect.stringContaining(`${file}: "${names[k]}" has numbers that are NaN or infinite`),
      });
    }
  });
});
