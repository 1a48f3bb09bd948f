import { L2TError } from '../../errors.js';
import type { DType, Tensor } from '../../native/tensor.js';

/** The tensor in float32. Values beyond its range become infinite, as in PyTorch. */
export function toFloat32<T extends Tensor>(tensor: T): T {
  if (tensor.dtype === 'float32') return tensor;
  const read = readers.get(tensor.dtype);
  if (read === undefined) throw new L2TError('INTERNAL', `A tensor of ${tensor.dtype} is not converted to float32.`);
  // A copy, since a view into a file's bytes need not be aligned. (Buffer's own slice() would be a view again.)
  const { buffer } = Uint8Array.from(tensor.data);
  return { ...tensor, dtype: 'float32', data: new Uint8Array(read(buffer).buffer) };
}

const readers: ReadonlyMap<DType, (bytes: ArrayBuffer) => Float32Array> = new Map([
  ['float64', (bytes) => Float32Array.from(new Float64Array(bytes))],
  ['float16', (bytes) => Float32Array.from(new Uint16Array(bytes), fromHalf)],
  // bfloat16 is the upper half of a float32.
  ['bfloat16', (bytes) => new Float32Array(Uint32Array.from(new Uint16Array(bytes), (bits) => bits << 16).buffer)],
]);

/** IEEE 754 binary16: 1 bit of sign, 5 of exponent (bias 15), 10 of fraction. */
function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = (bits & 0x3ff) / 1024;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -14 : sign * (1 + fraction) * 2 ** (exponent - 15);
}
