import { expect, it } from 'vitest';
import { type DType, isFiniteInFloat32, itemSize, type Tensor, toFloat32 } from '../../src/native/tensor.js';

const converted = (dtype: DType, values: { readonly buffer: ArrayBufferLike; readonly length: number }) => {
  const bytes = new Uint8Array(values.buffer);
  // A view that is not aligned, as one into a file may be.
  const data = new Uint8Array(bytes.length + 1).subarray(1);
  data.set(bytes);
  const { data: floats, ...rest } = toFloat32({ dtype, shape: [values.length], data });
  expect(rest).toEqual({ dtype: 'float32', shape: [values.length] });
  return [...new Float32Array(floats.slice().buffer)];
};

// The bits are those of IEEE 754.
it('half precision', () => {
  const bits = [0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x83ff, 0x3555, 0x7c00, 0xfc00, 0x8000];
  const values = [1, -2, 65504, 2 ** -14, 2 ** -24, -1023 * 2 ** -24, 1365 / 4096, Infinity, -Infinity, -0];
  expect(converted('float16', Uint16Array.from(bits))).toEqual(values);
  expect(converted('float16', Uint16Array.of(0x7e00))).toEqual([Number.NaN]);
});

it('bfloat16 and float64', () => {
  expect(converted('bfloat16', Uint16Array.of(0x3f80, 0xc020, 0x7f80, 0x3eab))).toEqual([1, -2.5, Infinity, 171 / 512]);
  expect(converted('float64', Float64Array.of(0.5, -1e300, 1 / 3))).toEqual([0.5, -Infinity, Math.fround(1 / 3)]);
});

const tensor = (dtype: DType, values: ArrayBufferView): Tensor => ({
  dtype,
  shape: [values.byteLength / itemSize(dtype)],
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
])('%s: finite in float32 is %s', (_, finite, input) => {
  expect(isFiniteInFloat32(input)).toBe(finite);
  // The same at an odd address.
  const data = new Uint8Array(input.data.length + 1).subarray(1);
  data.set(input.data);
  expect(isFiniteInFloat32({ ...input, data })).toBe(finite);
});
