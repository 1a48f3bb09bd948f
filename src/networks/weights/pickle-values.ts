import type { DType } from '../../native/tensor.js';

/**
 * What a pickle may hold. A list is an array, a tuple a frozen array, a dict a Map, a set a Set: keys from the file never
 * become object properties. A list or dict may hold itself, so what comes from a file must not be walked unbounded.
 */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly PickleValue[]
  | Map<PickleValue, PickleValue>
  | Set<PickleValue>
  | PickleFunction
  | StorageType
  | StorageRef
  | TensorRef
  | OpaqueValue;

/** Ends the reading with an L2TError INVALID_WEIGHTS that names the file and the offset. */
export type Fail = (problem: string) => never;

/** A listed global that REDUCE may apply. It builds a value out of its arguments and does nothing else. */
export class PickleFunction {
  constructor(
    readonly name: string,
    readonly apply: (args: readonly PickleValue[], fail: Fail) => PickleValue,
  ) {}
}

/** collections.OrderedDict: unlike a plain dict it may be given attributes, which are dropped (PyTorch's `_metadata`). */
export class OrderedDict extends Map<PickleValue, PickleValue> {}

/** A storage class such as torch.FloatStorage, named in a persistent id. */
export class StorageType {
  constructor(readonly dtype: DType) {}
}

/** `length` elements from `offset` on, in the storage called `key` of `size` elements. */
export class StorageRef {
  constructor(
    readonly key: string,
    readonly dtype: DType,
    readonly size: number,
    readonly offset: number,
    readonly length: number,
  ) {}
}

/** A tensor over a storage; offset and strides in elements, checked to stay inside the storage. */
export class TensorRef {
  constructor(
    readonly storage: StorageRef,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}
}

/** Bookkeeping that is read over, such as a NumPy scalar: only what it was is known. */
export class OpaqueValue {
  constructor(readonly name: string) {}
}

export function isSequence(value: PickleValue | undefined): value is readonly PickleValue[] {
  return Array.isArray(value);
}

export function isTuple(value: PickleValue | undefined): value is readonly PickleValue[] {
  return Array.isArray(value) && Object.isFrozen(value);
}

/** A size, offset or stride: a whole number from 0 to 2^53 − 1. */
export function isCount(value: PickleValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
