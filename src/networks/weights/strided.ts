import { itemSize } from '../../native/tensor.js';
import type { TensorRef } from './pickle-values.js';

/** Number of elements of `shape`; inexact above 2^53. */
export function elementCount(shape: readonly number[]): number {
  return shape.includes(0) ? 0 : shape.reduce((product, length) => product * length, 1);
}

/** Do the elements lie row-major without gaps? The stride of a dimension of length 1 does not matter. */
export function isContiguous({ shape, strides }: TensorRef): boolean {
  let expected = 1;
  for (let dimension = shape.length - 1; dimension >= 0; dimension--) {
    const length = shape[dimension] as number;
    if (length === 0) return true;
    if (length !== 1 && strides[dimension] !== expected) return false;
    expected *= length;
  }
  return true;
}

/** The elements, of which the first is at the start of `source`, in row-major order; `index` counts through the shape like an odometer. */
export function gather({ storage, shape, strides }: TensorRef, source: Uint8Array): Uint8Array {
  const size = itemSize(storage.dtype);
  const out = new Uint8Array(elementCount(shape) * size);
  const index = new Array<number>(shape.length).fill(0);
  let from = 0;
  for (let to = 0; to < out.length; to += size) {
    for (let byte = 0; byte < size; byte++) out[to + byte] = source[from + byte] as number;
    for (let dimension = shape.length - 1; dimension >= 0; dimension--) {
      const stride = (strides[dimension] as number) * size;
      const next = (index[dimension] as number) + 1;
      from += stride;
      if (next < (shape[dimension] as number)) {
        index[dimension] = next;
        break;
      }
      index[dimension] = 0;
      from -= next * stride;
    }
  }
  return out;
}
