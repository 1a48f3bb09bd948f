import type { DType } from '../../native/tensor.js';

/**
 * A value in a pickle. A list is an array, a tuple a frozen array, a dict a Map, a set a Set: keys from the file never
 * become object properties. A list or dict may contain itself, so code that walks a value must limit the depth.
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

/** Throws an L2TError INVALID_WEIGHTS that names the file and the offset. */
export type Fail = (problem: string) => never;

/** An allowed global that REDUCE may call. It builds a value from its arguments and does nothing else. */
export class PickleFunction {
  constructor(
    readonly name: string,
    readonly apply: (args: readonly PickleValue[], fail: Fail) => PickleValue,
  ) {}
}

/** collections.OrderedDict. Unlike a plain dict it may have attributes (PyTorch's `_metadata`); they are ignored. */
export class OrderedDict extends Map<PickleValue, PickleValue> {}

/** A storage class such as torch.FloatStorage, named in a persistent id. */
export class StorageType {
  constructor(readonly dtype: DType) {}
}

/** A view of `length` elements from `offset` on, in the storage `key`, which has `size` elements. */
export class StorageRef {
  constructor(
    readonly key: string,
    readonly dtype: DType,
    readonly size: number,
    readonly offset: number,
    readonly length: number,
  ) {}
}

/** A tensor over a storage. Offset and strides count elements, and are checked to stay inside the storage. */
export class TensorRef {
  constructor(
    readonly storage: StorageRef,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}
}

/** A value that is skipped, such as a NumPy scalar. Only its type's name is kept. */
export class OpaqueValue {
  constructor(readonly name: string) {}
}

export const isSequence = (value: PickleValue | undefined): value is readonly PickleValue[] => Array.isArray(value);

export const isTuple = (value: PickleValue | undefined): value is readonly PickleValue[] =>
  Array.isArray(value) && Object.isFrozen(value);

/** A size, offset or stride: a whole number from 0 to 2^53 − 1. */
export const isCount = (value: PickleValue | undefined): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
