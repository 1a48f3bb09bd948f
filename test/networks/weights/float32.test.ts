import { expect, it } from 'vitest';
import type { DType } from '../../../src/native/tensor.js';
import { toFloat32 } from '../../../src/native/tensor.js';

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
